"""Recordings whose classes or depths are far from those of the fleet."""

from dataclasses import dataclass
from typing import Sequence

import numpy as np

from mtshare_ros.fleet.summary.recording_totals import RecordingTotals

FEWEST_RECORDINGS = 8
FEWEST_FRAMES = 10
SMALLEST_DISTANCE = 0.1
DEVIATIONS = 5.0

RULE = (
    'The distance of a recording is the share of its pixels that would have to have another class '
    '(or another depth, in steps of 12 %) for its shares to be those of the fleet. Listed are '
    f'recordings of at least {FEWEST_FRAMES} frames with a distance above {SMALLEST_DISTANCE:.0%} '
    f'that is more than {DEVIATIONS:g} median absolute deviations above the median distance.')


@dataclass(frozen=True)
class Outlier:
    """A recording, by what it differs (``classes`` or ``depth``), and its distance, 0 to 1."""

    recording: RecordingTotals
    what: str
    distance: float


def find_outliers(recordings: Sequence[RecordingTotals]) -> list[Outlier]:
    """
    Return the recordings that RULE names, the farthest first, each with its larger distance.

    Of fewer than FEWEST_RECORDINGS there are none: they say little about what is usual.
    """
    known = [item for item in recordings if item.frames >= FEWEST_FRAMES]
    if len(known) < FEWEST_RECORDINGS:
        return []
    found: dict[str, Outlier] = {}
    for what in ('classes', 'depth'):
        distances = distances_to_all([getattr(item, what) for item in known])
        middle = np.nanmedian(distances) if np.isfinite(distances).any() else np.nan
        spread = np.nanmedian(abs(distances - middle)) if np.isfinite(middle) else np.nan
        limit = max(middle + DEVIATIONS * spread, SMALLEST_DISTANCE)
        for item, distance in zip(known, distances):
            before = found.get(item.source)
            if distance > limit and (before is None or before.distance < distance):
                found[item.source] = Outlier(item, what, float(distance))
    return sorted(found.values(), key=lambda item: (-item.distance, item.recording.name))


def distances_to_all(counts: Sequence[np.ndarray]) -> np.ndarray:
    """
    Return for each (N,) of counts how far its shares are from those of all together, 0 to 1.

    It is half the sum of the absolute differences of shares; NaN for counts that are all 0.
    """
    table = np.stack(counts).astype(np.float32)
    table = table[:, table.any(axis=0)]
    sums = table.sum(axis=1)
    shares = np.divide(table, sums[:, None], out=np.full_like(table, np.nan),
                       where=sums[:, None] > 0)
    together = table.sum(axis=0, dtype=np.float64)
    return abs(shares - together / max(together.sum(), 1)).sum(axis=1) / 2
