"""How far off depths are."""

import numpy as np

from mtshare_ros.evaluation.scoring import map_of, ratio
from mtshare_ros.evaluation.truth import Truth
from mtshare_ros.inference.prediction import Prediction

SMALLEST_DEPTH = 1e-9
"""Metres that predictions are raised to, so that they have a logarithm."""


class DepthMetric:
    """
    Errors of depth, pooled over pixels, not averaged over frames.

    A pixel the network could not compute counts as 0 m.
    """

    def __init__(self) -> None:
        self._pixels = 0
        self._near = 0
        self._squares = self._log_squares = self._relative = self._relative_squares = 0.0

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Add the pixels whose true depth is finite and above 0."""
        if truth.depth is None:
            return
        scored = np.isfinite(truth.depth) & (truth.depth > 0)
        actual = truth.depth[scored].astype(np.float64)
        found = np.nan_to_num(map_of(prediction, 'depth')[scored].astype(np.float64))
        found = found.clip(min=SMALLEST_DEPTH)
        error = np.abs(found - actual)
        self._pixels += actual.size
        self._squares += float((error ** 2).sum())
        self._log_squares += float((np.log(found / actual) ** 2).sum())
        self._relative += float((error / actual).sum())
        self._relative_squares += float((error ** 2 / actual).sum())
        self._near += int((np.maximum(found / actual, actual / found) < 1.25).sum())

    def result(self) -> dict[str, float]:
        """
        Return the errors by name.

        ``rmse`` (m) and ``log_rmse`` (of natural logarithms), ``abs_rel`` (|error| / truth),
        ``sq_rel`` (error squared / truth, m) and ``delta1`` (% within a factor of 1.25).
        """
        return {
            'rmse': ratio(self._squares, self._pixels) ** 0.5,
            'abs_rel': ratio(self._relative, self._pixels),
            'delta1': 100 * ratio(self._near, self._pixels),
            'log_rmse': ratio(self._log_squares, self._pixels) ** 0.5,
            'sq_rel': ratio(self._relative_squares, self._pixels),
        }
