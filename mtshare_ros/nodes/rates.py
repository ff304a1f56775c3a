"""Rates: a limit, a watch, and values of the last few seconds."""

from collections import deque
from typing import Callable

import numpy as np


class RateLimiter:
    """
    Decides which frames to take so that the mean rate stays below a limit.

    A frame is due one period after the last one was due, not after the last one came: of a 30 Hz
    camera limited to 20 Hz two frames of three are taken, not every second one.
    """

    def __init__(self) -> None:
        self._due_s = -float('inf')

    def allows(self, now_s: float, max_rate_hz: float) -> bool:
        """Return whether a frame that comes now is taken; 0.0 Hz takes every frame."""
        if max_rate_hz <= 0:
            return True
        if now_s < self._due_s:
            return False
        period_s = 1 / max_rate_hz
        # At most one period is made up for: no burst follows a pause of the camera.
        self._due_s = max(self._due_s, now_s - period_s) + period_s
        return True


WINDOW_TICKS = 60
"""Ticks over which the rate is judged."""

_ENOUGH = 0.95


class RateWatch:
    """Compares timer ticks with published frames, and returns one complaint."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._ticks = 0
        self._published = 0
        self._complained = False

    def note(self, *, published: bool) -> str:
        """Note one tick; return a complaint the first time that too many had no frame."""
        self._ticks += 1
        self._published += published
        if self._ticks < WINDOW_TICKS:
            return ''
        share, self._ticks, self._published = self._published / self._ticks, 0, 0
        if share >= _ENOUGH or self._complained:
            return ''
        self._complained = True
        return f'cannot keep {self._rate_hz:.1f} Hz, {share * self._rate_hz:.1f} Hz are reached'


WINDOW_S = 5.0
"""How far back rates, ages and times look."""


class RecentValues:
    """Values with their time, forgotten after a while; the caller does the locking."""

    def __init__(self, clock: Callable[[], float], window_s: float = WINDOW_S) -> None:
        self._clock = clock
        self._window_s = window_s
        # Bounded, because old values are forgotten only when somebody reads.
        self._items: deque[tuple[float, float]] = deque(maxlen=2048)

    def add(self, value: float) -> None:
        """Keep one value."""
        self._items.append((self._clock(), value))

    def percentile(self, percent: float) -> float:
        """Return a percentile of the recent values, NaN where there are none."""
        values = self._recent()
        return float(np.percentile(values, percent)) if values else float('nan')

    def mean(self) -> float:
        """Return the mean of the recent values, NaN where there are none."""
        values = self._recent()
        return float(np.mean(values)) if values else float('nan')

    def count(self) -> int:
        """Return how many values are recent."""
        return len(self._recent())

    def rate_hz(self) -> float:
        """Return how many values a second arrived, from the gaps between them."""
        self._recent()  # only to forget the old ones
        if len(self._items) < 2:
            return 0.0
        span = self._items[-1][0] - self._items[0][0]
        return (len(self._items) - 1) / span if span > 0 else 0.0

    def _recent(self) -> list[float]:
        oldest = self._clock() - self._window_s
        while self._items and self._items[0][0] < oldest:
            self._items.popleft()
        return [value for _, value in self._items]
