"""The dense contenders of the benchmark, each in the form that is fastest on this machine."""

from dataclasses import dataclass, field
from typing import Sequence

import numpy as np
import torch

from mtshare_ros.benchmark.dense_forms import (
    Call,
    capture,
    first_line,
    FormChooser,
    Piece,
    PIECEWISE,
    time_in_turns,
    Trial,
)
from mtshare_ros.benchmark.dense_pieces import (
    base_encoder,
    Compute,
    DenseGeometry,
    DenseOutputs,
    EncoderPiece,
    HeadPiece,
    MapPiece,
    piecewise_maps,
    prepare,
    rotation_of,
    StemPiece,
    taps_of_all,
)
from mtshare_ros.benchmark.dense_runtimes import EngineCompute, Part, why_no_engine
from mtshare_ros.image_frame import fit_image, frame_to_cover, Pinhole
from mtshare_ros.inference.device import computing_on
from mtshare_ros.inference.prediction import FrameStats, Prediction
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.backbone import to_tensor
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.taps import Tap

_ROUNDS = 9
"""Rounds in which forms of a whole network are timed against each other."""

DENSE_CONTENDERS = ('independent', 'shared_encoder', 'dense', 'single')


@dataclass(frozen=True)
class Pass:
    """One run of an encoder and of its heads; ``own_stem`` computes the stem again for it."""

    encoder: str
    heads: tuple[str, ...]
    own_stem: bool = False


@dataclass(frozen=True)
class DensePieces:
    """
    Stem, encoders, heads and decoding of a dense network, each in its fastest form.

    ``encoders`` by task: all blocks of that task, which give their output wherever a head reads
    it. ``arguments`` by task: a function that picks what the task's head is called with from the
    outputs of an encoder and the stem's features. ``geometry`` works out tasks without a head.
    ``forms`` is the form of each piece, ``trials`` the milliseconds of every form that was tried.
    ``notices`` say what could not be tried and what trials of whole networks found; these have
    ``rounds``. ``dtype`` is that of the products; ``engines`` says whether TensorRT is tried too.
    """

    stem: Call
    encoders: dict[str, Call]
    heads: dict[str, Call]
    arguments: dict[str, Call]
    maps: dict[str, Call]
    rotation: tuple[torch.Tensor, ...]
    geometry: DenseGeometry
    size: tuple[int, int]
    device: torch.device
    forms: dict[str, str] = field(default_factory=dict)
    trials: dict[str, dict[str, float]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    dtype: torch.dtype = torch.float32
    engines: bool = False
    rounds: int = _ROUNDS

    @property
    def form(self) -> str:
        """The form of every piece in one line of text."""
        return '; '.join(f'{piece}: {form}' for piece, form in self.forms.items())


def build_pieces(
    network: MultiTaskNetwork, tasks: Sequence[str], size: tuple[int, int], *, device: str,
    dtype: torch.dtype, chooser: FormChooser, camera: Pinhole | None = None,
) -> DensePieces:
    """
    Find the fastest form of every piece of a network for frames of (height, width).

    The encoders of all tasks have the same shape, so the forms are timed on that of the base task
    only, and the others get the fastest one. ``camera`` is that of the maps, for tasks that are
    worked out from depths.
    """
    place = torch.device(device)
    engines = place.type == 'cuda' and chooser.compiling
    reason = why_no_engine(dtype) if engines else ''
    if reason:
        chooser.notices.append(f'TensorRT was left out: {reason}')
    with torch.inference_mode(False), torch.no_grad():
        ready = prepare(network, place, dtype)
    geometry = DenseGeometry.of(network, tasks, size, camera)
    asked, grid = geometry.of_network(tasks), geometry.grid
    rotation = rotation_of(ready, grid, place)
    image = to_tensor(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8), place)
    with computing_on(device), torch.inference_mode():
        stem = chooser.fastest(Piece('stem', StemPiece(ready, grid), (image,)))
        tokens, *fine = stem.call(image)
        encoders = _encoders(ready, asked, chooser, (tokens, *rotation))
        encoded = encoders[ready.base_task].call(tokens, *rotation)
        taps = taps_of_all(ready, asked)
        modules = {task: HeadPiece(ready, task, grid, taps) for task in asked}
        given = {task: module.arguments(encoded, fine) for task, module in modules.items()}
        heads = {task: chooser.fastest(Piece(f'head {task}', modules[task], given[task]))
                 for task in asked}
        maps = {task: chooser.fastest(_map_piece(
            task, size, network.config, heads[task].call(*given[task]))) for task in asked}
    found = {'stem': stem, 'encoder': encoders[ready.base_task],
             **{f'head {task}': trial for task, trial in heads.items()},
             **{f'maps {task}': trial for task, trial in maps.items()}}
    return DensePieces(
        stem.call, {task: trial.call for task, trial in encoders.items()},
        {task: trial.call for task, trial in heads.items()},
        {task: module.arguments for task, module in modules.items()},
        {task: trial.call for task, trial in maps.items()}, rotation, geometry, size, place,
        forms={name: trial.form for name, trial in found.items()},
        trials={name: trial.milliseconds for name, trial in found.items()},
        notices=chooser.notices, dtype=dtype, engines=engines and not reason)


def _encoders(
    network: MultiTaskNetwork, tasks: Sequence[str], chooser: FormChooser,
    arguments: tuple[torch.Tensor, ...],
) -> dict[str, Trial]:
    """Return an encoder for the base task and every task; tasks without own blocks share one."""
    base, taps = network.base_task, taps_of_all(network, tasks)
    found = {base: chooser.fastest(encoder_piece(network, base, arguments, taps))}
    form = found[base].form
    for task in tasks:
        owner = network.encoder_of(task)
        if owner not in found:
            piece = encoder_piece(network, owner, arguments, taps)
            call = chooser.build(piece, form)
            found[owner] = Trial(call if call is not None else piece.module, form)
        found[task] = found[owner]
    return found


def _map_piece(
    task: str, size: tuple[int, int], config: ArchitectureConfig, raw: torch.Tensor
) -> Piece:
    others, encoding = {}, config.head_of(task).encoding
    if raw.device.type == 'cpu':
        grid = config.grid_of(size)
        others[PIECEWISE] = piecewise_maps(
            task, grid, raw.shape[2] // grid[0], config.patch_size, encoding)
    return Piece(f'maps {task}', MapPiece(task, size, encoding), (raw,), others=others)


def encoder_piece(
    network: MultiTaskNetwork, task: str, arguments: tuple[torch.Tensor, ...],
    taps: Sequence[Tap] | None = None,
) -> Piece:
    """Return the encoder of a task, for tokens (1, T, D) and the rotation of T tokens."""
    count = arguments[0].shape[1]
    shorter = tuple(item.narrow(item.ndim - 2, 0, count - 1).clone() for item in arguments)
    name = 'encoder' if task == network.base_task else f'encoder of {task}'
    return Piece(name, EncoderPiece(network, task, taps), arguments, shorter)


class DenseContender:
    """
    One dense contender: which encoders run on a frame, and which heads read them.

    ``derived`` are the tasks without a head, which are worked out from the outputs of the others.
    """

    def __init__(
        self, name: str, passes: Sequence[Pass], pieces: DensePieces,
        derived: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._derived = tuple(derived)
        self.form = pieces.form
        self.passes = tuple(passes)
        self._pieces = pieces
        self._compute: Compute = self.compute
        self._raw: dict[str, torch.Tensor] = {}

    def start(self) -> None:
        """Begin a room; there is nothing to discard."""

    def run(self, frame: np.ndarray) -> Prediction:
        """Compute the maps of one (H, W, 3) uint8 RGB frame."""
        framing = frame_to_cover((frame.shape[0], frame.shape[1]), self._pieces.size)
        image = to_tensor(fit_image(frame, framing), self._pieces.device)
        with computing_on(str(self._pieces.device)), torch.inference_mode():
            outputs = self._derive(self._compute(image))
        self._raw = outputs.raw
        arrays = {name: value.cpu().numpy() for name, value in outputs.maps.items()}
        return Prediction.from_maps(framing, FrameStats(0.0), arrays)

    def raw(self, task: str) -> torch.Tensor:
        """Return the raw output (1, C, h, w) of the last frame."""
        return self._raw[task]

    def use_graph(self) -> bool:
        """Replay a CUDA graph from here on if that works and is faster; return whether it does."""
        pieces = self._pieces
        graphed = capture(self.compute, pieces.size, pieces.device, pieces.rounds)
        if graphed is not None:
            self._compute = graphed
            self.form += '; in one CUDA graph'
        return graphed is not None

    def use_if_faster(self, other: Compute, form: str) -> str:
        """Compute with ``other`` from here on if it is faster; return both times as text."""
        image = torch.zeros(1, 3, *self._pieces.size, dtype=torch.uint8,
                            device=self._pieces.device)
        with computing_on(str(self._pieces.device)), torch.inference_mode():
            times = time_in_turns(
                {form: lambda: other(image), 'PyTorch': lambda: self._compute(image)},
                self._pieces.rounds, str(self._pieces.device))
        if times[form] < times['PyTorch']:
            self._compute, self.form = other, form
        return f'{self.name}: ' + ', '.join(
            f'{name} {value:.2f} ms' for name, value in times.items())

    def compute(self, image: torch.Tensor) -> DenseOutputs:
        """Return raw outputs and maps of an image (1, 3, H, W) uint8 on the device."""
        pieces, outputs, features = self._pieces, DenseOutputs(), None
        for item in self.passes:
            if features is None or item.own_stem:
                features = pieces.stem(image)
            encoded = pieces.encoders[item.encoder](features[0], *pieces.rotation)
            for task in item.heads:
                given = pieces.arguments[task](encoded, features[1:])
                outputs.raw[task] = pieces.heads[task](*given)
                outputs.maps.update(pieces.maps[task](outputs.raw[task]))
        return outputs

    def _derive(self, outputs: DenseOutputs) -> DenseOutputs:
        """Return the outputs with those of the tasks without a head added."""
        geometry, size = self._pieces.geometry, self._pieces.size
        raw, maps = dict(outputs.raw), dict(outputs.maps)
        for task in self._derived:
            raw[task] = geometry.work_out(task, outputs.raw, outputs.maps)
            maps.update(MapPiece(task, size)(raw[task]))
        return DenseOutputs(raw, maps)


def make_dense_contender(
    name: str, network: MultiTaskNetwork, tasks: Sequence[str], pieces: DensePieces
) -> DenseContender:
    """
    Return one of ``DENSE_CONTENDERS`` for some tasks.

    ``independent`` costs as much as one whole network per task: it runs the base task's encoder
    for each, because cost does not depend on weights. With TensorRT, ``dense`` computes the shared
    blocks once.
    """
    tasks = tasks[:1] if name == 'single' else tasks
    base, asked = network.base_task, pieces.geometry.of_network(tasks)
    passes = {
        'independent': [Pass(base, (task,), own_stem=True) for task in asked],
        'shared_encoder': [Pass(base, asked)],
        'dense': [Pass(task, (task,)) for task in asked],
        'single': [Pass(base, asked)],
    }
    contender = DenseContender(name, passes[name], pieces, pieces.geometry.without_heads(tasks))
    if pieces.device.type == 'cuda':
        contender.use_graph()
    if pieces.engines:
        pieces.notices.append(_try_engine(contender, network, asked, pieces))
    return contender


def _try_engine(
    contender: DenseContender, network: MultiTaskNetwork, tasks: tuple[str, ...],
    pieces: DensePieces,
) -> str:
    """Use TensorRT where it is faster; return the times, or why it could not be tried."""
    base = base_encoder(network)
    parts: dict[str, list[Part]] = {
        'independent': [(base, (task,)) for task in tasks], 'dense': [(network, tasks)]}
    try:
        compute = EngineCompute(
            parts.get(contender.name, [(base, tasks)]), pieces.size, pieces.device, pieces.dtype)
        graphed = capture(compute, pieces.size, pieces.device, pieces.rounds)
    except Exception as error:  # what exporter and TensorRT raise has no common base class
        return f'{contender.name}: TensorRT was left out: {first_line(error)}'
    return contender.use_if_faster(graphed or compute, 'TensorRT')
