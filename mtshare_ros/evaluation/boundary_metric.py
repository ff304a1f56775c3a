"""How well edges are found, where a true edge is exact: within two pixels of it."""

import numpy as np

from mtshare_ros.evaluation.scoring import (
    at_least,
    f_scores,
    is_marked,
    is_scored,
    level_counts,
    LEVELS,
    map_of,
)
from mtshare_ros.evaluation.truth import Truth
from mtshare_ros.inference.prediction import Prediction

EDGE_TOLERANCE = 2
"""Pixels a predicted edge may lie away from a true one, in either direction."""

EDGE_THRESHOLDS = np.arange(0.05, 0.951, 0.05)


class BoundaryMetric:
    """
    Boundary F with a tolerance of two pixels, at the best of the thresholds 0.05 to 0.95.

    Precision is the share of predicted pixels inside the 5x5-dilated truth, recall the share of
    true pixels inside the 5x5-dilated prediction; both are pooled before F is taken.
    """

    def __init__(self) -> None:
        self._predicted, self._correct, self._reached = np.zeros((3, LEVELS), np.int64)

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Count pixels by their probability in 0-255, from which every threshold follows."""
        if truth.edges is None:
            return
        actual, scored = is_marked(truth.edges), is_scored(truth.edges)
        found = np.where(scored, map_of(prediction, 'edge'), 0)
        # A pixel lies in the dilated prediction where the largest probability around it passes.
        around = dilate(found, EDGE_TOLERANCE)
        self._predicted += level_counts(found)
        self._correct += level_counts(found[dilate(actual, EDGE_TOLERANCE)])
        self._reached += level_counts(around[actual])

    def result(self) -> dict[str, float]:
        """Return ``f`` (%) and the ``threshold`` (0-1) it is reached at."""
        levels = np.floor(EDGE_THRESHOLDS * 255 + 1e-6).astype(int) + 1
        predicted, correct, reached = (
            at_least(counts, levels) for counts in (self._predicted, self._correct, self._reached))
        precision = correct / np.maximum(predicted, 1)
        recall = reached / max(int(self._reached.sum()), 1)
        scores = f_scores(precision, recall)
        best = int(scores.argmax())
        if not self._reached.any():
            return {'f': float('nan'), 'threshold': float('nan')}
        return {'f': 100 * float(scores[best]), 'threshold': round(EDGE_THRESHOLDS[best], 2)}


def dilate(values: np.ndarray, reach: int) -> np.ndarray:
    """Return the largest value within ``reach`` pixels of each pixel of (H, W), square-wise."""
    for axis in (0, 1):
        padding = [(reach, reach) if axis == a else (0, 0) for a in (0, 1)]
        padded = np.pad(values, padding)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=axis)
        values = windows.max(axis=-1)
    return values
