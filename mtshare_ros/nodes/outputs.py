"""
The table of outputs: which topic shows which map of which task, and in which encoding.

Publishing, laziness, the diagnostics and the documentation read this table; a new output is a
new row.
"""

from dataclasses import dataclass
from typing import Callable, Iterable

import numpy as np

from mtshare_ros.inference.activity import color_activity
from mtshare_ros.inference.colorize import color_depth, color_mask, color_normals
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.nodes.perception_parameters import RuntimeSettings
from mtshare_ros.tasks import ordered


@dataclass(frozen=True)
class Frame:
    """
    What the outputs of one camera image are drawn from.

    ``palette`` holds the (256, 3) uint8 colours of the classes.
    """

    prediction: Prediction
    settings: RuntimeSettings
    palette: np.ndarray


@dataclass(frozen=True)
class OutputSpec:
    """
    One published topic.

    ``task`` is empty for what shows whichever tasks are computed. ``draw`` returns the (H, W) or
    (H, W, C) map that is published in ``encoding``; the row without one is the calibration of its
    task's maps, which needs no inference. ``activity`` says that it is drawn from what was
    recomputed.
    """

    topic: str
    task: str
    encoding: str
    text: str
    draw: Callable[[Frame], np.ndarray] | None = None
    activity: bool = False


def _present(values: np.ndarray | None) -> np.ndarray:
    """Return the maps of a task that was asked for; the engine owes them."""
    if values is None:
        raise RuntimeError('the engine returned no maps of a task it was asked for')
    return values


def _semantic_color(frame: Frame) -> np.ndarray:
    mask, image = _present(frame.prediction.mask), _present(frame.prediction.image)
    return color_mask(mask, image, frame.palette, frame.settings.semantic_color_alpha)


def _depth_color(frame: Frame) -> np.ndarray:
    return color_depth(_present(frame.prediction.depth), frame.settings.depth_color_range)


def _activity(frame: Frame) -> np.ndarray:
    return color_activity(_present(frame.prediction.image), frame.prediction.stats.activity)


OUTPUTS = (
    OutputSpec(
        'semantic/mask', 'semseg', 'mono8', 'class of each pixel; 255 is unlabelled',
        lambda frame: _present(frame.prediction.mask),
    ),
    OutputSpec(
        'semantic/color', 'semseg', 'rgb8', 'class colours over the camera image, for people',
        _semantic_color,
    ),
    OutputSpec(
        'depth/image', 'depth', '32FC1', 'z-depth in metres; NaN is invalid',
        lambda frame: _present(frame.prediction.depth),
    ),
    OutputSpec(
        'depth/color', 'depth', 'rgb8', 'depth in colours, for people', _depth_color,
    ),
    OutputSpec(
        'depth/camera_info', 'depth', '', 'calibration of the maps, where the camera has one',
    ),
    OutputSpec(
        'normals/image', 'normals', '32FC3', 'unit vectors in the optical frame (x right, y down, '
        'z forward); NaN is invalid',
        lambda frame: _present(frame.prediction.normals),
    ),
    OutputSpec(
        'normals/color', 'normals', 'rgb8', 'normals in colours, for people',
        lambda frame: color_normals(_present(frame.prediction.normals)),
    ),
    OutputSpec(
        'edges/image', 'edge', 'mono8', 'probability of an edge x 255',
        lambda frame: _present(frame.prediction.edges),
    ),
    OutputSpec(
        'sharing/activity', '', 'rgb8', 'what was recomputed over the camera image, for people; '
        'see "Computing only what changed"', _activity, activity=True,
    ),
)
"""Every output of the perception node; the topics are relative names."""


def offered_outputs(available: Iterable[str]) -> tuple[OutputSpec, ...]:
    """Return the outputs of a model that has these task ids."""
    tasks = {'', *available}
    return tuple(output for output in OUTPUTS if output.task in tasks)


def enabled_outputs(
    settings: RuntimeSettings, available: Iterable[str]
) -> tuple[OutputSpec, ...]:
    """Return the outputs that are switched on, of the task ids that the model has."""
    tasks = settings.enabled.intersection(available)
    return offered_outputs(tasks) if tasks else ()


def tasks_to_infer(
    outputs: Iterable[OutputSpec], settings: RuntimeSettings, available: Iterable[str]
) -> tuple[str, ...]:
    """
    Return the task ids whose maps the outputs show, in canonical order.

    Where none of the drawn outputs belongs to a task, every task that is switched on is shown.
    """
    drawn = [output.task for output in outputs if output.draw is not None]
    asked = [task for task in drawn if task]
    if drawn and not asked:
        return ordered(settings.enabled.intersection(available))
    return ordered(asked)


def shows_activity(outputs: Iterable[OutputSpec]) -> bool:
    """Return whether one of the outputs is drawn from what was recomputed."""
    return any(output.activity for output in outputs)
