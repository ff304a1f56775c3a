"""How many rows a frame may compute, so that its time holds a target."""

from dataclasses import dataclass
import math

from mtshare_ros.errors import ConfigError

_RESERVE = 0.8
_ATTACK = 0.5
_RELEASE = 0.05
_LARGEST_JUMP = 2.0
_LEAST_SLOWDOWN = 0.25


@dataclass(frozen=True)
class FrameCost:
    """
    What a frame costs on an undisturbed device.

    ``base_ms`` for a frame without rows and ``ms_per_patch`` for each row of it.
    """

    base_ms: float
    ms_per_patch: float

    def time_ms(self, rows: int) -> float:
        """Return the milliseconds of a frame that computes so many rows."""
        return self.base_ms + self.ms_per_patch * rows

    def patches_within(self, time_ms: float) -> float:
        """Return how many rows fit: infinitely many where a row costs nothing, none below 0."""
        if self.ms_per_patch <= 0:
            return math.inf if time_ms >= self.base_ms else 0.0
        return max(0.0, (time_ms - self.base_ms) / self.ms_per_patch)


class LatencyController:
    """
    Holds the time of one camera's frames at ``target_ms``: 95 of 100 or more are faster.

    How much slower than its cost a frame ran is followed at once upwards and slowly downwards; a
    single outlier counts as twice the slowdown known before. The budget never falls below the rows
    that must be computed for none to get older than ``max_age``: that wins over the target.
    Raises ConfigError for a target that is no positive time.
    """

    def __init__(
        self, target_ms: float, cost: FrameCost, *, patch_count: int, max_age: int
    ) -> None:
        if not (math.isfinite(target_ms) and target_ms > 0):
            raise ConfigError(f'the latency target is {target_ms} ms; a controller needs a time '
                              'above 0: leave it out to switch the target off')
        self.target_ms = target_ms
        self.max_age = max_age
        self.cost = cost
        self.slowdown = 1.0
        self._most = patch_count
        self._least = min(patch_count, math.ceil(patch_count / max(1, max_age)))

    def budget(self) -> int:
        """Return how many rows the next frame may compute."""
        fitting = self.cost.patches_within(self.target_ms * _RESERVE / self.slowdown)
        return int(min(max(fitting, self._least), self._most))

    def observe(self, rows: int, milliseconds: float) -> None:
        """Take in how long a frame of so many rows took; a time that is none is left out."""
        expected = self.cost.time_ms(rows)
        if expected <= 0 or not math.isfinite(milliseconds) or milliseconds <= 0:
            return
        seen = min(milliseconds / expected, _LARGEST_JUMP * self.slowdown)
        pace = _ATTACK if seen > self.slowdown else _RELEASE
        self.slowdown = max(_LEAST_SLOWDOWN, self.slowdown + pace * (seen - self.slowdown))
