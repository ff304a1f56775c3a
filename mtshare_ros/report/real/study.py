"""Everything that is measured of one model on the public files."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping

import numpy as np

from mtshare_ros.image_files import read_image_file
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.report.real.film import FilmFrame, measure_film
from mtshare_ros.report.real.motorcycle import (
    fit_truth,
    Motorcycle,
    score_depth,
    score_motorcycle,
)
from mtshare_ros.sharing.settings import SharingSettings


@dataclass(frozen=True)
class Study:
    """
    What models are measured on, and who looks at what they make of it.

    ``films`` give the frames (H, W, 3) uint8 RGB of a video each time they are called, by its
    name; ``see_photograph`` and ``see_frame`` get the name of the photograph or film.
    """

    photographs: Mapping[str, Path]
    motorcycle: Motorcycle
    films: Mapping[str, Callable[[], Iterable[np.ndarray]]]
    sharing: SharingSettings
    see_photograph: Callable[[str, Prediction], None]
    see_frame: Callable[[str, FilmFrame], None]


def study_model(engine: Engine, study: Study) -> dict[str, Any]:
    """Return the figures of one model; raise FrameError for a photograph that cannot be read."""
    for name, path in study.photographs.items():
        image = read_image_file(path).upright()
        found = engine.infer(image, None, InferenceSettings(engine.tasks))
        engine.scale_depth(found)
        study.see_photograph(name, found)
    return {
        'sha256': engine.file.sha256 if engine.file else '',
        'trained_on': engine.description.trained_on,
        'motorcycle': _motorcycle(engine, study.motorcycle),
        'films': {name: _film(engine, name, study) for name in study.films},
    }


def constant_depth(motorcycle: Motorcycle, size: tuple[int, ...]) -> dict[str, Any]:
    """Return the score of a depth that is the same in a whole map of (height, width)."""
    truth = fit_truth(motorcycle, size)
    return {**asdict(score_depth(np.ones(truth.shape), truth)), 'rank': None}


def _motorcycle(engine: Engine, motorcycle: Motorcycle) -> list[dict[str, Any]]:
    """Return the scores at the size of the engine and at that of the model's training."""
    own = tuple(engine.description.architecture.input_size)
    scores = []
    for size in dict.fromkeys((own, tuple(engine.input_size))):
        score = score_motorcycle(engine.with_input_size(size), motorcycle)
        if score is not None:
            scores.append({'input_size': list(size), **asdict(score)})
    return scores


def _film(engine: Engine, name: str, study: Study) -> dict[str, Any]:
    return asdict(measure_film(
        engine, study.films[name](), study.sharing,
        observe=lambda frame: study.see_frame(name, frame)))
