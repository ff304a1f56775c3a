"""
One metric per task, pooled over all pixels of a set of frames.

The definitions are those of the literature on NYUD-v2; shares are percentages, depths metres,
angles degrees. A result is NaN where no pixel could be scored.
"""

from typing import Callable, Protocol

import numpy as np

from mtshare_ros.evaluation.truth import Truth
from mtshare_ros.inference.prediction import Prediction

ANGLE_LIMITS = {'within_11_25': 11.25, 'within_22_5': 22.5, 'within_30': 30.0}
"""Angles whose share of pixels below is reported, in degrees."""

EDGE_TOLERANCE = 2
"""Pixels a predicted edge may lie away from a true one, in either direction."""

EDGE_THRESHOLDS = np.arange(0.05, 0.951, 0.05)

_ANGLE_BINS_PER_DEGREE = 100


class Metric(Protocol):
    """Collects frames; ``result`` says how good they were in all."""

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Add one frame."""

    def result(self) -> dict[str, float]:
        """Return the figures of all frames so far by name."""


class SemanticMetric:
    """
    Mean intersection over union, from one confusion matrix of all pixels.

    The mean runs over the classes that occur in the truth. A pixel that the network left
    unlabelled is a miss of its class.
    """

    def __init__(self, class_count: int) -> None:
        self._side = class_count + 1  # the last column holds what has no class
        self._counts = np.zeros((class_count, self._side), np.int64)

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Count each scored pixel at its true (row) and predicted (column) class."""
        classes = self._side - 1
        scored = truth.labels < classes
        found = np.minimum(_computed(prediction.mask)[scored], classes).astype(np.int64)
        index = truth.labels[scored] * np.int64(self._side) + found
        self._counts += np.bincount(index, minlength=self._counts.size).reshape(
            self._counts.shape)

    def result(self) -> dict[str, float]:
        """Return ``miou`` and ``pixel_accuracy`` (%), and the number of ``classes`` scored."""
        hits = np.diagonal(self._counts)
        actual = self._counts.sum(axis=1)
        union = actual + self._counts[:, :-1].sum(axis=0) - hits
        present = actual > 0
        return {
            'miou': 100 * _ratio((hits[present] / union[present]).sum(), present.sum()),
            'pixel_accuracy': 100 * _ratio(hits.sum(), actual.sum()),
            'classes': int(present.sum()),
        }


class DepthMetric:
    """
    Errors of depth, pooled over pixels, not averaged over frames.

    A pixel the network could not compute counts as 0 m.
    """

    def __init__(self) -> None:
        self._pixels = 0
        self._squares = self._relative = self._near = 0.0

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Add the pixels whose true depth is finite and above 0."""
        scored = np.isfinite(truth.depth) & (truth.depth > 0)
        actual = truth.depth[scored].astype(np.float64)
        found = np.nan_to_num(_computed(prediction.depth)[scored].astype(np.float64))
        found = found.clip(min=1e-9)
        error = np.abs(found - actual)
        self._pixels += actual.size
        self._squares += float((error ** 2).sum())
        self._relative += float((error / actual).sum())
        self._near += int((np.maximum(found / actual, actual / found) < 1.25).sum())

    def result(self) -> dict[str, float]:
        """Return ``rmse`` (m), ``abs_rel`` (|error| / truth) and ``delta1`` (% within 1.25 x)."""
        return {
            'rmse': _ratio(self._squares, self._pixels) ** 0.5,
            'abs_rel': _ratio(self._relative, self._pixels),
            'delta1': 100 * _ratio(self._near, self._pixels),
        }


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
        length = np.linalg.norm(truth.normals.astype(np.float32), axis=-1)
        scored = np.isfinite(length) & (length > 0)
        angles = angles_between(_computed(prediction.normals)[scored], truth.normals[scored])
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
            'mean': _ratio(self._sum, pixels),
            'median': self._median(pixels),
            **{name: 100 * _ratio(count, pixels) for name, count in self._within.items()},
        }

    def _median(self, pixels: int) -> float:
        if pixels == 0:
            return float('nan')
        middle = np.searchsorted(self._histogram.cumsum(), (pixels + 1) // 2)
        return float(middle + 0.5) / _ANGLE_BINS_PER_DEGREE


class EdgeMetric:
    """
    Boundary F with a tolerance of two pixels, at the best of the thresholds 0.05 to 0.95.

    Precision is the share of predicted pixels inside the 5x5-dilated truth, recall the share of
    true pixels inside the 5x5-dilated prediction; both are pooled before F is taken.
    """

    def __init__(self) -> None:
        self._predicted, self._correct, self._reached = np.zeros((3, 256), np.int64)

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Count pixels by their probability in 0-255, from which every threshold follows."""
        actual, found = truth.edges.astype(bool), _computed(prediction.edges)
        # A pixel lies in the dilated prediction where the largest probability around it passes.
        around = dilate(found, EDGE_TOLERANCE)
        self._predicted += _histogram(found)
        self._correct += _histogram(found[dilate(actual, EDGE_TOLERANCE)])
        self._reached += _histogram(around[actual])

    def result(self) -> dict[str, float]:
        """Return ``f`` (%) and the ``threshold`` (0-1) it is reached at."""
        levels = np.floor(EDGE_THRESHOLDS * 255 + 1e-6).astype(int)
        predicted, correct, reached = (
            counts[::-1].cumsum()[::-1][levels + 1]
            for counts in (self._predicted, self._correct, self._reached))
        precision = correct / np.maximum(predicted, 1)
        recall = reached / max(int(self._reached.sum()), 1)
        scores = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = int(scores.argmax())
        if not self._reached.any():
            return {'f': float('nan'), 'threshold': float('nan')}
        return {'f': 100 * float(scores[best]), 'threshold': round(EDGE_THRESHOLDS[best], 2)}


def angles_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """
    Return the angles (N,) in degrees between directions (N, 3) of any length.

    A direction that is not finite or has no length lies at 90 degrees to everything.
    """
    first, second = _unit(first), _unit(second)
    difference = np.linalg.norm(first - second, axis=-1)
    total = np.linalg.norm(first + second, axis=-1)
    return np.degrees(2 * np.arctan2(difference, total))


def dilate(values: np.ndarray, reach: int) -> np.ndarray:
    """Return the largest value within ``reach`` pixels of each pixel of (H, W), square-wise."""
    for axis in (0, 1):
        padding = [(reach, reach) if axis == a else (0, 0) for a in (0, 1)]
        padded = np.pad(values, padding)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=axis)
        values = windows.max(axis=-1)
    return values


def _computed(values: np.ndarray | None) -> np.ndarray:
    if values is None:
        raise ValueError('the prediction does not hold the task that this metric scores')
    return values


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.where(np.isfinite(vectors).all(axis=-1, keepdims=True), vectors, 0)
    vectors = vectors.astype(np.float32)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, 1e-12)


def _histogram(levels: np.ndarray) -> np.ndarray:
    return np.bincount(levels.ravel(), minlength=256)


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else float('nan')


_WITHOUT_CLASSES: dict[str, Callable[[], Metric]] = {
    'depth': DepthMetric, 'normals': NormalsMetric, 'edge': EdgeMetric,
}


def make_metric(task: str, class_count: int) -> Metric:
    """Return an empty metric for a task id; ``class_count`` is that of the label set."""
    if task == 'semseg':
        return SemanticMetric(class_count)
    return _WITHOUT_CLASSES[task]()
