"""What the metrics of all tasks share."""

from typing import Protocol

import numpy as np

from mtshare_ros.evaluation.truth import focal_length_of, Truth
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.geometric import RELATIVE
from mtshare_ros.inference.geometry import centred_camera
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.pinhole import Pinhole
from mtshare_ros.tasks import UNLABELLED

LEVELS = 256
"""Values of a probability that is kept as a byte."""


class Metric(Protocol):
    """Collects frames; ``result`` says how good they were in all."""

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Add one frame; a frame without truth for the task adds nothing."""

    def result(self) -> dict[str, float]:
        """Return the figures of all frames so far by name."""


def camera_of(truth: Truth) -> Pinhole | None:
    """Return the camera that took a frame, None where nobody knows it."""
    focal_length = focal_length_of(truth)
    if focal_length is None:
        return None
    return centred_camera(focal_length, (truth.image.shape[0], truth.image.shape[1]))


def bring_to_scale(engine: Engine, prediction: Prediction, truth: Truth) -> None:
    """Scale depth, in place, to the camera that took a frame, as the node does."""
    focal_length = focal_length_of(truth)
    if focal_length is not None:
        engine.scale_depth(prediction, focal_length)


def tasks_with_truth(engine: Engine) -> tuple[str, ...]:
    """Return the tasks of a model whose maps are in the unit of truth: a relative depth is not."""
    heads = engine.description.architecture
    return tuple(task for task in engine.tasks if heads.head_of(task).encoding != RELATIVE)


def map_of(prediction: Prediction, task: str) -> np.ndarray:
    """Return the map of a task id; raise ValueError where it was not computed."""
    values = prediction.map_of(task)
    if values is None:
        raise ValueError(f'the prediction does not hold the task {task}, which is to be scored')
    return values


def is_scored(marks: np.ndarray) -> np.ndarray:
    """Return where a map (H, W) of bools or of bytes counts: (H, W) bool, false on 255."""
    return np.ones(marks.shape, bool) if marks.dtype == np.bool_ else marks != UNLABELLED


def is_marked(marks: np.ndarray) -> np.ndarray:
    """Return where a map (H, W) of bools or of bytes is true and counts."""
    return marks.astype(bool) & is_scored(marks)


def level_counts(levels: np.ndarray) -> np.ndarray:
    """Return how many pixels have each of the LEVELS."""
    return np.bincount(levels.ravel(), minlength=LEVELS)


def at_least(counts: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return from ``level_counts`` how many pixels have at least each level, 0 to LEVELS."""
    return np.append(counts[::-1].cumsum()[::-1], 0)[levels]


def f_scores(
    precision: np.ndarray, recall: np.ndarray, beta_squared: float = 1.0
) -> np.ndarray:
    """Return (1 + b) P R / (b P + R), 0 where both are 0."""
    weighted = beta_squared * precision + recall
    return (1 + beta_squared) * precision * recall / np.maximum(weighted, 1e-12)


def ratio(part: float, whole: float) -> float:
    """Return part / whole, NaN where the whole is nothing."""
    return float(part) / float(whole) if whole else float('nan')
