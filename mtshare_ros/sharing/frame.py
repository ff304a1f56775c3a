"""What is remembered of one camera, and one frame of it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Mapping

import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.sharing.change import ChangeState
from mtshare_ros.sharing.gates import FrameThresholds
from mtshare_ros.sharing.head import HeadRunner, HeadState
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.plan import FramePlan
from mtshare_ros.sharing.settings import SharingSettings
from mtshare_ros.sharing.stem import StemRunner, StemState
from mtshare_ros.sharing.transformer import TransformerRunner, TransformerState


class StaleTokens:
    """
    For each of K consumers (encoders or heads) the patches (N,) it has still to catch up with.

    A consumer that was left out for more than ``max_age`` frames, or that never ran, is cold: it
    must compute all patches.
    """

    def __init__(self, consumers: int, patch_count: int, device: torch.device) -> None:
        self._pending = torch.zeros(consumers, patch_count, dtype=torch.bool, device=device)
        self._away: list[int | None] = [None] * consumers

    @property
    def nbytes(self) -> int:
        """Bytes of the masks."""
        return self._pending.numel()

    def is_cold(self, consumer: int) -> bool:
        """Tell whether a consumer has nothing to build on."""
        return self._away[consumer] is None

    def is_behind(self, consumer: int) -> bool:
        """Tell whether a consumer missed frames."""
        return bool(self._away[consumer])

    def defer(self, consumer: int, changed: torch.Tensor, max_age: int) -> None:
        """Note the patches (N,) bool that changed in a frame which a consumer misses."""
        away = self._away[consumer]
        if away is None:
            return
        self._away[consumer] = away + 1 if away < max_age else None
        self._pending[consumer] |= changed

    def catch_up(self, consumer: int, changed: torch.Tensor) -> torch.Tensor:
        """Return the patches (N,) bool of this frame and of the missed ones."""
        if self.is_behind(consumer):
            changed = changed | self._pending[consumer]
            self.complete(consumer)
        return changed

    def complete(self, consumer: int) -> None:
        """Note that a consumer is up to date."""
        self._pending[consumer] = False
        self._away[consumer] = 0

    def freeze(self, consumer: int) -> None:
        """Note that all patches changed while a consumer was left out."""
        self._away[consumer] = None

    def freeze_all(self) -> None:
        """Make every consumer one that never ran."""
        self._away = [None] * len(self._away)


FIRST_FRAME = 'first frame'


@dataclass
class CameraState:
    """
    Buffers for a grid of N patches and a kind of block, allocated once.

    ``ages`` (1 + T, N) int32 counts the frames since a patch ran ungated through everything: first
    through the shared blocks, then for each of the network's T tasks through its head.
    ``encoders`` and ``outputs`` hold what each encoder and each head has still to catch up with.
    """

    grid: tuple[int, int]
    kind: str
    change: ChangeState
    stem: StemState
    transformer: TransformerState
    heads: dict[str, HeadState]
    ages: torch.Tensor
    encoders: StaleTokens
    outputs: StaleTokens
    frame: int = 0

    def start_anew(self) -> None:
        """Let nothing build on what was computed so far."""
        self.frame = 0
        self.encoders.freeze_all()
        self.outputs.freeze_all()

    def nbytes(self) -> dict[str, int]:
        """Return the bytes by task, and what all tasks share as ``shared``."""
        shared = (self.change.nbytes + self.stem.nbytes + self.transformer.nbytes
                  + tensor_bytes(self.ages) + self.encoders.nbytes + self.outputs.nbytes)
        return {'shared': shared, **{task: state.nbytes for task, state in self.heads.items()}}


class ActivationCache:
    """
    The memory of one camera, handed to every run of the network; the network has none.

    After ``reset`` the next frame is computed as if it were the first.
    """

    def __init__(self) -> None:
        self.state: CameraState | None = None
        self._reason = FIRST_FRAME

    @property
    def reset_reason(self) -> str:
        """Why the next frame starts anew; empty where it builds on the last one."""
        return self._reason

    @property
    def camera(self) -> CameraState:
        """The buffers; raises ConfigError before the first frame."""
        if self.state is None:
            raise ConfigError('the cache has seen no frame yet; call infer with it first')
        return self.state

    def reset(self, reason: str) -> None:
        """Forget the camera; the reason stands in the next frame's statistics."""
        self._reason = reason

    def release(self, reason: str) -> None:
        """Forget the camera and let its buffers go; the next frame allocates them anew."""
        self.state = None
        self.reset(reason)

    def started(self) -> None:
        """Note that a frame was computed from nothing."""
        self._reason = ''

    def nbytes(self) -> dict[str, int]:
        """Return the bytes by task, and what all tasks share as ``shared``."""
        return {} if self.state is None else self.state.nbytes()


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
