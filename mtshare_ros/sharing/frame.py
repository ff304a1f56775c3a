"""What one frame is computed with and on."""

from dataclasses import dataclass
from functools import cached_property
from typing import Mapping

import torch

from mtshare_ros.sharing.cache import CameraState
from mtshare_ros.sharing.encoder import EncoderRunner
from mtshare_ros.sharing.head import HeadRunner
from mtshare_ros.sharing.limits import FrameLimits
from mtshare_ros.sharing.plan import FramePlan
from mtshare_ros.sharing.settings import SharingSettings
from mtshare_ros.sharing.stem import StemRunner


@dataclass(frozen=True)
class Runners:
    """The parts of a network, prepared for row lists."""

    stem: StemRunner
    encoder: EncoderRunner
    heads: Mapping[str, HeadRunner]

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks, in the order of the ages and of the outputs' backlog."""
        return tuple(self.heads)


@dataclass(frozen=True)
class Frame:
    """One frame of one camera: the asked tasks, the plan of its cells, the gates' limits."""

    runners: Runners
    state: CameraState
    tasks: tuple[str, ...]
    plan: FramePlan
    limits: FrameLimits
    settings: SharingSettings

    @property
    def cell_count(self) -> int:
        """N."""
        return self.state.encoder.cell_count

    @property
    def whole(self) -> bool:
        """Whether every cell enters."""
        return self.plan.cells is None

    @property
    def entering(self) -> torch.Tensor | None:
        """Which cells (N,) bool the first block may not drop."""
        plan = self.plan
        return plan.due if plan.halo is None or plan.due is None else plan.due | plan.halo

    @cached_property
    def every(self) -> torch.Tensor:
        """All cells (N,)."""
        return torch.arange(self.cell_count, device=self.state.ages.device)

    def members(self) -> tuple[int, ...]:
        """
        Return the encoders that must run.

        The base task's runs without being asked for where at least two sub-tasks can take rows
        over from it; for one alone that would cost more than it saves.
        """
        encoder = self.runners.encoder
        asked = {encoder.member_of(task) for task in self.tasks}
        taking = any(limit.task is not None for limit in self.limits.own)
        if taking and len(asked) >= 2:
            asked.add(0)
        return tuple(sorted(asked))

    def overdue(self, task: str) -> torch.Tensor | None:
        """
        Return the cells (N,) bool too old for a task that missed frames, None where none can be.

        Tasks that run every frame are kept young by the refresh schedule.
        """
        number = self.runners.tasks.index(task)
        if self.settings.policy == 'none' or not self.state.outputs.is_behind(number):
            return None
        oldest = self.settings.refresh_period
        return self.state.ages[1 + number] >= oldest
