"""A model on a clip of the real world: what sharing computes, and how much it changes the maps."""

from dataclasses import dataclass, field
from typing import Callable, Iterable, Mapping

import numpy as np
import torch

from mtshare_ros.errors import DatasetError
from mtshare_ros.evaluation.clip_evaluation import ActivityAccount
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.model.backbone import to_tensor
from mtshare_ros.sharing.change import ChangeDetector, ChangeState
from mtshare_ros.sharing.sharing_settings import SharingSettings

UNITS = {'mask': '%', 'depth': '%', 'normals': '°', 'edges': '%'}
"""
The maps that are compared, and the units.

``mask``: pixels of another class. ``depth``: mean of |a - b| / b. ``normals``: mean angle.
``edges``: mean difference of the probability.
"""

_NOTICED = 1.0
"""The score from which a patch counts as changed."""


def map_changes(
    found: Prediction, reference: Prediction, where: np.ndarray | None = None
) -> dict[str, float]:
    """
    Return by map how far one prediction is from another, in UNITS.

    ``where`` (H, W) bool are the pixels that count, None being all. Maps that one of them lacks,
    and those without a pixel to compare, are left out.
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
    Tells which pixels of a clip belong to patches that did not change since the frame before.

    The sharing engine's own detector decides, which takes the sensor's noise for no change.
    """

    def __init__(self, patch_size: int) -> None:
        self._patch_size = patch_size
        self._detector = ChangeDetector(torch.device('cpu'), patch_size)
        self._state: ChangeState | None = None

    def observe(self, image: np.ndarray) -> np.ndarray:
        """Take in a frame (H, W, 3) uint8; return (H, W) bool, all false for the first one."""
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
    # The arc cosine of float32 products is off by a hundredth of a degree near 0; chords are not.
    chord = np.linalg.norm(one.astype(np.float64) - other, axis=-1)
    return np.degrees(2 * np.arcsin(np.clip(chord / 2, 0, 1)))


def _edges(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(one.astype(np.float64) - other) / 2.55


@dataclass(frozen=True)
class ClipMetrics:
    """
    What was measured of a clip, without its first frame, which is computed whole.

    ``tokens`` is the mean share of tokens that were computed, ``macs`` that of the
    multiply-accumulates; ``resets`` counts the whole frames by their reason. The changes are those
    of ``map_changes``, means over frames: ``to_dense`` of the shared maps to the dense ones,
    ``between`` of each dense frame to the one before; ``flicker_dense`` and ``flicker_shared`` of
    a frame to the one before where the image did not change, which is a share ``still`` of it.
    ``ms_dense`` and ``ms_shared`` are median milliseconds of the engine.
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
    """One frame as it was computed alone and with the memory of those before."""

    dense: Prediction
    shared: Prediction


def measure_clip(
    engine: Engine, images: Iterable[np.ndarray], sharing: SharingSettings, *,
    observe: Callable[[ComputedFrame], None] = lambda frame: None,
) -> ClipMetrics:
    """
    Compute the frames (H, W, 3) uint8 RGB of a clip dense and with sharing, side by side.

    Raises DatasetError for a clip of fewer than two frames.
    """
    runner = _Runner(engine, sharing)
    account = _Account(engine.description.architecture.patch_size)
    for image in images:
        frame = runner.run(image)
        account.add(frame)
        observe(frame)
    return account.result()


class _Runner:
    """Computes frames in both ways."""

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
    """Adds frames up."""

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
        """Take in the next frame."""
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
        """Return the figures of all frames."""
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
