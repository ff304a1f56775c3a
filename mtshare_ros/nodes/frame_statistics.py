"""What the perception node did lately, in numbers."""

import threading
import time
from typing import Callable

from mtshare_ros.inference.prediction import FrameStats
from mtshare_ros.nodes.recent_values import RecentValues, WINDOW_S
from mtshare_ros.nodes.sharing_statistics import SharingStatistics
from mtshare_ros.tasks import ordered


class FrameStatistics:
    """Counters and recent times of frames; safe to use from two threads."""

    COUNTERS = ('received', 'processed', 'dropped', 'skipped', 'rejected', 'failed')

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(self.COUNTERS, 0)
        self._arrivals = RecentValues(clock)
        self._ages_ms = RecentValues(clock)
        self._inference_ms = RecentValues(clock)
        self._sharing = SharingStatistics(clock)
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

    def finish(self, *, age_ms: float, inference_ms: float, stats: FrameStats) -> None:
        """Count a frame whose outputs were published, its age then, and what it took."""
        with self._lock:
            self._counts['processed'] += 1
            self._tasks = ordered(stats.active)
            self._ages_ms.add(age_ms)
            self._inference_ms.add(inference_ms)
            if self._tasks:
                self._sharing.add(stats)

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
                **self._sharing.summary(),
                **{name: str(value) for name, value in self._counts.items()},
            }
