"""
The table of maps that are published and recorded: names, encodings, and how they are drawn.

Node, bags and files show the same maps under the same names; a new map is a new row.
"""

from dataclasses import dataclass
from typing import Callable, Iterable

import numpy as np

from mtshare_ros.inference.activity import color_activity
from mtshare_ros.inference.colorize import (
    color_depth,
    color_disparity,
    color_mask,
    color_normals,
)
from mtshare_ros.inference.prediction import Prediction


@dataclass(frozen=True)
class Look:
    """
    How maps are coloured for people.

    ``palette`` holds the (256, 3) uint8 colours of the classes, ``mask_alpha`` their opacity over
    the camera image, ``depth_range`` the nearest and farthest depth told apart, in metres.
    """

    palette: np.ndarray
    mask_alpha: float = 0.6
    depth_range: tuple[float, float] = (0.5, 8.0)


@dataclass(frozen=True)
class MapOutput:
    """
    One map.

    ``topic`` is its relative name. ``task`` is empty for what shows whichever tasks are computed.
    ``draw`` returns the (H, W) or (H, W, C) array that ``encoding`` describes. ``companion`` says
    that it is a picture for people, beside a map that holds the values. ``relative`` is False for
    what needs metres, True for what stands in its place where a model's depth is relative.
    """

    topic: str
    task: str
    encoding: str
    text: str
    draw: Callable[[Prediction, Look], np.ndarray]
    companion: bool = False
    relative: bool | None = None

    @property
    def activity(self) -> bool:
        """Whether it is drawn from what was recomputed."""
        return not self.task


def present(values: np.ndarray | None) -> np.ndarray:
    """Return the maps of a task that was asked for; the engine owes them."""
    if values is None:
        raise RuntimeError('the engine returned no maps of a task it was asked for')
    return values


def _semantic_color(found: Prediction, look: Look) -> np.ndarray:
    mask, image = present(found.mask), present(found.image)
    return color_mask(mask, image, look.palette, look.mask_alpha)


def _depth_color(found: Prediction, look: Look) -> np.ndarray:
    if found.disparity is not None:
        return color_disparity(found.disparity)
    return color_depth(present(found.depth), look.depth_range)


def _activity(found: Prediction, look: Look) -> np.ndarray:
    return color_activity(present(found.image), found.stats.activity)


MAPS = (
    MapOutput(
        'semantic/mask', 'semseg', 'mono8', 'class of each pixel; 255 is unlabelled',
        lambda found, look: present(found.mask),
    ),
    MapOutput(
        'semantic/confidence', 'semseg', 'mono8', 'probability of that class x 255',
        lambda found, look: present(found.confidence),
    ),
    MapOutput(
        'semantic/color', 'semseg', 'rgb8', 'class colours over the camera image, for people',
        _semantic_color, companion=True,
    ),
    MapOutput(
        'depth/image', 'depth', '32FC1', 'z-depth in metres; NaN is invalid',
        lambda found, look: present(found.depth), relative=False,
    ),
    MapOutput(
        'depth/relative', 'depth', '32FC1', 'in place of depth/image, where the depth of a model '
        'is relative: inverse depth without scale and shift, larger is nearer; NaN is invalid',
        lambda found, look: present(found.disparity), relative=True,
    ),
    MapOutput(
        'depth/color', 'depth', 'rgb8', 'depth in colours, for people',
        _depth_color, companion=True,
    ),
    MapOutput(
        'normals/image', 'normals', '32FC3', 'unit vectors in the optical frame (x right, y down, '
        'z forward); NaN is invalid',
        lambda found, look: present(found.normals),
    ),
    MapOutput(
        'normals/color', 'normals', 'rgb8', 'normals in colours, for people',
        lambda found, look: color_normals(present(found.normals)), companion=True,
    ),
    MapOutput(
        'edges/image', 'edge', 'mono8', 'probability of an edge x 255',
        lambda found, look: present(found.edges),
    ),
    MapOutput(
        'sharing/activity', '', 'rgb8', 'what was recomputed over the camera image, for people; '
        'see "Computing only what changed"', _activity, companion=True,
    ),
)
"""Every map; the order is that of the documentation."""


def maps_of(names: Iterable[str]) -> tuple[MapOutput, ...]:
    """Return the maps with these topics, in the order of the table."""
    wanted = set(names)
    return tuple(row for row in MAPS if row.topic in wanted)
