"""The truth of a frame, the rules of a data set, and functions that the metrics share."""

from dataclasses import dataclass
import functools
import operator
from typing import Protocol, TypeVar

import numpy as np

from mtshare_ros.config import require
from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.geometry_decoder import RELATIVE
from mtshare_ros.inference.map_camera import centred_camera
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.tasks import get_task, UNLABELLED


class Truth(Protocol):
    """
    A camera image with its true maps, all of one (H, W); a map without truth is None.

    Frames of the procedural rooms are such objects, and so are those that readers of other data
    sets return. More attributes are optional: ``human_parts`` (H, W) uint8 class ids, 255 not
    scored; ``saliency`` (H, W) bool, or uint8 with 255 not scored; ``regions`` (H, W) integers,
    whose outlines are the true edges of odsF; ``focal_length`` of the camera in pixels.
    """

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""

    @property
    def labels(self) -> np.ndarray | None:
        """(H, W) uint8 class ids; 255 is unlabelled and not scored."""

    @property
    def depth(self) -> np.ndarray | None:
        """(H, W) float z-depth in metres; NaN, infinity and 0 are not scored."""

    @property
    def normals(self) -> np.ndarray | None:
        """(H, W, 3) float, optical frame (x right, y down, z forward); NaN, 0 are not scored."""

    @property
    def edges(self) -> np.ndarray | None:
        """(H, W) bool, or uint8 with 1 on edges and 255 not scored."""


def truth_of(truth: Truth, task: str) -> np.ndarray | None:
    """Return the true map of a frame for a task id, None where the frame has none."""
    return getattr(truth, get_task(task).truth, None)


def focal_length_of(truth: Truth) -> float | None:
    """Return the focal length of a frame's camera in pixels, None where it is unknown."""
    return getattr(truth, 'focal_length', None)


CLASS_MEANS = ('present', 'all')


@dataclass(frozen=True)
class MetricRules:
    """
    How the metrics of one data set are computed.

    ``semseg_mean``: the mean IoU runs over the classes ``present`` in the truth, or over ``all``,
    where an absent one counts 0. ``edge_max_distance``: how far a predicted edge may be from a
    true one in odsF, as a share of the image's diagonal; None scores F within two pixels instead.
    ``edge_thresholds`` of odsF are evenly spaced between 0 and 1, and 0.001 and 0.999 are added:
    20 are quick, 99 make the 101 of publications. ``legacy_sigmoid`` applies the sigmoid to the
    probability of saliency a second time before the thresholds, as many publications do.
    """

    semseg_mean: str = 'present'
    edge_max_distance: float | None = None
    edge_thresholds: int = 20
    legacy_sigmoid: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError for a value that is not allowed."""
        require(self.semseg_mean in CLASS_MEANS, 'semseg_mean', self.semseg_mean,
                f'one of {", ".join(CLASS_MEANS)}')
        require(self.edge_max_distance is None or 0 < self.edge_max_distance < 1,
                'edge_max_distance', self.edge_max_distance,
                'None or a share of the diagonal between 0 and 1')
        require(self.edge_thresholds >= 1, 'edge_thresholds', self.edge_thresholds, '1 or more')


ROOMS_RULES = MetricRules()

_RULES = {
    'rooms': ROOMS_RULES,
    'nyud': MetricRules(semseg_mean='all', edge_max_distance=0.011),
    'pascal': MetricRules(semseg_mean='all', edge_max_distance=0.0075),
    'folder': MetricRules(),
}


def metric_rules(dataset: str) -> MetricRules:
    """Return the rules of a data set by its name; raise ConfigError for an unknown one."""
    require(dataset in _RULES, 'dataset', dataset, f'one of {", ".join(_RULES)}')
    return _RULES[dataset]


LEVELS = 256
"""Number of values of a probability that is stored as a byte."""


T = TypeVar('T')


class Metric(Protocol):
    """
    A metric over frames, which ``update`` adds one by one.

    Parts of the frames may be counted apart, and merged in the order of the frames: the result is
    then that of all frames counted one after another, to the last bit.
    """

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Add one frame; a frame without truth for the task changes nothing."""

    def merge(self: T, other: T) -> None:
        """Add the frames of another metric of the same kind, which follow those of this one."""

    def result(self) -> dict[str, float]:
        """Return the metrics of all frames so far by name."""


class OrderedSum:
    """
    A sum of floats that keeps its terms.

    Sums of parts would differ from the sum of all terms by rounding, depending on how the terms
    were divided; added up from the first term to the last, they do not.
    """

    def __init__(self) -> None:
        self._terms: list[float] = []

    def add(self, term: float) -> None:
        """Add a term."""
        self._terms.append(term)

    def merge(self, other: 'OrderedSum') -> None:
        """Add the terms of another sum, after those of this one."""
        self._terms += other._terms

    def total(self) -> float:
        """Return the sum; ``sum`` rounds otherwise from Python 3.12 on."""
        return functools.reduce(operator.add, self._terms, 0.0)


def camera_of(truth: Truth) -> Pinhole | None:
    """Return the intrinsics of the camera that took a frame, None where they are unknown."""
    focal_length = focal_length_of(truth)
    if focal_length is None:
        return None
    return centred_camera(focal_length, (truth.image.shape[0], truth.image.shape[1]))


def bring_to_scale(engine: Engine, prediction: Prediction, truth: Truth) -> None:
    """Scale a frame's depth, in place, to metres of the camera that took it, as the node does."""
    focal_length = focal_length_of(truth)
    if focal_length is not None:
        engine.scale_depth(prediction, focal_length)


def tasks_with_truth(engine: Engine) -> tuple[str, ...]:
    """Return the tasks of a model that can be scored; a depth without metres cannot."""
    heads = engine.description.architecture
    return tuple(task for task in engine.tasks if heads.head_of(task).encoding != RELATIVE)


def map_of(prediction: Prediction, task: str) -> np.ndarray:
    """Return the map of a task; raise ValueError where the prediction does not have it."""
    values = prediction.map_of(task)
    if values is None:
        raise ValueError(f'the prediction does not hold the task {task}, which is to be scored')
    return values


def is_scored(marks: np.ndarray) -> np.ndarray:
    """Return (H, W) bool: the scored pixels of a map, which are all, or bytes other than 255."""
    return np.ones(marks.shape, bool) if marks.dtype == np.bool_ else marks != UNLABELLED


def is_marked(marks: np.ndarray) -> np.ndarray:
    """Return the pixels of a map (H, W) of bools or bytes that are true and scored, as bool."""
    return marks.astype(bool) & is_scored(marks)


def level_counts(levels: np.ndarray) -> np.ndarray:
    """Return how many pixels have each of the LEVELS probabilities."""
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
    """Return part / whole, NaN where the whole is 0."""
    return float(part) / float(whole) if whole else float('nan')
