"""How a camera moved lately, and what became of its maps, in numbers."""

from collections import Counter, deque
import time
from typing import Callable

from mtshare_ros.inference.prediction import MotionStats
from mtshare_ros.nodes.rates import RecentValues

_WAYS_KEPT = 100


class MotionStatistics:
    """Figures of the frames of a camera whose motion is followed; the caller does the locking."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._confidences = RecentValues(clock)
        self._shifts = RecentValues(clock)
        self._ways: deque[str] = deque(maxlen=_WAYS_KEPT)
        self._carried_ms = RecentValues(clock)
        self._behind_ms = RecentValues(clock)
        self._late_ms = RecentValues(clock)
        self._source = self._reason = self._not_carried = ''

    def add(self, motion: MotionStats | None) -> None:
        """Count a frame of the network; None: no motion is followed."""
        if motion is None:
            self._source = self._reason = ''
            self._ways.clear()
            return
        self._source = motion.source
        self._confidences.add(motion.confidence)
        self._shifts.add(motion.shift)
        self._ways.append(motion.mode)
        self._reason = motion.reason or self._reason

    def note_pose(self, late_ms: float) -> None:
        """Note by how much the newest pose of the camera was older than its image."""
        self._late_ms.add(late_ms)

    def carry(self, *, took_ms: float, behind_ms: float) -> None:
        """
        Count an image that maps were carried to.

        It took so long from its arrival to its last output; the maps are of an image that came so
        long before.
        """
        self._carried_ms.add(took_ms)
        self._behind_ms.add(behind_ms)

    def not_carry(self, reason: str) -> None:
        """Keep why no maps could be carried to an image."""
        self._not_carried = reason

    def summary(self) -> dict[str, str]:
        """Return the figures by name, as the diagnostics show them."""
        ways = Counter(self._ways)
        return {
            'motion_source': self._source,
            'motion_confidence': f'{self._confidences.mean():.2f}',
            'motion_shift_px': f'{self._shifts.percentile(50):.2f}',
            'motion_ways': ' '.join(
                f'{way} {count / len(self._ways):.2f}' for way, count in sorted(ways.items())),
            'motion_reason': self._reason,
            'pose_late_ms_p95': f'{self._late_ms.percentile(95):.1f}',
            'not_carried_reason': self._not_carried,
            'carried_ms_p50': f'{self._carried_ms.percentile(50):.1f}',
            'carried_ms_p95': f'{self._carried_ms.percentile(95):.1f}',
            'carried_behind_ms_p95': f'{self._behind_ms.percentile(95):.1f}',
        }
