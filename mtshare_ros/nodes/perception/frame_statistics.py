"""Counters of a camera's frames, and times and shares of the last few seconds."""

from collections import Counter, deque
from dataclasses import dataclass
import math
import threading
import time
from typing import Callable

from mtshare_ros.inference.prediction import FrameStats, MotionStats
from mtshare_ros.nodes.rates import RecentValues, WINDOW_S
from mtshare_ros.tasks import ordered

_REASONS_KEPT = 5
_MODES_KEPT = 100


class SharingStatistics:
    """How much of the computed frames was shared; not thread-safe: the caller holds a lock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._active = RecentValues(clock)
        self._macs = RecentValues(clock)
        self._dense_macs = RecentValues(clock)
        self._oldest_age = 0
        self._resets = 0
        self._reasons: deque[str] = deque(maxlen=_REASONS_KEPT)

    def add(self, stats: FrameStats) -> None:
        """Count one frame."""
        self._active.add(stats.active_fraction)
        self._macs.add(stats.macs)
        self._dense_macs.add(stats.dense_macs)
        self._oldest_age = max(stats.oldest_age.values(), default=0)
        if stats.reset_reason:
            self._resets += 1
            self._reasons.append(stats.reset_reason)

    def summary(self) -> dict[str, str]:
        """Return the entries of the diagnostics by key."""
        return {
            'active_fraction': f'{self._active.mean():.3f}',
            'macs_saved_percent': f'{self._saved_percent():.1f}',
            'oldest_token_age': str(self._oldest_age),
            'resets': str(self._resets),
            'last_reset': self._reasons[-1] if self._reasons else '',
            'recent_resets': '; '.join(self._reasons),
        }

    def _saved_percent(self) -> float:
        """Return how many percent of the multiply-accumulates of dense frames were saved."""
        dense = self._dense_macs.mean()
        return 100 * (1 - self._macs.mean() / dense) if dense > 0 else float('nan')


class MotionStatistics:
    """How a camera moved and its maps were carried; not thread-safe: the caller holds a lock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._confidences = RecentValues(clock)
        self._shifts = RecentValues(clock)
        self._modes: deque[str] = deque(maxlen=_MODES_KEPT)
        self._carried_ms = RecentValues(clock)
        self._behind_ms = RecentValues(clock)
        self._late_ms = RecentValues(clock)
        self._source = self._reason = self._not_carried = ''

    def add(self, motion: MotionStats | None) -> None:
        """Count a frame of the network; ``motion`` is None where no motion is estimated."""
        if motion is None:
            self._source = self._reason = ''
            self._modes.clear()
            return
        self._source = motion.source
        self._confidences.add(motion.confidence)
        self._shifts.add(motion.shift)
        self._modes.append(motion.mode)
        self._reason = motion.reason or self._reason

    def note_pose(self, late_ms: float) -> None:
        """Note by how much the newest pose of the camera was older than its image."""
        self._late_ms.add(late_ms)

    def carry(self, *, took_ms: float, behind_ms: float) -> None:
        """
        Count an image that maps were carried to.

        ``took_ms`` passed from its arrival to its last output; the image that the maps were
        computed of was taken ``behind_ms`` before it.
        """
        self._carried_ms.add(took_ms)
        self._behind_ms.add(behind_ms)

    def not_carry(self, reason: str) -> None:
        """Keep why no maps could be carried to an image."""
        self._not_carried = reason

    def summary(self) -> dict[str, str]:
        """Return the entries of the diagnostics by key."""
        modes = Counter(self._modes)
        return {
            'motion_source': self._source,
            'motion_confidence': f'{self._confidences.mean():.2f}',
            'motion_shift_px': f'{self._shifts.percentile(50):.2f}',
            'motion_ways': ' '.join(
                f'{mode} {count / len(self._modes):.2f}' for mode, count in sorted(modes.items())),
            'motion_reason': self._reason,
            'pose_late_ms_p95': f'{self._late_ms.percentile(95):.1f}',
            'not_carried_reason': self._not_carried,
            'carried_ms_p50': f'{self._carried_ms.percentile(50):.1f}',
            'carried_ms_p95': f'{self._carried_ms.percentile(95):.1f}',
            'carried_behind_ms_p95': f'{self._behind_ms.percentile(95):.1f}',
        }


@dataclass(frozen=True)
class RecentFlow:
    """Images of the last few seconds: received and dropped, their rates and inference times."""

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
    def recent(self) -> RecentFlow:
        """The images of the last few seconds."""
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

        ``parameters`` names the parameters that differed from their defaults.
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
        Note that the outputs of a frame of the network were published.

        ``age_ms`` is the age of the image, NaN where unknown. ``overhead_ms`` is the time from its
        arrival to its last output, without the inference.
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
        """Return the entries of the diagnostics by key."""
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
