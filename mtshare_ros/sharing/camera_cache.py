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
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.stem import StemRunner, StemState
from mtshare_ros.sharing.transformer import TransformerRunner, TransformerState


class StaleTokens:
    """
    The patches (N,) with stale tokens, for each of K consumers: encoders or heads.

    They changed in frames in which the consumer was not computed. A consumer that was left out for
    more than ``max_age`` frames, or that never ran, is cold: it must compute all patches.
    """

    def __init__(self, consumers: int, patch_count: int, device: torch.device) -> None:
        self._pending = torch.zeros(consumers, patch_count, dtype=torch.bool, device=device)
        self._away: list[int | None] = [None] * consumers

    @property
    def nbytes(self) -> int:
        """Bytes of the masks."""
        return self._pending.numel()

    def is_cold(self, consumer: int) -> bool:
        """Tell whether a consumer must compute all patches."""
        return self._away[consumer] is None

    def is_behind(self, consumer: int) -> bool:
        """Tell whether a consumer missed frames."""
        return bool(self._away[consumer])

    def defer(self, consumer: int, changed: torch.Tensor, max_age: int) -> None:
        """Record the patches (N,) bool that changed in a frame without the consumer."""
        away = self._away[consumer]
        if away is None:
            return
        self._away[consumer] = away + 1 if away < max_age else None
        self._pending[consumer] |= changed

    def catch_up(self, consumer: int, changed: torch.Tensor) -> torch.Tensor:
        """Return the changed patches (N,) bool of this frame and of the missed ones."""
        if self.is_behind(consumer):
            changed = changed | self._pending[consumer]
            self.complete(consumer)
        return changed

    def complete(self, consumer: int) -> None:
        """Record that a consumer is up to date."""
        self._pending[consumer] = False
        self._away[consumer] = 0

    def freeze(self, consumer: int) -> None:
        """Make a consumer cold."""
        self._away[consumer] = None

    def freeze_all(self) -> None:
        """Make every consumer cold."""
        self._away = [None] * len(self._away)


FIRST_FRAME = 'first frame'


@dataclass
class CameraState:
    """
    Buffers for a grid of N patches and a kind of block, allocated once.

    ``ages`` (1 + K, N) int32 counts the frames since a patch was computed with no gate: in the
    first row by the shared blocks, in the others by each of the K tasks, its head included.
    ``stale_in_encoders`` and ``stale_in_heads`` hold the stale tokens of each.
    """

    grid: tuple[int, int]
    kind: str
    change: ChangeState
    stem: StemState
    transformer: TransformerState
    heads: dict[str, HeadState]
    ages: torch.Tensor
    stale_in_encoders: StaleTokens
    stale_in_heads: StaleTokens
    frame: int = 0

    def start_anew(self) -> None:
        """Use nothing of what was computed so far in the next frame."""
        self.frame = 0
        self.stale_in_encoders.freeze_all()
        self.stale_in_heads.freeze_all()

    def nbytes(self) -> dict[str, int]:
        """Return the bytes by task, and what all tasks share as ``shared``."""
        shared = (self.change.nbytes + self.stem.nbytes + self.transformer.nbytes
                  + tensor_bytes(self.ages) + self.stale_in_encoders.nbytes
                  + self.stale_in_heads.nbytes)
        return {'shared': shared, **{task: state.nbytes for task, state in self.heads.items()}}


class ActivationCache:
    """
    The memory of one camera, passed to every run of the network, which has none itself.

    After ``reset`` the next frame is computed as if it were the first.
    """

    def __init__(self) -> None:
        self.state: CameraState | None = None
        self._reason = FIRST_FRAME

    @property
    def reset_reason(self) -> str:
        """Why the next frame uses nothing of earlier ones; empty if it may."""
        return self._reason

    @property
    def camera(self) -> CameraState:
        """The buffers; raises ConfigError before the first frame."""
        if self.state is None:
            raise ConfigError('no frame was computed with this cache; call infer with it first')
        return self.state

    def reset(self, reason: str) -> None:
        """Compute the next frame as the first; its statistics give the reason."""
        self._reason = reason

    def release(self, reason: str) -> None:
        """Reset, and free the buffers; the next frame allocates them again."""
        self.state = None
        self.reset(reason)

    def started(self) -> None:
        """Record that a frame was computed after a reset."""
        self._reason = ''

    def nbytes(self) -> dict[str, int]:
        """Return the bytes by task, and what all tasks share as ``shared``."""
        return {} if self.state is None else self.state.nbytes()


@dataclass(frozen=True)
class Runners:
    """The parts of a network, prepared for lists of tokens."""

    stem: StemRunner
    transformer: TransformerRunner
    heads: Mapping[str, HeadRunner]

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks, in the order of the ages and of the stale tokens of heads."""
        return tuple(self.heads)


@dataclass(frozen=True)
class Frame:
    """One frame of one camera: requested tasks, the plan of its patches, thresholds."""

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
        Return the numbers of the encoders that must run.

        The base task's encoder runs without being requested if at least two sub-tasks can reuse
        its updates; for one sub-task that would cost more than it saves.
        """
        transformer = self.runners.transformer
        asked = {transformer.number_of(task) for task in self.tasks}
        reusing = any(threshold.task is not None for threshold in self.thresholds.own)
        if reusing and len(asked) >= 2:
            asked.add(0)
        return tuple(sorted(asked))

    def overdue(self, task: str) -> torch.Tensor | None:
        """
        Return the patches (N,) bool that are too old for a task, None where none can be.

        Only a task that missed frames can have some: the schedule refreshes those of the others.
        """
        number = self.runners.tasks.index(task)
        if self.settings.policy == 'none' or not self.state.stale_in_heads.is_behind(number):
            return None
        oldest = self.settings.refresh_period
        return self.state.ages[1 + number] >= oldest
