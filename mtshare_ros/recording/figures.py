"""What a run over recorded frames took, in numbers."""

from collections import Counter
from typing import Any

import numpy as np

from mtshare_ros.inference.prediction import FrameStats


class RunFigures:
    """Adds up the statistics of frames."""

    def __init__(self) -> None:
        self._ms: list[float] = []
        self._active: list[float] = []
        self._macs = self._dense_macs = 0
        self._resets: Counter[str] = Counter()
        self._non_finite: Counter[str] = Counter()

    def add(self, stats: FrameStats) -> None:
        """Count one frame."""
        self._ms.append(stats.total_ms)
        self._active.append(stats.active_fraction)
        self._macs += stats.macs
        self._dense_macs += stats.dense_macs
        if stats.reset_reason:
            self._resets[stats.reset_reason] += 1
        self._non_finite.update(stats.non_finite)

    def values(self) -> dict[str, Any]:
        """
        Return the figures by name, NaN where there was no frame.

        Milliseconds are those of the engine, from RGB to maps; reading and writing files is
        not in them. ``non_finite`` counts for each task the frames with pixels that the network
        gave no number for.
        """
        saved = 1 - self._macs / self._dense_macs if self._dense_macs else float('nan')
        return {
            'computed': len(self._ms),
            'ms': {'mean': _mean(self._ms), 'p50': _percentile(self._ms, 50),
                   'p95': _percentile(self._ms, 95)},
            'active_fraction': _mean(self._active),
            'macs_saved_percent': 100 * saved,
            'resets': dict(self._resets), 'non_finite': dict(self._non_finite),
        }


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float('nan')


def _percentile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else float('nan')
