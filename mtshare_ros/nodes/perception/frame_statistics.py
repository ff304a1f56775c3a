"""What the perception node did lately, in numbers."""

from dataclasses import dataclass
import math
import threading
import time
from typing import Callable

from mtshare_ros.inference.prediction import FrameStats
from mtshare_ros.nodes.perception.motion_statistics import MotionStatistics
from mtshare_ros.nodes.perception.sharing_statistics import SharingStatistics
from mtshare_ros.nodes.rates import RecentValues, WINDOW_S
from mtshare_ros.tasks import ordered


@dataclass(frozen=True)
class RecentFlow:
    """Images of the last few seconds: received, dropped, and how fast they were served."""

    received: int
    dropped: int
    received_hz: float
    published_hz: float
    inference_ms_p95: float


class FrameStatistics:
    """Counters and recent times of frames; safe to use from two threads."""

    COUNTERS = (
        'received', 'processed', 'carried', 'not_carried', 'dropped', 'skipped', 'rejected',
        'failed')

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(self.COUNTERS, 0)
        self._arrivals = RecentValues(clock)
        self._drops = RecentValues(clock)
        self._completions = RecentValues(clock)
        self._ages_ms = RecentValues(clock)
        self._inference_ms = RecentValues(clock)
        self._overhead_ms = RecentValues(clock)
        self._sharing = SharingStatistics(clock)
        self._motion = MotionStatistics(clock)
        self._tasks: tuple[str, ...] = ()
        self._parameters = ''
        self._clock = clock
        self._last_error = ''
        self._last_error_s = self._last_severe_s = -float('inf')

    @property
    def last_error(self) -> str:
        """The fault of the last frame that had one, or an empty text."""
        return self._last_error

    @property
    def recent_error(self) -> str:
        """The last fault where it is a few seconds old, otherwise an empty text."""
        return self._last_error if self._is_recent(self._last_error_s) else ''

    @property
    def severe_error(self) -> str:
        """The last fault where one a few seconds ago was severe, otherwise an empty text."""
        return self._last_error if self._is_recent(self._last_severe_s) else ''

    @property
    def recent(self) -> 'RecentFlow':
        """What came and what became of it in the last few seconds."""
        with self._lock:
            return RecentFlow(
                received=self._arrivals.count(), dropped=self._drops.count(),
                received_hz=self._arrivals.rate_hz(), published_hz=self._completions.rate_hz(),
                inference_ms_p95=self._inference_ms.percentile(95),
            )

    def count(self, name: str) -> None:
        """
        Count one frame as one of COUNTERS.

        ``dropped`` frames were replaced by a newer one before their turn, ``skipped`` ones came
        above ``max_rate``, ``rejected`` ones could not be read, ``failed`` ones raised an error;
        to ``not_carried`` ones no maps could be carried.
        """
        with self._lock:
            self._counts[name] += 1
            if name == 'received':
                self._arrivals.add(0.0)
            if name == 'dropped':
                self._drops.add(0.0)

    def fault(self, text: str, *, severe: bool = False) -> None:
        """Keep what was wrong with a frame that was published all the same."""
        with self._lock:
            self._last_error, self._last_error_s = text, self._clock()
            if severe:
                self._last_severe_s = self._last_error_s

    def reject(self, name: str, error: str) -> None:
        """Count one frame as one of COUNTERS, and keep what was wrong with it."""
        self.count(name)
        self.fault(error)

    def compute(self, *, inference_ms: float, stats: FrameStats, parameters: str = '') -> None:
        """
        Count a frame of the network and what it took.

        ``parameters`` are those it was computed with that differ from their defaults.
        """
        with self._lock:
            self._counts['processed'] += 1
            self._tasks = ordered(stats.active)
            self._parameters = parameters
            self._inference_ms.add(inference_ms)
            if self._tasks:
                self._sharing.add(stats)
                self._motion.add(stats.motion)

    def publish(self, *, age_ms: float, overhead_ms: float = 0.0) -> None:
        """
        Note that the outputs of a frame of the network were published, at an age (NaN: unknown).

        The overhead is what passed from its arrival to its last output beside the inference.
        """
        with self._lock:
            self._complete(age_ms)
            self._overhead_ms.add(overhead_ms)

    def note_pose(self, late_ms: float) -> None:
        """Note by how much the newest pose of the camera was older than its image."""
        with self._lock:
            self._motion.note_pose(late_ms)

    def carry(self, *, age_ms: float, took_ms: float, behind_ms: float) -> None:
        """Count an image whose outputs were carried to it; see ``MotionStatistics.carry``."""
        with self._lock:
            self._counts['carried'] += 1
            self._complete(age_ms)
            self._motion.carry(took_ms=took_ms, behind_ms=behind_ms)

    def not_carry(self, reason: str) -> None:
        """Count an image that no maps could be carried to, and keep why."""
        with self._lock:
            self._counts['not_carried'] += 1
            self._motion.not_carry(reason)

    def _complete(self, age_ms: float) -> None:
        self._completions.add(0.0)
        if not math.isnan(age_ms):
            self._ages_ms.add(age_ms)

    def summary(self) -> dict[str, str]:
        """Return the figures by name, as the diagnostics show them."""
        with self._lock:
            return {
                'input_hz': f'{self._arrivals.rate_hz():.1f}',
                'output_hz': f'{self._completions.rate_hz():.1f}',
                'age_ms_p50': f'{self._ages_ms.percentile(50):.1f}',
                'age_ms_p95': f'{self._ages_ms.percentile(95):.1f}',
                'inference_ms_p50': f'{self._inference_ms.percentile(50):.1f}',
                'inference_ms_p95': f'{self._inference_ms.percentile(95):.1f}',
                'overhead_ms_p50': f'{self._overhead_ms.percentile(50):.2f}',
                'overhead_ms_p95': f'{self._overhead_ms.percentile(95):.2f}',
                'computed': ' '.join(self._tasks),
                'changed_parameters': self._parameters,
                **self._sharing.summary(),
                **self._motion.summary(),
                **{name: str(value) for name, value in self._counts.items()},
            }

    def _is_recent(self, moment_s: float) -> bool:
        return self._clock() - moment_s < WINDOW_S
