"""How well the pixels that draw the eye are found."""

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
from mtshare_ros.evaluation.truth import Truth, truth_of
from mtshare_ros.inference.prediction import Prediction

BETA_SQUARED = 0.3
"""Weight of precision against recall in F."""

SALIENCY_THRESHOLDS = np.arange(0.05, 0.951, 0.05)


class SaliencyMetric:
    """
    The largest F at the thresholds 0.05 to 0.95, precision and recall pooled over all pixels.

    ``legacy_sigmoid`` compares the sigmoid of the probability with the thresholds, of which few
    then tell pixels apart; many published figures are taken so.
    """

    def __init__(self, *, legacy_sigmoid: bool = False) -> None:
        values = np.arange(LEVELS) / 255
        values = 1 / (1 + np.exp(-values)) if legacy_sigmoid else values
        self._lowest = np.searchsorted(values, SALIENCY_THRESHOLDS - 1e-9)
        self._found, self._correct = np.zeros((2, LEVELS), np.int64)

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Count pixels by their probability in 0-255, from which every threshold follows."""
        marks = truth_of(truth, 'saliency')
        if marks is None:
            return
        levels = map_of(prediction, 'saliency')
        self._found += level_counts(levels[is_scored(marks)])
        self._correct += level_counts(levels[is_marked(marks)])

    def result(self) -> dict[str, float]:
        """Return ``maxf`` (%) and the ``threshold`` (0-1) it is reached at."""
        actual = int(self._correct.sum())
        if actual == 0:
            return {'maxf': float('nan'), 'threshold': float('nan')}
        found, correct = at_least(self._found, self._lowest), at_least(self._correct, self._lowest)
        scores = f_scores(correct / np.maximum(found, 1), correct / actual, BETA_SQUARED)
        best = int(scores.argmax())
        return {'maxf': 100 * float(scores[best]),
                'threshold': round(float(SALIENCY_THRESHOLDS[best]), 2)}
