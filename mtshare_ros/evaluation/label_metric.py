"""How well classes are told apart: semantic segmentation and the parts of people."""

import numpy as np

from mtshare_ros.evaluation.rules import CLASS_MEANS
from mtshare_ros.evaluation.scoring import map_of, ratio
from mtshare_ros.evaluation.truth import Truth, truth_of
from mtshare_ros.inference.prediction import Prediction


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
        """Count each scored pixel at its true (row) and predicted (column) class."""
        labels = truth_of(truth, self._task)
        if labels is None or not self._counts_frame(labels):
            return
        classes = self._side - 1
        scored = labels < classes
        found = np.minimum(map_of(prediction, self._task)[scored], classes).astype(np.int64)
        index = labels[scored] * np.int64(self._side) + found
        self._counts += np.bincount(index, minlength=self._counts.size).reshape(
            self._counts.shape)

    def result(self) -> dict[str, float]:
        """Return ``miou``, ``pixel_accuracy`` (%) and how many ``classes`` the truth has."""
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
        """Tell whether a frame is scored; one without people is not, where parts are asked."""
        if self._task != 'human_parts':
            return True
        return bool(((labels > 0) & (labels < self._side - 1)).any())
