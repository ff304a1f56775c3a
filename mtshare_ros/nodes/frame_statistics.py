"""What the perception node did lately, in numbers."""

from collections import deque
import threading
import time
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


class FrameStatistics:
    """Counters and recent times of frames; safe to use from two threads."""

    COUNTERS = ('received', 'processed', 'dropped', 'skipped', 'rejected', 'failed')

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(self.COUNTERS, 0)
        self._arrivals = RecentValues(clock)
        self._ages_ms = RecentValues(clock)
        self._inference_ms = RecentValues(clock)
        self._tasks: tuple[str, ...] = ()
        self._clock = clock
        self._last_error = ''
        self._last_error_s = -float('inf')

    @property
    def last_error(self) -> str:
        """The fault of the last frame that had one, or an empty text."""
        return self._last_error

    @property
    def recent_error(self) -> str:
        """The last fault where it is a few seconds old, otherwise an empty text."""
        recent = self._clock() - self._last_error_s < WINDOW_S
        return self._last_error if recent else ''

    def count(self, name: str) -> None:
        """
        Count one frame as one of COUNTERS.

        ``dropped`` frames were replaced by a newer one before their turn, ``skipped`` ones came
        above ``max_rate``, ``rejected`` ones could not be read, ``failed`` ones raised an error.
        """
        with self._lock:
            self._counts[name] += 1
            if name == 'received':
                self._arrivals.add(0.0)

    def reject(self, name: str, error: str) -> None:
        """Count one frame as one of COUNTERS, and keep what was wrong with it."""
        self.count(name)
        with self._lock:
            self._last_error, self._last_error_s = error, self._clock()

    def finish(self, *, age_ms: float, inference_ms: float, tasks: tuple[str, ...]) -> None:
        """Count a frame whose outputs were published, its age then, and the tasks computed."""
        with self._lock:
            self._counts['processed'] += 1
            self._tasks = tasks
            self._ages_ms.add(age_ms)
            self._inference_ms.add(inference_ms)

    def summary(self) -> dict[str, str]:
        """Return the figures by name, as the diagnostics show them."""
        with self._lock:
            return {
                'input_hz': f'{self._arrivals.rate_hz():.1f}',
                'output_hz': f'{self._ages_ms.rate_hz():.1f}',
                'age_ms_p50': f'{self._ages_ms.percentile(50):.1f}',
                'age_ms_p95': f'{self._ages_ms.percentile(95):.1f}',
                'inference_ms_p50': f'{self._inference_ms.percentile(50):.1f}',
                'inference_ms_p95': f'{self._inference_ms.percentile(95):.1f}',
                'computed': ' '.join(self._tasks),
                **{name: str(value) for name, value in self._counts.items()},
            }
