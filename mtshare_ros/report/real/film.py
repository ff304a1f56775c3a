"""A model on a film of the real world: what sharing computes, and what that costs the maps."""

from dataclasses import dataclass, field
from typing import Callable, Iterable

import numpy as np

from mtshare_ros.errors import DatasetError
from mtshare_ros.evaluation.clip_evaluation import ActivityAccount
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.report.real.map_changes import map_changes, MeanChanges, StillPixels
from mtshare_ros.sharing.settings import SharingSettings


@dataclass(frozen=True)
class FilmFigures:
    """
    Figures of a film, the first frame apart, which is computed whole.

    ``rows`` is the mean share of the rows that were computed, ``macs`` that of the
    multiply-accumulates; ``resets`` count frames that built on nothing by their reason. The
    changes are those of ``map_changes``, means over frames: ``to_dense`` of the shared maps to the
    dense ones, ``between`` of each dense frame to the one before; ``flicker_dense`` and
    ``flicker_shared`` of a frame to the one before where the image did not change, which is true
    of a share ``still`` of it. ``ms_dense`` and ``ms_shared`` are medians of the engine.
    """

    frames: int
    rows: float
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
class FilmFrame:
    """One frame as it was computed alone and with the memory of those before."""

    dense: Prediction
    shared: Prediction


def measure_film(
    engine: Engine, images: Iterable[np.ndarray], sharing: SharingSettings, *,
    observe: Callable[[FilmFrame], None] = lambda frame: None,
) -> FilmFigures:
    """
    Compute the frames (H, W, 3) uint8 RGB of a film dense and with sharing, side by side.

    Raises DatasetError for a film of fewer than two frames.
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

    def run(self, image: np.ndarray) -> FilmFrame:
        """Compute a frame."""
        frame = FilmFrame(self._engine.infer(image, None, self._alone),
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
        self._last: FilmFrame | None = None
        self._still: list[float] = []
        self._milliseconds: list[tuple[float, float]] = []

    def add(self, frame: FilmFrame) -> None:
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

    def result(self) -> FilmFigures:
        """Return the figures of all frames."""
        if not self._still:
            raise DatasetError('a film needs two frames or more, so that something can change')
        done = self._activity.result()
        dense_ms, shared_ms = np.median(self._milliseconds, axis=0).tolist()
        return FilmFigures(
            len(self._still), done.active_fraction or 0.0, done.macs_share or 0.0, done.resets,
            float(np.mean(self._still)), self.to_dense.result(), self.between.result(),
            self.flicker_dense.result(), self.flicker_shared.result(), dense_ms, shared_ms)


def _seen(prediction: Prediction) -> np.ndarray:
    if prediction.image is None:
        raise ValueError('the prediction does not hold the image that it was made of')
    return prediction.image
