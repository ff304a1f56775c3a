"""How well edges are found, where people drew the true ones: F at the best threshold (odsF)."""

import numpy as np

from mtshare_ros.evaluation.boundaries import (
    count_pairs,
    outlines,
    require_image_libraries,
    suppress,
    thinned,
)
from mtshare_ros.evaluation.scoring import f_scores, is_marked, is_scored, map_of
from mtshare_ros.evaluation.truth import Truth
from mtshare_ros.inference.prediction import Prediction

ENDS = (0.001, 0.999)
"""Thresholds besides those that lie evenly: with 99 of these, those of published figures."""


class OdsMetric:
    """
    F of thin edges that pair up one to one with true ones, at the best threshold for all frames.

    A pair lies at most ``max_distance`` times the image's diagonal apart. ``threshold_count``
    thresholds lie evenly between 0 and 1, two more at ENDS; each costs about 0.07 s on a frame of
    425x560. The true edges are the outlines of ``regions`` where a frame has that attribute, else
    its edges.
    """

    def __init__(self, max_distance: float, *, threshold_count: int = 20) -> None:
        require_image_libraries()
        self._max_distance = max_distance
        evenly = np.arange(1, threshold_count + 1) / (threshold_count + 1)
        self.thresholds = np.unique((*evenly, *ENDS))
        self._pairs, self._found = np.zeros((2, self.thresholds.size), np.int64)
        self._actual = 0

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Add the edges inside the smallest box around what is scored: padding is no border."""
        edges = truth.edges
        if edges is None or not is_scored(edges).any():
            return
        scored = is_scored(edges)
        box = _box_around(scored)
        scored = scored[box]
        regions = getattr(truth, 'regions', None)
        lines = is_marked(edges[box]) if regions is None else outlines(regions[box])
        actual = thinned(lines) & scored
        probability = suppress(map_of(prediction, 'edge')[box] / 255) * scored
        reach = self._max_distance * float(np.hypot(*scored.shape))
        self._actual += int(actual.sum())
        for place, threshold in enumerate(self.thresholds):
            found = thinned(probability > threshold)
            self._found[place] += found.sum()
            self._pairs[place] += count_pairs(found, actual, reach)

    def result(self) -> dict[str, float]:
        """Return ``f`` (%) and the ``threshold`` (0-1) it is reached at."""
        if self._actual == 0:
            return {'f': float('nan'), 'threshold': float('nan')}
        scores = f_scores(self._pairs / np.maximum(self._found, 1), self._pairs / self._actual)
        best = int(scores.argmax())
        return {'f': 100 * float(scores[best]), 'threshold': float(self.thresholds[best])}


def _box_around(marks: np.ndarray) -> tuple[slice, slice]:
    """Return the smallest box that holds all true values."""
    rows, columns = np.nonzero(marks)
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
