"""Measure a model on the public files: its maps of all, its depth in metres on one of them."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping

import numpy as np

from mtshare_ros.errors import DatasetError
from mtshare_ros.image_files import read_image_file
from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.report.public_files import DISPARITY, MOTORCYCLE
from mtshare_ros.report.real_clips import ComputedFrame, measure_clip
from mtshare_ros.sharing.sharing_settings import SharingSettings

FOCAL_LENGTH = 994.978
"""In pixels; this and the next two are from scikit-image, for its reduced copy of the image."""

_BASELINE = 0.193001
_DOFFS = 31.086
_NEAR = 1.25


@dataclass(frozen=True)
class Motorcycle:
    """The image (H, W, 3) uint8 RGB and its depth (H, W) in metres, NaN where not measured."""

    image: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class DepthScore:
    """
    Errors of a depth.

    ``delta1`` is the share within a factor of 1.25 in per cent, ``abs_rel`` the mean of |error| /
    truth. The scaled ones are those of the prediction times ``scale``, the median of truth /
    prediction. ``rank`` is Spearman's correlation; ``pixels`` is the number of pixels scored.
    """

    delta1: float
    abs_rel: float
    scale: float
    scaled_delta1: float
    scaled_abs_rel: float
    rank: float
    pixels: int


def read_motorcycle(folder: Path) -> Motorcycle:
    """Read the image and its disparity; raise DatasetError for a disparity that cannot be read."""
    image = read_image_file(folder / MOTORCYCLE.file).upright()
    try:
        with np.load(folder / DISPARITY, allow_pickle=False) as values:
            disparity = values[values.files[0]].astype(np.float64)
    except (OSError, ValueError, IndexError) as error:
        raise DatasetError(f'{folder / DISPARITY}: cannot be read: {error}') from error
    return Motorcycle(image, depth_of(disparity))


def depth_of(disparity: np.ndarray) -> np.ndarray:
    """Return the depth (H, W) in metres of a disparity (H, W) in pixels; NaN where not finite."""
    known = np.isfinite(disparity)
    depth = np.full(disparity.shape, np.nan)
    depth[known] = _BASELINE * FOCAL_LENGTH / (disparity[known] + _DOFFS)
    return depth


def predict(engine: Engine, motorcycle: Motorcycle) -> Prediction:
    """Return the maps of the photograph, its depth in metres of its camera."""
    prediction = engine.infer(motorcycle.image, None, InferenceSettings(engine.tasks))
    framing = prediction.framing
    engine.scale_depth(
        prediction, FOCAL_LENGTH * framing.resized_size[1] / framing.source_size[1])
    return prediction


def score_motorcycle(engine: Engine, motorcycle: Motorcycle) -> DepthScore | None:
    """Return the errors of a model's depth, None for a model without depth."""
    if 'depth' not in engine.tasks:
        return None
    found = predict(engine, motorcycle).depth
    truth = fit_truth(motorcycle, engine.input_size)
    return None if found is None else score_depth(found, truth)


def fit_truth(motorcycle: Motorcycle, size: tuple[int, ...]) -> np.ndarray:
    """Return the true depth for maps of a size (height, width)."""
    height, width = motorcycle.depth.shape
    return frame_to_cover((height, width), (size[0], size[1])).pick(motorcycle.depth)


def score_depth(found: np.ndarray, truth: np.ndarray) -> DepthScore:
    """Return the errors of depths (H, W) in metres over the pixels where the truth is known."""
    scored = np.isfinite(truth) & np.isfinite(found) & (truth > 0) & (found > 0)
    actual, guess = truth[scored].astype(np.float64), found[scored].astype(np.float64)
    scale = float(np.median(actual / guess))
    return DepthScore(
        _within(guess, actual), _abs_rel(guess, actual), scale, _within(scale * guess, actual),
        _abs_rel(scale * guess, actual), rank_correlation(guess, actual), int(scored.sum()))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """
    Return Spearman's correlation of two lists; equal values get the mean of their ranks.

    NaN where all values of one list are equal.
    """
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float('nan')
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


def _within(guess: np.ndarray, actual: np.ndarray) -> float:
    return float(100 * (np.maximum(guess / actual, actual / guess) < _NEAR).mean())


def _abs_rel(guess: np.ndarray, actual: np.ndarray) -> float:
    return float((np.abs(guess - actual) / actual).mean())


@dataclass(frozen=True)
class Study:
    """
    What models are measured on, and callbacks that receive their predictions.

    ``clips`` by name are functions that return the frames (H, W, 3) uint8 RGB of a video anew at
    each call. ``see_photograph`` and ``see_frame`` get the name of the photograph or clip first.
    """

    photographs: Mapping[str, Path]
    motorcycle: Motorcycle
    clips: Mapping[str, Callable[[], Iterable[np.ndarray]]]
    sharing: SharingSettings
    see_photograph: Callable[[str, Prediction], None]
    see_frame: Callable[[str, ComputedFrame], None]


def study_model(engine: Engine, study: Study) -> dict[str, Any]:
    """Measure one model; raise FrameError for a photograph that cannot be read."""
    for name, path in study.photographs.items():
        image = read_image_file(path).upright()
        found = engine.infer(image, None, InferenceSettings(engine.tasks))
        engine.scale_depth(found)
        study.see_photograph(name, found)
    return {
        'sha256': engine.file.sha256 if engine.file else '',
        'trained_on': engine.description.trained_on,
        'motorcycle': _motorcycle(engine, study.motorcycle),
        'clips': {name: _clip(engine, name, study) for name in study.clips},
    }


def constant_depth(motorcycle: Motorcycle, size: tuple[int, ...]) -> dict[str, Any]:
    """
    Return the score of a map of (height, width) with the same depth everywhere.

    After scaling, a model that sees no shape at all scores like this map.
    """
    truth = fit_truth(motorcycle, size)
    return {**asdict(score_depth(np.ones(truth.shape), truth)), 'rank': None}


def _motorcycle(engine: Engine, motorcycle: Motorcycle) -> list[dict[str, Any]]:
    """Return the scores at the engine's input size and at the size of the model's training."""
    own = tuple(engine.description.architecture.input_size)
    scores = []
    for size in dict.fromkeys((own, tuple(engine.input_size))):
        score = score_motorcycle(engine.with_input_size(size), motorcycle)
        if score is not None:
            scores.append({'input_size': list(size), **asdict(score)})
    return scores


def _clip(engine: Engine, name: str, study: Study) -> dict[str, Any]:
    return asdict(measure_clip(
        engine, study.clips[name](), study.sharing,
        observe=lambda frame: study.see_frame(name, frame)))
