"""
One metric per task, pooled over all pixels of a set of frames.

The definitions are those of the multi-task literature on NYUD-v2 and PASCAL-Context; shares are
percentages, depths metres, angles degrees. A result is NaN where no pixel could be scored.
"""

from typing import Callable

import numpy as np

from mtshare_ros.evaluation.edge_metrics import BoundaryMetric, OdsMetric
from mtshare_ros.evaluation.truth_and_rules import (
    at_least,
    CLASS_MEANS,
    f_scores,
    is_marked,
    is_scored,
    level_counts,
    LEVELS,
    map_of,
    Metric,
    metric_rules,
    MetricRules,
    OrderedSum,
    ratio,
    ROOMS_RULES,
    Truth,
    truth_of,
)
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.tasks import channels_of, get_task


class LabelMetric:
    """
    Mean intersection over union, from one confusion matrix of all pixels.

    The mean runs over the classes ``present`` in the truth, or over ``all``, where an absent one
    counts 0. A pixel that the network left unlabelled is a miss of its class.
    """

    def __init__(self, task: str, class_count: int, *, mean: str = 'present') -> None:
        if mean not in CLASS_MEANS:
            raise ValueError(f'mean is {mean!r}; allowed are {", ".join(CLASS_MEANS)}')
        self._task = task
        self._mean = mean
        self._side = class_count + 1  # the last column holds what has no class
        self._counts = np.zeros((class_count, self._side), np.int64)

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Count each scored pixel by its true class (row) and its predicted class (column)."""
        labels = truth_of(truth, self._task)
        if labels is None or not self._counts_frame(labels):
            return
        classes = self._side - 1
        scored = labels < classes
        found = np.minimum(map_of(prediction, self._task)[scored], classes).astype(np.int64)
        index = labels[scored] * np.int64(self._side) + found
        self._counts += np.bincount(index, minlength=self._counts.size).reshape(
            self._counts.shape)

    def merge(self, other: 'LabelMetric') -> None:
        """Add the pixels that another metric counted."""
        self._counts += other._counts

    def result(self) -> dict[str, float]:
        """Return ``miou``, ``pixel_accuracy`` (%) and ``classes``: how many the truth has."""
        hits = np.diagonal(self._counts)
        actual = self._counts.sum(axis=1)
        union = actual + self._counts[:, :-1].sum(axis=0) - hits
        present = actual > 0
        count = present.sum()
        mean_over = len(present) if self._mean == 'all' and count else count
        return {
            'miou': 100 * ratio((hits[present] / union[present]).sum(), mean_over),
            'pixel_accuracy': 100 * ratio(hits.sum(), actual.sum()),
            'classes': int(count),
        }

    def _counts_frame(self, labels: np.ndarray) -> bool:
        """Return whether a frame is scored; for human parts, a frame without people is not."""
        if self._task != 'human_parts':
            return True
        return bool(((labels > 0) & (labels < self._side - 1)).any())


SMALLEST_DEPTH = 1e-9
"""Smallest predicted depth in metres; smaller ones are raised to it, for their logarithm."""

_DEPTH_SUMS = ('squares', 'log_squares', 'relative', 'relative_squares')


class DepthMetric:
    """
    Errors of depth, pooled over the pixels of all frames rather than averaged over frames.

    A pixel whose depth the network could not compute counts as 0 m.
    """

    def __init__(self) -> None:
        self._pixels = 0
        self._near = 0
        self._sums = {name: OrderedSum() for name in _DEPTH_SUMS}

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Add the pixels of a frame whose true depth is finite and above 0."""
        if truth.depth is None:
            return
        scored = np.isfinite(truth.depth) & (truth.depth > 0)
        actual = truth.depth[scored].astype(np.float64)
        found = np.nan_to_num(map_of(prediction, 'depth')[scored].astype(np.float64))
        found = found.clip(min=SMALLEST_DEPTH)
        error = np.abs(found - actual)
        self._pixels += actual.size
        terms = (error ** 2, np.log(found / actual) ** 2, error / actual, error ** 2 / actual)
        for name, term in zip(_DEPTH_SUMS, terms):
            self._sums[name].add(float(term.sum()))
        self._near += int((np.maximum(found / actual, actual / found) < 1.25).sum())

    def merge(self, other: 'DepthMetric') -> None:
        """Add the pixels of another metric, whose frames follow those of this one."""
        self._pixels += other._pixels
        self._near += other._near
        for name, terms in other._sums.items():
            self._sums[name].merge(terms)

    def result(self) -> dict[str, float]:
        """
        Return the errors by name.

        ``rmse`` (m) and ``log_rmse`` (of natural logarithms), ``abs_rel`` (|error| / truth),
        ``sq_rel`` (error squared / truth, m) and ``delta1`` (% within a factor of 1.25).
        """
        means = {name: ratio(terms.total(), self._pixels) for name, terms in self._sums.items()}
        return {
            'rmse': means['squares'] ** 0.5,
            'abs_rel': means['relative'],
            'delta1': 100 * ratio(self._near, self._pixels),
            'log_rmse': means['log_squares'] ** 0.5,
            'sq_rel': means['relative_squares'],
        }


ANGLE_LIMITS = {'within_11_25': 11.25, 'within_22_5': 22.5, 'within_30': 30.0}
"""Angles in degrees; the share of pixels below each is reported."""

_ANGLE_BINS_PER_DEGREE = 100


class NormalsMetric:
    """
    Angles between normals p and g, 2 atan2(|p - g|, |p + g|), pooled over pixels.

    The median is taken from a histogram with bins of 0.01 degrees. A pixel whose normal the
    network could not compute counts as 90 degrees.
    """

    def __init__(self) -> None:
        self._histogram = np.zeros(180 * _ANGLE_BINS_PER_DEGREE, np.int64)
        self._sum = OrderedSum()
        self._within = dict.fromkeys(ANGLE_LIMITS, 0)

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Add the pixels of a frame whose true normal is finite and not 0."""
        if truth.normals is None:
            return
        length = np.linalg.norm(truth.normals.astype(np.float32), axis=-1)
        scored = np.isfinite(length) & (length > 0)
        angles = angles_between(map_of(prediction, 'normals')[scored], truth.normals[scored])
        bins = (angles * _ANGLE_BINS_PER_DEGREE).astype(np.int64)
        self._histogram += np.bincount(
            bins.clip(max=self._histogram.size - 1), minlength=self._histogram.size)
        self._sum.add(float(angles.sum(dtype=np.float64)))
        for name, limit in ANGLE_LIMITS.items():
            self._within[name] += int((angles < limit).sum())

    def merge(self, other: 'NormalsMetric') -> None:
        """Add the pixels of another metric, whose frames follow those of this one."""
        self._histogram += other._histogram
        self._sum.merge(other._sum)
        for name, count in other._within.items():
            self._within[name] += count

    def result(self) -> dict[str, float]:
        """Return ``mean``, ``median`` (degrees) and the share (%) below each of ANGLE_LIMITS."""
        pixels = int(self._histogram.sum())
        return {
            'mean': ratio(self._sum.total(), pixels),
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

    A direction that is not finite or has no length counts as 90 degrees.
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


BETA_SQUARED = 0.3
"""The weight b of F = (1 + b) P R / (b P + R)."""

SALIENCY_THRESHOLDS = np.arange(0.05, 0.951, 0.05)


class SaliencyMetric:
    """
    The largest F at the thresholds 0.05 to 0.95, precision and recall pooled over all pixels.

    ``legacy_sigmoid`` compares the sigmoid of the probability with the thresholds, as in many
    published results. The sigmoid of a probability is 0.5 to 0.73, so that few thresholds matter.
    """

    def __init__(self, *, legacy_sigmoid: bool = False) -> None:
        values = np.arange(LEVELS) / 255
        values = 1 / (1 + np.exp(-values)) if legacy_sigmoid else values
        self._lowest = np.searchsorted(values, SALIENCY_THRESHOLDS - 1e-9)
        self._found, self._correct = np.zeros((2, LEVELS), np.int64)

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Count pixels by probability in 0-255, so that every threshold can be tried later."""
        marks = truth_of(truth, 'saliency')
        if marks is None:
            return
        levels = map_of(prediction, 'saliency')
        self._found += level_counts(levels[is_scored(marks)])
        self._correct += level_counts(levels[is_marked(marks)])

    def merge(self, other: 'SaliencyMetric') -> None:
        """Add the pixels that another metric counted."""
        self._found += other._found
        self._correct += other._correct

    def result(self) -> dict[str, float]:
        """Return ``maxf`` (%) and the ``threshold`` (0-1) at which it is reached."""
        actual = int(self._correct.sum())
        if actual == 0:
            return {'maxf': float('nan'), 'threshold': float('nan')}
        found, correct = at_least(self._found, self._lowest), at_least(self._correct, self._lowest)
        scores = f_scores(correct / np.maximum(found, 1), correct / actual, BETA_SQUARED)
        best = int(scores.argmax())
        return {'maxf': 100 * float(scores[best]),
                'threshold': round(float(SALIENCY_THRESHOLDS[best]), 2)}


__all__ = ['make_metric', 'Metric', 'metric_rules', 'MetricRules', 'ROOMS_RULES']

_WITHOUT_OPTIONS: dict[str, Callable[[], Metric]] = {
    'depth': DepthMetric, 'normals': NormalsMetric, 'edge': BoundaryMetric,
}


def make_metric(task: str, class_count: int, rules: MetricRules = ROOMS_RULES) -> Metric:
    """
    Return an empty metric for a task; ``class_count`` is the number of labels.

    Raises MissingExtraError where odsF is asked for and SciPy or scikit-image is missing.
    """
    if task == 'semseg':
        return LabelMetric(task, class_count, mean=rules.semseg_mean)
    if task == 'human_parts':
        return LabelMetric(task, channels_of(get_task(task), class_count), mean='all')
    if task == 'saliency':
        return SaliencyMetric(legacy_sigmoid=rules.legacy_sigmoid)
    if task == 'edge' and rules.edge_max_distance is not None:
        return OdsMetric(rules.edge_max_distance, threshold_count=rules.edge_thresholds)
    return _WITHOUT_OPTIONS[task]()
