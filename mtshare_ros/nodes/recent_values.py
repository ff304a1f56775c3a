"""Values of the last few seconds."""

from collections import deque
from typing import Callable

import numpy as np

WINDOW_S = 5.0
"""How far back rates, ages and times look."""


class RecentValues:
    """Values with their time, forgotten after a while; the caller does the locking."""

    def __init__(self, clock: Callable[[], float], window_s: float = WINDOW_S) -> None:
        self._clock = clock
        self._window_s = window_s
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
        self._recent()
        if len(self._items) < 2:
            return 0.0
        span = self._items[-1][0] - self._items[0][0]
        return (len(self._items) - 1) / span if span > 0 else 0.0

    def _recent(self) -> list[float]:
        oldest = self._clock() - self._window_s
        while self._items and self._items[0][0] < oldest:
            self._items.popleft()
        return [value for _, value in self._items]
