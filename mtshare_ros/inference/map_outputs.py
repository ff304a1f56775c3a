"""
The table of outputs, published and recorded: names, encodings, and how maps are drawn.

Node, bags and files have the same outputs under the same names; a new output is a new row.
"""

from dataclasses import dataclass
from typing import Callable, Iterable, Sequence

import numpy as np

from mtshare_ros.errors import ConfigError
from mtshare_ros.inference.colorize import (
    color_activity,
    color_depth,
    color_disparity,
    color_mask,
    color_normals,
)
from mtshare_ros.inference.prediction import Prediction


@dataclass(frozen=True)
class MapColors:
    """
    How maps are coloured for people.

    ``palette`` holds the (256, 3) uint8 colours of the classes, ``mask_alpha`` their opacity over
    the camera image, ``depth_range`` the nearest and farthest depth told apart, in metres.
    """

    palette: np.ndarray
    mask_alpha: float = 0.6
    depth_range: tuple[float, float] = (0.5, 8.0)


def present(values: np.ndarray | None) -> np.ndarray:
    """Return maps of a task that was asked for; raise RuntimeError without them."""
    if values is None:
        raise RuntimeError('the engine returned no maps of a task it was asked for')
    return values


def _semantic_color(found: Prediction, colors: MapColors) -> np.ndarray:
    mask, image = present(found.mask), present(found.image)
    return color_mask(mask, image, colors.palette, colors.mask_alpha)


def _depth_color(found: Prediction, colors: MapColors) -> np.ndarray:
    if found.disparity is not None:
        return color_disparity(found.disparity)
    return color_depth(present(found.depth), colors.depth_range)


def _activity(found: Prediction, colors: MapColors) -> np.ndarray:
    return color_activity(present(found.image), found.stats.activity)


def _no_map(found: Prediction, colors: MapColors) -> np.ndarray:
    raise RuntimeError('this output is no map, so it cannot be drawn')


@dataclass(frozen=True)
class OutputSpec:
    """
    One output.

    ``topic`` is its relative name. ``task`` is empty for what shows whichever tasks are computed.
    ``message`` is the type of its ROS message, without the package. Outputs of type Image are
    maps: their ``draw`` returns the (H, W) or (H, W, C) array that ``encoding`` describes.
    ``companion`` says that it is a picture for people, beside a map that holds the values.
    ``relative`` is False for what needs metres, True for what takes its place where a model's
    depth is relative.
    """

    topic: str
    task: str
    encoding: str
    text: str
    draw: Callable[[Prediction, MapColors], np.ndarray] = _no_map
    companion: bool = False
    relative: bool | None = None
    message: str = 'Image'

    @property
    def is_map(self) -> bool:
        """Whether it is an image that ``draw`` returns."""
        return self.message == 'Image'

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
        """Whether it is published once, when the node is configured, not with every frame."""
        return self.message == 'LabelInfo'


OUTPUTS = (
    OutputSpec(
        'semantic/mask', 'semseg', 'mono8', 'class of each pixel; 255 is unlabelled',
        lambda found, colors: present(found.mask),
    ),
    OutputSpec(
        'semantic/confidence', 'semseg', 'mono8', 'probability of that class x 255',
        lambda found, colors: present(found.confidence),
    ),
    OutputSpec(
        'semantic/label_info', 'semseg', '', 'names of the classes, kept for late subscribers',
        message='LabelInfo',
    ),
    OutputSpec(
        'semantic/color', 'semseg', 'rgb8', 'class colours over the camera image, for people',
        _semantic_color, companion=True,
    ),
    OutputSpec(
        'depth/image', 'depth', '32FC1', 'z-depth in metres; NaN is invalid',
        lambda found, colors: present(found.depth), relative=False,
    ),
    OutputSpec(
        'depth/relative', 'depth', '32FC1', 'in place of depth/image, where the depth of a model '
        'is relative: inverse depth without scale and shift, larger is nearer; NaN is invalid',
        lambda found, colors: present(found.disparity), relative=True,
    ),
    OutputSpec(
        'depth/color', 'depth', 'rgb8', 'depth in colours, for people',
        _depth_color, companion=True,
    ),
    OutputSpec(
        'depth/camera_info', 'depth', '', 'calibration of the maps, where the camera has one',
        message='CameraInfo',
    ),
    OutputSpec(
        'depth/points', 'depth', '', 'organised coloured cloud (x, y, z, rgb) in the optical '
        'frame, where the camera has a calibration; NaN is invalid', companion=True,
        relative=False, message='PointCloud2',
    ),
    OutputSpec(
        'normals/image', 'normals', '32FC3', 'unit vectors in the optical frame (x right, y down, '
        'z forward); NaN is invalid',
        lambda found, colors: present(found.normals),
    ),
    OutputSpec(
        'normals/color', 'normals', 'rgb8', 'normals in colours, for people',
        lambda found, colors: color_normals(present(found.normals)), companion=True,
    ),
    OutputSpec(
        'edges/image', 'edge', 'mono8', 'probability of an edge x 255',
        lambda found, colors: present(found.edges),
    ),
    OutputSpec(
        'sharing/activity', '', 'rgb8', 'what was recomputed over the camera image, for people; '
        'see "Computing only what changed"', _activity, companion=True,
    ),
)
"""Every output; the order is that of the documentation."""

METRIC_OUTPUTS = tuple(row for row in OUTPUTS if not row.relative)
"""The outputs of a model that has every task, and depth in metres."""

MAPS = tuple(row for row in OUTPUTS if row.is_map)
"""The outputs that are maps or pictures of them."""


def maps_of(topics: Iterable[str]) -> tuple[OutputSpec, ...]:
    """Return the maps with these topics, in the order of the table."""
    wanted = set(topics)
    return tuple(row for row in MAPS if row.topic in wanted)


def task_of(topic: str) -> str:
    """Return the task of an output, empty for what shows all of them."""
    return next(row.task for row in OUTPUTS if row.topic == topic)


def offered_outputs(tasks: Iterable[str], relative: bool = False) -> tuple[OutputSpec, ...]:
    """Return the outputs of a model that has these task ids, and depth that is relative or not."""
    known = {'', *tasks}
    return tuple(row for row in OUTPUTS if row.task in known and row.relative in (None, relative))


def choose_outputs(
    text: str | None, offered: Sequence[OutputSpec], option: str
) -> tuple[str, ...]:
    """
    Return the topics that the text of an option names, with commas, in the order of ``offered``.

    None chooses the maps themselves with what is needed to read them: no pictures, and no cloud.
    Raises ConfigError for a topic that is not offered.
    """
    if text is None:
        return tuple(row.topic for row in offered if not row.companion)
    topics = [row.topic for row in offered]
    names = [name.strip() for name in text.split(',') if name.strip()]
    if not names or not set(names) <= set(topics):
        raise ConfigError(f'{option} is {text!r}; allowed is a list, with commas, of '
                          f'{", ".join(topics)}')
    return tuple(topic for topic in topics if topic in names)
