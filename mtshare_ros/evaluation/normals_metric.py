"""How far normals are turned from the true ones."""

import numpy as np

from mtshare_ros.evaluation.scoring import map_of, ratio
from mtshare_ros.evaluation.truth import Truth
from mtshare_ros.inference.prediction import Prediction

ANGLE_LIMITS = {'within_11_25': 11.25, 'within_22_5': 22.5, 'within_30': 30.0}
"""Angles whose share of pixels below is reported, in degrees."""

_ANGLE_BINS_PER_DEGREE = 100


class NormalsMetric:
    """
    Angles between normals, 2 atan2(|p - g|, |p + g|), pooled over pixels.

    The median is that of a histogram with bins of 0.01 degrees. A pixel the network could not
    compute counts as 90 degrees.
    """

    def __init__(self) -> None:
        self._histogram = np.zeros(180 * _ANGLE_BINS_PER_DEGREE, np.int64)
        self._sum = 0.0
        self._within = dict.fromkeys(ANGLE_LIMITS, 0)

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Add the pixels whose true normal is a direction."""
        if truth.normals is None:
            return
        length = np.linalg.norm(truth.normals.astype(np.float32), axis=-1)
        scored = np.isfinite(length) & (length > 0)
        angles = angles_between(map_of(prediction, 'normals')[scored], truth.normals[scored])
        bins = (angles * _ANGLE_BINS_PER_DEGREE).astype(np.int64)
        self._histogram += np.bincount(
            bins.clip(max=self._histogram.size - 1), minlength=self._histogram.size)
        self._sum += float(angles.sum(dtype=np.float64))
        for name, limit in ANGLE_LIMITS.items():
            self._within[name] += int((angles < limit).sum())

    def result(self) -> dict[str, float]:
        """Return ``mean`` and ``median`` (degrees) and the shares (%) within ANGLE_LIMITS."""
        pixels = int(self._histogram.sum())
        return {
            'mean': ratio(self._sum, pixels),
            'median': self._median(pixels),
            **{name: 100 * ratio(count, pixels) for name, count in self._within.items()},
        }

    def _median(self, pixels: int) -> float:
        if pixels == 0:
            return float('nan')
        middle = np.searchsorted(self._histogram.cumsum(), (pixels + 1) // 2)
        return float(middle + 0.5) / _ANGLE_BINS_PER_DEGREE


def angles_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """
    Return the angles (N,) in degrees between directions (N, 3) of any length.

    A direction that is not finite or has no length lies at 90 degrees to everything.
    """
    first, second = _unit(first), _unit(second)
    difference = np.linalg.norm(first - second, axis=-1)
    total = np.linalg.norm(first + second, axis=-1)
    return np.degrees(2 * np.arctan2(difference, total))


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.where(np.isfinite(vectors).all(axis=-1, keepdims=True), vectors, 0)
    vectors = vectors.astype(np.float32)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, 1e-12)
