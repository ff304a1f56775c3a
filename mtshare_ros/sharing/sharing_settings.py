"""What the user decides about sharing."""

from dataclasses import dataclass, field
from typing import Mapping

from mtshare_ros.config import require

POLICIES = ('round_robin', 'keyframe', 'none')
BLOCK_KINDS = ('fast', 'accurate')
LARGEST_FACTOR = 10.0


@dataclass(frozen=True)
class SharingSettings:
    """
    How much of a frame may be taken from earlier frames and from the base task.

    Factors multiply the calibrated thresholds, 0 bypasses every gate (exact);
    ``temporal_thresholds`` and ``task_thresholds`` override them by task id. ``task`` governs
    reuse above the shared blocks; those blocks themselves are exact and always computed once.
    ``refresh_period`` and ``max_age`` are frames. ``latency_target_ms`` 0 is off. ``halo`` is how
    many patches around a change are computed with it. Above ``crossover``, a share of the patches,
    every token is computed; None takes the value that the engine measured, 1 switches this off.
    """

    temporal: bool = True
    task: bool = True
    temporal_threshold: float = 1.0
    task_threshold: float = 1.0
    temporal_thresholds: Mapping[str, float] = field(default_factory=dict)
    task_thresholds: Mapping[str, float] = field(default_factory=dict)
    policy: str = 'round_robin'
    refresh_period: int = 30
    max_age: int = 90
    scene_cut_fraction: float = 0.9
    latency_target_ms: float = 0.0
    block: str = 'fast'
    halo: int = 0
    crossover: float | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for a value that is not allowed."""
        require(self.policy in POLICIES, 'policy', self.policy, f'one of {", ".join(POLICIES)}')
        require(self.block in BLOCK_KINDS, 'block', self.block,
                f'one of {", ".join(BLOCK_KINDS)}')
        require(self.refresh_period >= 1, 'refresh_period', self.refresh_period,
                'at least 1 frame')
        require(self.max_age >= self.refresh_period, 'max_age', self.max_age,
                f'at least refresh_period = {self.refresh_period}')
        require(0 <= self.scene_cut_fraction <= 1, 'scene_cut_fraction', self.scene_cut_fraction,
                'between 0 and 1')
        require(self.latency_target_ms >= 0, 'latency_target_ms', self.latency_target_ms,
                '0 (off) or milliseconds above')
        require(self.halo in (0, 1), 'halo', self.halo, '0 or 1')
        self._check_factors()

    @property
    def shares(self) -> bool:
        """Whether anything is taken from earlier frames or from the base task."""
        return self.temporal or self.task

    def temporal_threshold_of(self, task: str) -> float:
        """Return the factor on a task's temporal thresholds; 0 if ``temporal`` is off."""
        if not self.temporal:
            return 0.0
        return self.temporal_thresholds.get(task, self.temporal_threshold)

    def task_threshold_of(self, task: str) -> float:
        """Return the factor on a sub-task's thresholds for reuse; 0 if ``task`` is off."""
        return self.task_thresholds.get(task, self.task_threshold) if self.task else 0.0

    def _check_factors(self) -> None:
        named = {'temporal_threshold': self.temporal_threshold,
                 'task_threshold': self.task_threshold}
        for kind, factors in (('temporal_thresholds', self.temporal_thresholds),
                              ('task_thresholds', self.task_thresholds)):
            named.update({f'{kind}[{task!r}]': value for task, value in factors.items()})
        for name, value in named.items():
            require(0 <= value <= LARGEST_FACTOR, name, value, f'0 to {LARGEST_FACTOR:g}')
