"""What sharing saved lately, in numbers."""

from collections import deque
import time
from typing import Callable

from mtshare_ros.inference.prediction import FrameStats
from mtshare_ros.nodes.rates import RecentValues

_REASONS_KEPT = 5


class SharingStatistics:
    """Figures of the computed frames; the caller does the locking."""

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
        """Return the figures by name, as the diagnostics show them."""
        return {
            'active_fraction': f'{self._active.mean():.3f}',
            'macs_saved_percent': f'{self._saved_percent():.1f}',
            'oldest_token_age': str(self._oldest_age),
            'resets': str(self._resets),
            'last_reset': self._reasons[-1] if self._reasons else '',
            'recent_resets': '; '.join(self._reasons),
        }

    def _saved_percent(self) -> float:
        """Return the share of the multiply-accumulates of dense frames that was not done."""
        dense = self._dense_macs.mean()
        return 100 * (1 - self._macs.mean() / dense) if dense > 0 else float('nan')
