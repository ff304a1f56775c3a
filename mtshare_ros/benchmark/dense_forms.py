"""The fastest form of a piece on this machine: eager, prepacked, compiled or exported."""

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
import time
from typing import Any, Callable, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from mtshare_ros.benchmark.dense_pieces import Compute, DenseOutputs, EncoderPiece, prepack
from mtshare_ros.benchmark.dense_runtimes import RuntimePiece
from mtshare_ros.inference.device import computing_on
from mtshare_ros.inference.static.graphs import GraphPool

EAGER, PREPACKED, PIECEWISE = 'eager', 'prepacked', 'piecewise'
STATIC, DYNAMIC = 'compiled, static', 'compiled, dynamic'
RUNTIME = 'ONNX Runtime'

_COMPILED_COPIES = 64
"""Compilations of one module class that PyTorch allows; every piece in every form needs one."""

Call = Callable[..., Any]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Piece:
    """
    A part of a dense network, with arguments as it gets them in every frame.

    ``shorter`` are arguments of another size, for pieces that are also compiled for any size: on
    some CPUs the compiler then picks faster matrix kernels. ``others`` are more forms of the piece
    by name, ready to be called.
    """

    name: str
    module: nn.Module
    arguments: tuple[torch.Tensor, ...]
    shorter: tuple[torch.Tensor, ...] | None = None
    others: Mapping[str, Call] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """A piece in its fastest form: the call, the form's name, milliseconds of every form."""

    call: Call
    form: str
    milliseconds: dict[str, float] = field(default_factory=dict)


class FormChooser:
    """
    Builds the forms of pieces and times them against each other.

    ``compiling`` False leaves out the forms that take long to make: compiled ones and those of
    other runtimes. A form that cannot be made on this machine (without a C++ compiler, say) is
    reported in ``notices`` once and not tried again.
    """

    def __init__(
        self, device: str, *, compiling: bool = True, rounds: int = 13,
        report: Report | None = None,
    ) -> None:
        self.compiling = self._exporting = compiling
        self.notices: list[str] = []
        self._device = device
        self._rounds = rounds
        self._report = report or (lambda text: None)

    def fastest(self, piece: Piece) -> Trial:
        """Return the fastest form of a piece; all forms are timed in turns."""
        forms: dict[str, Call] = {}
        for form in self.forms_of(piece):
            built = self.build(piece, form)
            if built is not None:
                forms[form] = built
        times = time_in_turns(
            {form: lambda call=call: call(*piece.arguments)  # type: ignore[misc]
             for form, call in forms.items()}, self._rounds, self._device)
        best = min(times, key=lambda form: times[form])
        self._report(f'{piece.name}: ' + ', '.join(
            f'{form} {value:.1f} ms' for form, value in times.items()))
        return Trial(forms[best], best, times)

    def build(self, piece: Piece, form: str) -> Call | None:
        """Return a piece in a form, None where that form cannot be made on this machine."""
        if form in piece.others:
            return piece.others[form]
        if form == EAGER:
            return piece.module
        if form == PREPACKED:
            return prepack(piece.module) if isinstance(piece.module, EncoderPiece) else None
        if form == RUNTIME:
            return self._export(piece)
        return self._compile(piece, dynamic=form == DYNAMIC)

    def forms_of(self, piece: Piece) -> Sequence[str]:
        """Return the forms that are worth a trial on this device."""
        on_cpu, encoder = self._device == 'cpu', isinstance(piece.module, EncoderPiece)
        forms = [EAGER, *piece.others]
        if on_cpu and encoder:
            forms.append(PREPACKED)
        if self.compiling:
            forms.append(STATIC)
        if self.compiling and on_cpu and piece.shorter is not None:
            forms.append(DYNAMIC)
        if self._exporting and on_cpu:
            forms.append(RUNTIME)
        return forms

    def _compile(self, piece: Piece, *, dynamic: bool) -> Call | None:
        if not self.compiling:
            return None
        self._report(f'compiling {piece.name}, {"any size" if dynamic else "this size"}')
        try:
            with _compiler_settings():
                compiled = torch.compile(piece.module, dynamic=dynamic)
                if dynamic and piece.shorter is not None:
                    compiled(*piece.shorter)
                compiled(*piece.arguments)
        except Exception as error:  # the compiler has no common base class for what it raises
            self.compiling = False
            self.notices.append(f'nothing was compiled: {first_line(error)}')
            return None
        return compiled

    def _export(self, piece: Piece) -> Call | None:
        if not self._exporting:
            return None
        self._report(f'exporting {piece.name} for ONNX Runtime')
        try:
            return RuntimePiece(piece.module, piece.arguments)
        except Exception as error:  # the exporter has no common base class either
            self._exporting = False
            self.notices.append(f'ONNX Runtime was left out: {first_line(error)}')
            return None


def time_in_turns(calls: dict[str, Call], rounds: int, device: str) -> dict[str, float]:
    """
    Return the milliseconds of each call; the calls take turns, and two rounds are not counted.

    It is the lower quartile, because other processes can only make a call slower.
    """
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            synchronize(device)
            found[name].append((time.perf_counter() - start) * 1e3)
    return {name: float(np.percentile(times[2:], 25)) for name, times in found.items()}


def synchronize(device: str) -> None:
    """Wait until the GPU has finished its work; return at once for a CPU."""
    if device.startswith('cuda'):
        torch.cuda.synchronize(device)


def _compiler_settings() -> AbstractContextManager:
    """Make weights constants of the compiled code, so that the compiler may rearrange them."""
    import torch._dynamo.config as dynamo
    import torch._inductor.config as inductor

    limit = 'recompile_limit' if hasattr(dynamo, 'recompile_limit') else 'cache_size_limit'
    stack = ExitStack()
    stack.enter_context(inductor.patch(freezing=True))
    stack.enter_context(dynamo.patch(**{limit: _COMPILED_COPIES}))
    return stack


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its class where there is no message."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


_WARM_UPS = 3


def capture(
    compute: Compute, size: tuple[int, int], device: torch.device, rounds: int,
) -> Compute | None:
    """
    Return a computation as a replayed CUDA graph, None where that fails or is not faster.

    Which is faster is found in so many ``rounds``. The next call overwrites the tensors that the
    graph returns.
    """
    image = torch.zeros(1, 3, *size, dtype=torch.uint8, device=device).contiguous(
        memory_format=torch.channels_last)
    try:
        with computing_on(str(device)), torch.inference_mode():
            graphed = _Graphed(compute, image)
            calls = {'graph': lambda: graphed(image), 'calls': lambda: compute(image)}
            times = time_in_turns(calls, rounds, str(device))
    except RuntimeError:  # what cannot be captured says so in many ways, all of this class
        return None
    return graphed if times['graph'] < times['calls'] else None


class _Graphed:
    """A captured computation; each input is copied to the memory that the graph reads."""

    def __init__(self, compute: Compute, image: torch.Tensor) -> None:
        self._image = image.clone()
        # a capture needs a few runs before it, on a stream of their own, in which libraries set
        # themselves up and kernels are chosen
        beside = torch.cuda.Stream(image.device)
        beside.wait_stream(torch.cuda.current_stream(image.device))
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UPS):
                compute(self._image)
        torch.cuda.current_stream(image.device).wait_stream(beside)
        self._compute, self._outputs = compute, DenseOutputs()
        self._graph = GraphPool(image.device).capture(self._run)

    def _run(self) -> None:
        self._outputs = self._compute(self._image)

    def __call__(self, image: torch.Tensor) -> DenseOutputs:
        """Compute for an image (1, 3, H, W) uint8."""
        self._image.copy_(image)
        self._graph.replay()
        return self._outputs
