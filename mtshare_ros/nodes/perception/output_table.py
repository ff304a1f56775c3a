"""
The table of outputs: which topic shows which map of which task, and in which encoding.

Publishing, laziness, the diagnostics and the documentation read this table; a new output is a
new row.
"""

from dataclasses import dataclass, replace
from typing import Any, Callable, Iterable

import numpy as np

from mtshare_ros.inference.map_outputs import Look, MAPS
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.messages.camera_info import CameraInfoMatch
from mtshare_ros.nodes.perception.engine_parameters import NONE
from mtshare_ros.nodes.perception.parameter_table import RuntimeSettings


@dataclass(frozen=True)
class Frame:
    """
    What the outputs of one camera image are drawn from.

    ``header`` is that of the image, ``calibration`` that of the maps, ``look`` how they are
    coloured.
    """

    header: Any
    prediction: Prediction
    calibration: CameraInfoMatch
    look: Look


@dataclass(frozen=True)
class OutputSpec:
    """
    One published topic.

    ``task`` is empty for what shows whichever tasks are computed. ``message`` is the type by its
    name in ROS. An Image has a ``draw``, which returns the (H, W) or (H, W, C) map that is
    published in ``encoding``. ``relative`` is as in ``MapOutput``.
    """

    topic: str
    task: str
    encoding: str
    text: str
    draw: Callable[[Prediction, Look], np.ndarray] | None = None
    message: str = 'Image'
    relative: bool | None = None

    @property
    def activity(self) -> bool:
        """Whether it is drawn from what was recomputed."""
        return not self.task

    @property
    def inferred(self) -> bool:
        """Whether it shows what the network computes."""
        return self.message in ('Image', 'PointCloud2')

    @property
    def latched(self) -> bool:
        """Whether it is published once, when the node is configured, and not with every frame."""
        return self.message == 'LabelInfo'


def _map(topic: str) -> OutputSpec:
    """Return the output that publishes one of MAPS."""
    row = next(row for row in MAPS if row.topic == topic)
    return OutputSpec(
        row.topic, row.task, row.encoding, row.text, row.draw, relative=row.relative)


ALL_OUTPUTS = (
    _map('semantic/mask'),
    _map('semantic/confidence'),
    OutputSpec(
        'semantic/label_info', 'semseg', '', 'names of the classes, kept for late subscribers',
        message='LabelInfo',
    ),
    _map('semantic/color'),
    _map('depth/image'),
    _map('depth/relative'),
    _map('depth/color'),
    OutputSpec(
        'depth/camera_info', 'depth', '', 'calibration of the maps, where the camera has one',
        message='CameraInfo',
    ),
    OutputSpec(
        'depth/points', 'depth', '', 'organised coloured cloud (x, y, z, rgb) in the optical '
        'frame, where the camera has a calibration; NaN is invalid', message='PointCloud2',
        relative=False,
    ),
    _map('normals/image'),
    _map('normals/color'),
    _map('edges/image'),
    _map('sharing/activity'),
)
"""Every output of the perception node, whatever its model; the topics are relative names."""

OUTPUTS = tuple(output for output in ALL_OUTPUTS if not output.relative)
"""The outputs with a model that has every task, and depth in metres."""


def offered_outputs(
    available: Iterable[str], relative: bool = False
) -> tuple[OutputSpec, ...]:
    """Return the outputs of a model that has these task ids, and depth that is relative or not."""
    tasks = {'', *available}
    return tuple(output for output in ALL_OUTPUTS
                 if output.task in tasks and output.relative in (None, relative))


def enabled_outputs(
    settings: RuntimeSettings, available: Iterable[str], relative: bool = False
) -> tuple[OutputSpec, ...]:
    """Return the outputs of a frame that are switched on, of the task ids that the model has."""
    tasks = settings.enabled.intersection(available)
    offered = offered_outputs(tasks, relative) if tasks else ()
    return tuple(output for output in offered if not output.latched)


def settings_to_infer(
    outputs: Iterable[OutputSpec], settings: RuntimeSettings, available: Iterable[str]
) -> InferenceSettings:
    """Return what to compute for outputs; without tasks where none of them is inferred."""
    shown = [output.task for output in outputs if output.inferred]
    asked = InferenceSettings.to_show(
        shown, settings.enabled.intersection(available), settings.sharing)
    moving = settings.motion.source != NONE and 'depth' in available
    # maps are carried along the surfaces that depth tells
    tasks = {*asked.tasks, 'depth'} if moving and asked.tasks else asked.tasks
    return replace(asked, tasks=tuple(tasks), motion=settings.motion.settings)
