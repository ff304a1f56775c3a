"""A model against the truth."""

from typing import Callable, Iterable

from mtshare_ros.errors import DatasetError
from mtshare_ros.evaluation.metrics import make_metric
from mtshare_ros.evaluation.truth import Truth
from mtshare_ros.inference.engine import Engine

Metrics = dict[str, dict[str, float]]
"""Figures by task id and name, as the metrics return them."""


def evaluate(
    engine: Engine,
    frames: Iterable[Truth],
    *,
    progress: Callable[[int], None] | None = None,
) -> Metrics:
    """
    Return the figures of every task the model has over all frames.

    ``progress`` is called with the number of frames done. Raises DatasetError where there are no
    frames, or where a frame has another size than the engine's maps.
    """
    metrics = {task: make_metric(task, len(engine.labels)) for task in engine.tasks}
    done = 0
    for truth in frames:
        _check_size(truth, engine.input_size, done)
        prediction = engine.infer(truth.image)
        for metric in metrics.values():
            metric.update(prediction, truth)
        done += 1
        if progress is not None:
            progress(done)
    if done == 0:
        raise DatasetError('there are no frames to evaluate; at least one is needed')
    return {task: metric.result() for task, metric in metrics.items()}


def _check_size(truth: Truth, expected: tuple[int, int], number: int) -> None:
    sizes = {name: getattr(truth, name).shape[:2]
             for name in ('image', 'labels', 'depth', 'normals', 'edges')}
    for name, size in sizes.items():
        if tuple(size) != tuple(expected):
            raise DatasetError(
                f'frame {number}: {name} is {size[0]}x{size[1]} (height x width), the maps of '
                f'the model are {expected[0]}x{expected[1]}; render or crop the data to that size'
            )
