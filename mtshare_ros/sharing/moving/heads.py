"""Local decode heads on some cells of a view round which nothing is known."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Iterable, Mapping

import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.head_config import LOCAL
from mtshare_ros.sharing.cache import CameraState
from mtshare_ros.sharing.encoder import EncoderRunner
from mtshare_ros.sharing.head import HeadRunner, HeadUpdate
from mtshare_ros.sharing.head_plan import around, HeadGeometry, HeadPlan, pixel_list
from mtshare_ros.sharing.level import Level
from mtshare_ros.sharing.local_head import LocalRunner
from mtshare_ros.sharing.stem import StemState

ENLARGED = 1
"""Pixels round a cell that enlarging its raw output to the size of the image reads."""


def why_not_moving(config: ArchitectureConfig, tasks: Iterable[str]) -> str:
    """Return why the heads of tasks cannot run on some cells of a moving view, '' if they can."""
    kinds = {task: config.head_of(task).kind for task in tasks}
    others = [f'{task} ({kind})' for task, kind in kinds.items() if kind != LOCAL]
    if not others:
        return ''
    return (f'only heads of kind {LOCAL} run on some cells of a moving view; others are those of '
            f'{", ".join(others)}')


@dataclass(frozen=True)
class MovingGeometry:
    """
    How far round its cells a head computes where nothing round them is known.

    ``borders`` are the pixels round a cell that each 3x3 convolution gives, the last of them those
    that enlarging reads; ``cell_border`` are the cells round it whose tokens are read.
    """

    side: int
    kernels: tuple[int, ...]
    paddings: tuple[int, ...]
    borders: tuple[int, ...]
    cell_border: int

    @classmethod
    def of(cls, geometry: HeadGeometry) -> 'MovingGeometry':
        """Return that of a head's convolutions."""
        reaches = [kernel // 2 for kernel in reversed(geometry.kernels)]
        merged, *borders = reversed(list(accumulate(reaches, initial=ENLARGED)))
        return cls(geometry.side, geometry.kernels, geometry.paddings, tuple(borders),
                   -(-merged // geometry.side))

    def plan(self, stem: StemState, cells: torch.Tensor) -> HeadPlan:
        """Return what to compute for cells (n,) of a view, with the stem's features there."""
        level = Level(stem.grid, self.side)
        layers = tuple(
            pixel_list(level, cells, border, kernel, padding) for border, kernel, padding
            in zip(self.borders, self.kernels, self.paddings))
        merged = around(Level(stem.grid, 1), cells, self.cell_border)
        return HeadPlan.of(level, stem, merged, layers, reached=cells)


class MovingHeads:
    """
    The local heads of a network on cells of a view; nothing of the last frame is read.

    Raises ConfigError for runners of other heads, see ``why_not_moving``.
    """

    def __init__(self, runners: Mapping[str, HeadRunner]) -> None:
        self._runners = {task: _local(task, runner) for task, runner in runners.items()}
        self._geometries = {task: MovingGeometry.of(runner.geometry)
                            for task, runner in self._runners.items()}

    def run(
        self, camera: CameraState, encoder: EncoderRunner, tasks: Iterable[str],
        rows: torch.Tensor, cells: torch.Tensor,
    ) -> dict[str, HeadUpdate]:
        """
        Compute the raw outputs of tasks on sorted cells (n,) of the view and 1 pixel round them.

        ``rows`` (N,) are the encoder's rows of the view's cells. Elsewhere a raw output is left as
        it is, or without meaning.
        """
        plans: dict[MovingGeometry, HeadPlan] = {}
        updates = {}
        for task in tasks:
            geometry = self._geometries[task]
            if geometry not in plans:
                plans[geometry] = geometry.plan(camera.stem, cells)
            plan = plans[geometry]
            inputs = encoder.head_inputs(camera.encoder, task, camera.stem)
            tokens = inputs.of_cells(rows.index_select(0, plan.cells))
            updates[task] = _decode(self._runners[task], camera.heads[task], tokens, plan)
        return updates


def _decode(
    runner: LocalRunner, state: Any, tokens: torch.Tensor, plan: HeadPlan
) -> HeadUpdate:
    if plan.reached.shape[0] == 0:
        return HeadUpdate(plan.reached, 0)
    runner.decode(state, tokens, plan)
    return HeadUpdate(plan.reached, runner.macs_of(plan, state.level))


def _local(task: str, runner: HeadRunner) -> LocalRunner:
    if not isinstance(runner, LocalRunner):
        raise ConfigError(f'the head of {task} is run by a {type(runner).__name__}; on some cells '
                          f'of a moving view only a {LocalRunner.__name__} runs')
    return runner
