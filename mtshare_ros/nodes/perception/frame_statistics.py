"""Counters of a camera's frames, and times and shares of the last few seconds."""

from collections import Counter, defaultdict, deque
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


@dataclass(frozen=True)
class RecentFlow:
    """Images of the last few seconds: received and dropped, their rates and inference times."""

    received: int
    dropped: int
    received_hz: float
    published_hz: float
    inference_ms_p95: float


class FrameStatistics:
    """What became of the frames of one camera; may be used from several threads."""

    COUNTERS = (
        'received', 'processed', 'carried', 'not_carried', 'dropped', 'skipped', 'rejected',
        'failed')

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(self.COUNTERS, 0)
        self._recent: defaultdict[str, RecentValues] = defaultdict(lambda: RecentValues(clock))
        self._tasks: tuple[str, ...] = ()
        self._parameters = ''
        self._oldest_age = self._resets = 0
        self._reset_reasons: deque[str] = deque(maxlen=_REASONS_KEPT)
        self._motion_source = self._motion_reason = self._not_carried_reason = ''
        self._motion_modes: deque[str] = deque(maxlen=_MODES_KEPT)
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
            arrivals = self._recent['arrival']
            return RecentFlow(
                received=arrivals.count(), dropped=self._recent['drop'].count(),
                received_hz=arrivals.rate_hz(), published_hz=self._recent['output'].rate_hz(),
                inference_ms_p95=self._recent['inference_ms'].percentile(95),
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
                self._recent['arrival'].add(0.0)
            if name == 'dropped':
                self._recent['drop'].add(0.0)

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
            self._recent['inference_ms'].add(inference_ms)
            if self._tasks:
                self._note_sharing(stats)
                self._note_motion(stats.motion)

    def _note_sharing(self, stats: FrameStats) -> None:
        self._recent['active_fraction'].add(stats.active_fraction)
        self._recent['macs'].add(stats.macs)
        self._recent['dense_macs'].add(stats.dense_macs)
        self._oldest_age = max(stats.oldest_age.values(), default=0)
        if stats.reset_reason:
            self._resets += 1
            self._reset_reasons.append(stats.reset_reason)

    def _note_motion(self, motion: MotionStats | None) -> None:
        if motion is None:  # the camera is assumed not to move
            self._motion_source = self._motion_reason = ''
            self._motion_modes.clear()
            return
        self._motion_source = motion.source
        # Kept until the next reason: diagnostics come too rarely to show that of one frame.
        self._motion_reason = motion.reason or self._motion_reason
        self._motion_modes.append(motion.mode)
        self._recent['confidence'].add(motion.confidence)
        self._recent['shift'].add(motion.shift)

    def publish(self, *, age_ms: float, overhead_ms: float = 0.0) -> None:
        """
        Note that the outputs of a frame of the network were published.

        ``age_ms`` is the age of the image, NaN where unknown. ``overhead_ms`` is the time from its
        arrival to its last output, without the inference.
        """
        with self._lock:
            self._note_output(age_ms)
            self._recent['overhead_ms'].add(overhead_ms)

    def note_pose(self, late_ms: float) -> None:
        """Note by how much the newest pose of the camera was older than its image."""
        with self._lock:
            self._recent['pose_late_ms'].add(late_ms)

    def carry(self, *, age_ms: float, took_ms: float, behind_ms: float) -> None:
        """
        Count an image that maps were carried to.

        ``took_ms`` passed from its arrival to its last output; the image that the maps were
        computed of was taken ``behind_ms`` before it.
        """
        with self._lock:
            self._counts['carried'] += 1
            self._note_output(age_ms)
            self._recent['carried_ms'].add(took_ms)
            self._recent['behind_ms'].add(behind_ms)

    def not_carry(self, reason: str) -> None:
        """Count an image that no maps could be carried to, and keep why."""
        with self._lock:
            self._counts['not_carried'] += 1
            self._not_carried_reason = reason

    def _note_output(self, age_ms: float) -> None:
        self._recent['output'].add(0.0)
        if not math.isnan(age_ms):
            self._recent['age_ms'].add(age_ms)

    def summary(self) -> dict[str, str]:
        """Return the entries of the diagnostics by key."""
        with self._lock:
            recent, reasons = self._recent, self._reset_reasons
            dense = recent['dense_macs'].mean()
            saved = 100 * (1 - recent['macs'].mean() / dense) if dense > 0 else float('nan')
            modes = Counter(self._motion_modes)
            return {
                'input_hz': f'{recent["arrival"].rate_hz():.1f}',
                'output_hz': f'{recent["output"].rate_hz():.1f}',
                'age_ms_p50': f'{recent["age_ms"].percentile(50):.1f}',
                'age_ms_p95': f'{recent["age_ms"].percentile(95):.1f}',
                'inference_ms_p50': f'{recent["inference_ms"].percentile(50):.1f}',
                'inference_ms_p95': f'{recent["inference_ms"].percentile(95):.1f}',
                'overhead_ms_p50': f'{recent["overhead_ms"].percentile(50):.2f}',
                'overhead_ms_p95': f'{recent["overhead_ms"].percentile(95):.2f}',
                'computed': ' '.join(self._tasks),
                'changed_parameters': self._parameters,
                'active_fraction': f'{recent["active_fraction"].mean():.3f}',
                'macs_saved_percent': f'{saved:.1f}',
                'oldest_token_age': str(self._oldest_age),
                'resets': str(self._resets),
                'last_reset': reasons[-1] if reasons else '',
                'recent_resets': '; '.join(reasons),
                'motion_source': self._motion_source,
                'motion_confidence': f'{recent["confidence"].mean():.2f}',
                'motion_shift_px': f'{recent["shift"].percentile(50):.2f}',
                'motion_ways': ' '.join(f'{mode} {count / len(self._motion_modes):.2f}'
                                        for mode, count in sorted(modes.items())),
                'motion_reason': self._motion_reason,
                'pose_late_ms_p95': f'{recent["pose_late_ms"].percentile(95):.1f}',
                'not_carried_reason': self._not_carried_reason,
                'carried_ms_p50': f'{recent["carried_ms"].percentile(50):.1f}',
                'carried_ms_p95': f'{recent["carried_ms"].percentile(95):.1f}',
                'carried_behind_ms_p95': f'{recent["behind_ms"].percentile(95):.1f}',
                **{name: str(value) for name, value in self._counts.items()},
            }

    def _is_recent(self, moment_s: float) -> bool:
        return self._clock() - moment_s < WINDOW_S
