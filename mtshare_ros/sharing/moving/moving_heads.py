"""Decode heads on a moving view: local heads on some patches, others on the whole view."""

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Iterable, Mapping, Sequence

import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.sharing.camera_cache import CameraState
from mtshare_ros.sharing.head import (
    around,
    ChangedPatches,
    HeadGeometry,
    HeadPlan,
    HeadRunner,
    HeadUpdate,
    pixel_list,
)
from mtshare_ros.sharing.local_runner import LocalRunner
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.pixel_maps import Level
from mtshare_ros.sharing.stem import StemState
from mtshare_ros.sharing.taps import HeadInputs
from mtshare_ros.sharing.transformer import TransformerRunner


@dataclass(frozen=True)
class ProjectedRows:
    """
    The projected tokens (N, projected) of one task's head, by row of the caches.

    ``known`` (N,) bool are the rows whose projection is up to date.
    """

    values: torch.Tensor
    known: torch.Tensor

    @classmethod
    def of(cls, runner: LocalRunner, count: int, device: torch.device) -> 'ProjectedRows':
        """Return buffers for N rows, none of which is up to date."""
        return cls(torch.zeros(count, runner.projected, dtype=runner.dtype, device=device),
                   torch.zeros(count, dtype=torch.bool, device=device))

    @property
    def nbytes(self) -> int:
        """Bytes the buffers take."""
        return tensor_bytes(self.values, self.known)

    def forget(self, rows: torch.Tensor) -> None:
        """Note that rows (n,) of the transformer have changed."""
        self.known.index_fill_(0, rows, False)

    def complete(self, runner: LocalRunner, inputs: HeadInputs, rows: torch.Tensor) -> int:
        """Project those of rows (n,) that are not up to date; return the multiply-accumulates."""
        missing = rows[~self.known.index_select(0, rows)]
        if missing.shape[0]:
            self.values.index_copy_(0, missing, runner.project(inputs.of_patches(missing)))
            self.known.index_fill_(0, missing, True)
        return missing.shape[0] * runner.macs_per_projection

    def at(self, rows: torch.Tensor) -> torch.Tensor:
        """Return a copy of the projected tokens (n, projected) of rows (n,)."""
        return self.values.index_select(0, rows)


ENLARGED = 1
"""Pixels round a patch that enlarging its raw output to the size of the image reads."""


@dataclass(frozen=True)
class MovingGeometry:
    """
    How far round its patches a head computes, where nothing round them is known.

    ``borders`` are the pixels round a patch that each 3x3 convolution computes, the last of them
    those that enlarging reads; ``patch_border`` are the patches round it whose tokens are read.
    """

    side: int
    kernels: tuple[int, ...]
    paddings: tuple[int, ...]
    borders: tuple[int, ...]
    patch_border: int

    @classmethod
    def of(cls, geometry: HeadGeometry) -> 'MovingGeometry':
        """Return that of a head's convolutions."""
        reaches = [kernel // 2 for kernel in reversed(geometry.kernels)]
        merged, *borders = reversed(list(accumulate(reaches, initial=ENLARGED)))
        return cls(geometry.side, geometry.kernels, geometry.paddings, tuple(borders),
                   -(-merged // geometry.side))

    def plan(self, stem: StemState, patches: torch.Tensor) -> HeadPlan:
        """Return what to compute for patches (n,) of a view, with the stem's features there."""
        level = Level(stem.grid, self.side)
        layers = tuple(
            pixel_list(level, patches, border, kernel, padding) for border, kernel, padding
            in zip(self.borders, self.kernels, self.paddings))
        merged = around(Level(stem.grid, 1), patches, self.patch_border)
        return HeadPlan.of(level, stem, merged, layers, affected=patches)


class MovingHeads:
    """
    The local heads of a network on patches of a view; they read no pixel of the last frame.

    Raises ConfigError for runners of other heads, which read more than a few pixels round a patch.
    """

    def __init__(self, runners: Mapping[str, HeadRunner]) -> None:
        self._runners = {task: _local(task, runner) for task, runner in runners.items()}
        self._geometries = {task: MovingGeometry.of(runner.geometry)
                            for task, runner in self._runners.items()}

    def allocate(self, camera: CameraState) -> dict[str, ProjectedRows]:
        """Return by task empty buffers for what the heads keep of a camera's rows."""
        count, device = camera.transformer.patch_count, camera.stem.device
        return {task: ProjectedRows.of(runner, count, device)
                for task, runner in self._runners.items()}

    def run(
        self, projected: Mapping[str, ProjectedRows], camera: CameraState,
        transformer: TransformerRunner,
        tasks: Iterable[str], rows: torch.Tensor, patches: torch.Tensor,
    ) -> dict[str, HeadUpdate]:
        """
        Compute the raw outputs of tasks on sorted patches (n,) of the view and 1 pixel round them.

        ``rows`` (N,) are the transformer's rows of the view's patches; only those of the given
        patches may have changed since the last call with ``projected``. Elsewhere a raw output is
        old or has no meaning.
        """
        if patches.shape[0] == 0:
            return {task: HeadUpdate(patches, 0) for task in tasks}
        # of tasks that are not asked as well: their tokens have changed too
        for known in projected.values():
            known.forget(rows.index_select(0, patches))
        plans: dict[MovingGeometry, HeadPlan] = {}
        updates = {}
        for task in tasks:
            geometry = self._geometries[task]
            if geometry not in plans:
                plans[geometry] = geometry.plan(camera.stem, patches)
            runner, plan = self._runners[task], plans[geometry]
            inputs = transformer.head_inputs(camera.transformer, task, camera.stem)
            read = rows.index_select(0, plan.patches)
            macs = projected[task].complete(runner, inputs, read)
            state: Any = camera.heads[task]
            runner.decode(state, projected[task].at(read), plan)
            macs += runner.macs_of(plan, state.level)
            updates[task] = HeadUpdate(patches, macs)
        return updates


def _local(task: str, runner: HeadRunner) -> LocalRunner:
    if not isinstance(runner, LocalRunner):
        raise ConfigError(f'the head of {task} is run by a {type(runner).__name__}; on some '
                          f'patches of a moving view only a {LocalRunner.__name__} runs')
    return runner


class WholeHeads:
    """
    Heads of any kind, which compute the whole view in every frame.

    What they keep of their patches would belong to other patches in the next frame.
    """

    def __init__(self, runners: Mapping[str, HeadRunner]) -> None:
        self._runners = runners

    def run(
        self, camera: CameraState, transformer: TransformerRunner, tasks: Sequence[str],
        rows: torch.Tensor, patches: torch.Tensor,
    ) -> dict[str, HeadUpdate]:
        """
        Compute the raw outputs of tasks; return ``patches`` (n,) as those that differ.

        ``rows`` (N,) are the transformer's rows of the view's patches.
        """
        whole, updates = ChangedPatches(camera.stem), {}
        for task in tasks:
            inputs = transformer.head_inputs(camera.transformer, task, camera.stem)
            seen = tuple(tap.index_select(0, rows) for tap in inputs.taps)
            update = self._runners[task].update(
                camera.heads[task], replace(inputs, taps=seen), whole, ())
            updates[task] = HeadUpdate(patches, update.macs)
        return updates
