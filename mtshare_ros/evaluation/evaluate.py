"""A model against the truth, frame by frame."""

from typing import Callable, Iterable, Sequence

import numpy as np

from mtshare_ros.errors import DatasetError
from mtshare_ros.evaluation.metrics import make_metric, MetricRules, ROOMS_RULES
from mtshare_ros.evaluation.scoring import bring_to_scale, camera_of
from mtshare_ros.evaluation.truth import Truth, truth_of
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.tasks import TASKS

Metrics = dict[str, dict[str, float]]
"""Figures by task id and name, as the metrics return them."""


class Scorer:
    """The metrics of some tasks of a model, fed frame by frame."""

    def __init__(
        self, engine: Engine, tasks: Sequence[str], rules: MetricRules = ROOMS_RULES
    ) -> None:
        self._engine = engine
        self._metrics = {task: make_metric(task, len(engine.labels), rules) for task in tasks}
        self.frames = 0

    def add(self, prediction: Prediction, truth: Truth) -> None:
        """
        Score a frame's maps, its depth in metres of the camera that took it.

        Raises DatasetError where the truth has another size than the maps.
        """
        _check_size(truth, prediction.framing.input_size, self.frames)
        bring_to_scale(self._engine, prediction, truth)
        for metric in self._metrics.values():
            metric.update(prediction, truth)
        self.frames += 1

    def figures(self) -> Metrics:
        """Return the figures of all frames by task; raise DatasetError where there were none."""
        if self.frames == 0:
            raise DatasetError('there are no frames to evaluate; at least one is needed')
        return {task: metric.result() for task, metric in self._metrics.items()}


def evaluate(
    engine: Engine,
    frames: Iterable[Truth],
    *,
    tasks: Sequence[str] | None = None,
    rules: MetricRules = ROOMS_RULES,
    progress: Callable[[int], None] | None = None,
) -> Metrics:
    """
    Return the figures over all frames, each of which stands for itself.

    ``tasks`` are by default all the model has. ``progress`` is called with the number of frames
    done. Raises DatasetError where there are no frames, or where one has another size than the
    engine's maps.
    """
    settings = InferenceSettings(engine.tasks if tasks is None else tuple(tasks))
    scorer = Scorer(engine, settings.tasks, rules)
    for truth in frames:
        prediction = engine.infer(truth.image, None, settings, camera_of(truth))
        scorer.add(prediction, truth)
        if progress is not None:
            progress(scorer.frames)
    return scorer.figures()


def _check_size(truth: Truth, expected: tuple[int, int], number: int) -> None:
    maps: dict[str, np.ndarray | None] = {'image': truth.image}
    maps.update((spec.truth, truth_of(truth, task)) for task, spec in TASKS.items())
    for name, values in maps.items():
        if values is not None and tuple(values.shape[:2]) != tuple(expected):
            height, width = values.shape[:2]
            raise DatasetError(
                f'frame {number}: {name} is {height}x{width} (height x width), the maps of '
                f'the model are {expected[0]}x{expected[1]}; render or crop the data to that size'
            )
