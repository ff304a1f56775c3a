"""Measure a model on a recorded clip: what sharing computes, and how much it changes the maps."""

from dataclasses import dataclass, field
from typing import Callable, Iterable, Mapping

import numpy as np
import torch

from mtshare_ros.errors import DatasetError
from mtshare_ros.evaluation.activity import ActivityAccount
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.model.backbone import to_tensor
from mtshare_ros.sharing.change import ChangeDetector, ChangeState
from mtshare_ros.sharing.sharing_settings import SharingSettings

UNITS = {'mask': '%', 'depth': '%', 'normals': '°', 'edges': '%'}
"""
Units of the changes by map.

``mask``: share of pixels of another class. ``depth``: mean of |a - b| / b. ``normals``: mean
angle. ``edges``: mean difference of the probability.
"""

_NOTICED = 1.0
"""The smallest score of a patch that counts as changed."""


def map_changes(
    found: Prediction, reference: Prediction, where: np.ndarray | None = None
) -> dict[str, float]:
    """
    Return by map how much a prediction differs from the reference, in UNITS.

    ``where`` (H, W) bool are the pixels that count, None means all. Maps that one of the two
    lacks, and those without a pixel to compare, are left out.
    """
    measures = {'mask': _mask, 'depth': _depth, 'normals': _normals, 'edges': _edges}
    changes = {}
    for name, measure in measures.items():
        one, other = getattr(found, name), getattr(reference, name)
        if one is None or other is None:
            continue
        values = measure(one, other) if where is None else measure(one, other)[where]
        values = values[np.isfinite(values)]
        if values.size:
            changes[name] = float(values.mean())
    return changes


class MeanChanges:
    """The mean over frames of what ``map_changes`` returns."""

    def __init__(self) -> None:
        self._found: dict[str, list[float]] = {}

    def add(self, changes: Mapping[str, float]) -> None:
        """Add a frame."""
        for name, value in changes.items():
            self._found.setdefault(name, []).append(value)

    def result(self) -> dict[str, float]:
        """Return the means by map."""
        return {name: float(np.mean(values)) for name, values in self._found.items()}


class StillPixels:
    """
    Finds the pixels of a clip whose patches did not change since the frame before.

    It uses the change detector of sharing, which does not take the sensor's noise for a change.
    """

    def __init__(self, patch_size: int) -> None:
        self._patch_size = patch_size
        self._detector = ChangeDetector(torch.device('cpu'), patch_size)
        self._state: ChangeState | None = None

    def observe(self, image: np.ndarray) -> np.ndarray:
        """Return (H, W) bool for the next frame (H, W, 3) uint8; all false for the first one."""
        side = self._patch_size
        grid = image.shape[0] // side, image.shape[1] // side
        if self._state is None:
            self._state = self._detector.allocate(grid)
        scores = self._detector.observe(
            self._state, to_tensor(np.ascontiguousarray(image), torch.device('cpu')))
        self._detector.transmit_all(self._state)
        still = (scores < _NOTICED).view(grid).numpy()
        return still.repeat(side, axis=0).repeat(side, axis=1)


def _mask(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return 100.0 * (one != other)


def _depth(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    known = np.isfinite(one) & np.isfinite(other) & (other > 0)
    change = np.full(one.shape, np.nan)
    change[known] = 100 * np.abs(one[known] - other[known]) / other[known]
    return change


def _normals(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    # Near 0 the arc cosine of float32 products is wrong by a hundredth of a degree; the arc sine
    # of the chord is not.
    chord = np.linalg.norm(one.astype(np.float64) - other, axis=-1)
    return np.degrees(2 * np.arcsin(np.clip(chord / 2, 0, 1)))


def _edges(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(one.astype(np.float64) - other) / 2.55


@dataclass(frozen=True)
class ClipMetrics:
    """
    What was measured on a clip, without its first frame, which is computed whole.

    ``tokens`` is the mean share of tokens that were computed, ``macs`` that of the
    multiply-accumulates; ``resets`` is the number of whole frames by the reason for them. The
    changes are those of ``map_changes``, means over frames: ``to_dense`` from the dense maps to
    those with sharing, ``between`` from each dense frame to the next; ``flicker_dense`` and
    ``flicker_shared`` from a frame to the next where the image did not change. ``still`` is the
    mean share of pixels that did not change. ``ms_dense`` and ``ms_shared`` are the median
    milliseconds of the engine.
    """

    frames: int
    tokens: float
    macs: float
    resets: dict[str, int]
    still: float
    to_dense: dict[str, float]
    between: dict[str, float]
    flicker_dense: dict[str, float]
    flicker_shared: dict[str, float]
    ms_dense: float
    ms_shared: float


@dataclass(frozen=True)
class ComputedFrame:
    """The predictions for one frame: from its pixels alone, and with sharing over time."""

    dense: Prediction
    shared: Prediction


def measure_clip(
    engine: Engine, images: Iterable[np.ndarray], sharing: SharingSettings, *,
    observe: Callable[[ComputedFrame], None] = lambda frame: None,
) -> ClipMetrics:
    """
    Compute the frames (H, W, 3) uint8 RGB of a clip both dense and with sharing.

    ``observe`` is called with each frame. Raises DatasetError for fewer than two frames.
    """
    runner = _Runner(engine, sharing)
    account = _Account(engine.description.architecture.patch_size)
    for image in images:
        frame = runner.run(image)
        account.add(frame)
        observe(frame)
    return account.result()


class _Runner:
    """Computes each frame dense and with sharing."""

    def __init__(self, engine: Engine, sharing: SharingSettings) -> None:
        self._engine = engine
        self._session = engine.new_session()
        self._alone = InferenceSettings(engine.tasks)
        self._shared = InferenceSettings(engine.tasks, sharing, activity=True)

    def run(self, image: np.ndarray) -> ComputedFrame:
        """Compute a frame."""
        frame = ComputedFrame(self._engine.infer(image, None, self._alone),
                          self._engine.infer(image, self._session, self._shared))
        for prediction in (frame.dense, frame.shared):
            self._engine.scale_depth(prediction)
        return frame


@dataclass
class _Account:
    """Sums up what is measured on frames."""

    patch_size: int
    to_dense: MeanChanges = field(default_factory=MeanChanges)
    between: MeanChanges = field(default_factory=MeanChanges)
    flicker_dense: MeanChanges = field(default_factory=MeanChanges)
    flicker_shared: MeanChanges = field(default_factory=MeanChanges)

    def __post_init__(self) -> None:
        self._pixels = StillPixels(self.patch_size)
        self._activity = ActivityAccount({})
        self._last: ComputedFrame | None = None
        self._still: list[float] = []
        self._milliseconds: list[tuple[float, float]] = []

    def add(self, frame: ComputedFrame) -> None:
        """Add the next frame."""
        last, self._last = self._last, frame
        still = self._pixels.observe(_seen(frame.dense))
        if last is None:
            return
        self._activity.add(frame.shared.stats)
        self._milliseconds.append((frame.dense.stats.total_ms, frame.shared.stats.total_ms))
        self._still.append(float(still.mean()))
        self.to_dense.add(map_changes(frame.shared, frame.dense))
        self.between.add(map_changes(frame.dense, last.dense))
        self.flicker_dense.add(map_changes(frame.dense, last.dense, still))
        self.flicker_shared.add(map_changes(frame.shared, last.shared, still))

    def result(self) -> ClipMetrics:
        """Return the metrics over all frames; raise DatasetError for fewer than two."""
        if not self._still:
            raise DatasetError('a clip needs two frames or more, so that something can change')
        done = self._activity.result()
        dense_ms, shared_ms = np.median(self._milliseconds, axis=0).tolist()
        return ClipMetrics(
            len(self._still), done.active_fraction or 0.0, done.macs_share or 0.0, done.resets,
            float(np.mean(self._still)), self.to_dense.result(), self.between.result(),
            self.flicker_dense.result(), self.flicker_shared.result(), dense_ms, shared_ms)


def _seen(prediction: Prediction) -> np.ndarray:
    if prediction.image is None:
        raise ValueError('the prediction does not hold the image that it was made of')
    return prediction.image
