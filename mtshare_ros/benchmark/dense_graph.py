"""A whole dense side as one CUDA graph: no launch costs, as a good deployment would have it."""

from dataclasses import dataclass, field
from typing import Callable

import torch

from mtshare_ros.benchmark.dense_forms import time_in_turns
from mtshare_ros.inference.arithmetic import computing_on
from mtshare_ros.inference.static.graphs import GraphPool

_WARM_UPS = 3
_ROUNDS = 9


@dataclass(frozen=True)
class DenseOutputs:
    """Raw outputs (1, C, H/4, W/4) by task and maps (H, W, ...) by field, on the device."""

    raw: dict[str, torch.Tensor] = field(default_factory=dict)
    maps: dict[str, torch.Tensor] = field(default_factory=dict)


Compute = Callable[[torch.Tensor], DenseOutputs]


def capture(compute: Compute, size: tuple[int, int], device: torch.device) -> Compute | None:
    """
    Return a computation as a replayed CUDA graph, None where that fails or is not faster.

    What it returns is overwritten by the next call.
    """
    image = torch.zeros(1, 3, *size, dtype=torch.uint8, device=device).contiguous(
        memory_format=torch.channels_last)
    try:
        with computing_on(str(device)), torch.inference_mode():
            graphed = _Graphed(compute, image)
            calls = {'graph': lambda: graphed(image), 'calls': lambda: compute(image)}
            times = time_in_turns(calls, _ROUNDS, str(device))
    except RuntimeError:  # what cannot be captured says so in many ways, all of this class
        return None
    return graphed if times['graph'] < times['calls'] else None


class _Graphed:
    """A recorded computation; the input is copied to where it was recorded."""

    def __init__(self, compute: Compute, image: torch.Tensor) -> None:
        self._image = image.clone()
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
