"""What one frame is computed with and on."""

from dataclasses import dataclass
from functools import cached_property
from typing import Mapping

import torch

from mtshare_ros.sharing.cache import CameraState
from mtshare_ros.sharing.encoder import TransformerRunner
from mtshare_ros.sharing.head import HeadRunner
from mtshare_ros.sharing.limits import FrameThresholds
from mtshare_ros.sharing.plan import FramePlan
from mtshare_ros.sharing.settings import SharingSettings
from mtshare_ros.sharing.stem import StemRunner


@dataclass(frozen=True)
class Runners:
    """The parts of a network, prepared for row lists."""

    stem: StemRunner
    transformer: TransformerRunner
    heads: Mapping[str, HeadRunner]

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks, in the order of the ages and of the outputs' backlog."""
        return tuple(self.heads)


@dataclass(frozen=True)
class Frame:
    """One frame of one camera: the asked tasks, the plan of its patches, the gates' thresholds."""

    runners: Runners
    state: CameraState
    tasks: tuple[str, ...]
    plan: FramePlan
    thresholds: FrameThresholds
    settings: SharingSettings

    @property
    def patch_count(self) -> int:
        """N."""
        return self.state.transformer.patch_count

    @property
    def whole(self) -> bool:
        """Whether every patch enters."""
        return self.plan.patches is None

    @property
    def entering(self) -> torch.Tensor | None:
        """Which patches (N,) bool the first block may not drop."""
        plan = self.plan
        return plan.due if plan.halo is None or plan.due is None else plan.due | plan.halo

    @cached_property
    def every(self) -> torch.Tensor:
        """All patches (N,)."""
        return torch.arange(self.patch_count, device=self.state.ages.device)

    def encoders(self) -> tuple[int, ...]:
        """
        Return the transformers that must run.

        The base task's runs without being asked for where at least two sub-tasks can take rows
        over from it; for one alone that would cost more than it saves.
        """
        transformer = self.runners.transformer
        asked = {transformer.number_of(task) for task in self.tasks}
        reusing = any(threshold.task is not None for threshold in self.thresholds.own)
        if reusing and len(asked) >= 2:
            asked.add(0)
        return tuple(sorted(asked))

    def overdue(self, task: str) -> torch.Tensor | None:
        """
        Return the patches (N,) bool too old for a task that missed frames, None where none can be.

        Tasks that run every frame are kept young by the refresh schedule.
        """
        number = self.runners.tasks.index(task)
        if self.settings.policy == 'none' or not self.state.outputs.is_behind(number):
            return None
        oldest = self.settings.refresh_period
        return self.state.ages[1 + number] >= oldest
