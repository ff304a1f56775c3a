"""The channels that pages can watch: six views of each camera, numbered."""

from dataclasses import dataclass
from typing import Iterable

import numpy as np

from mtshare_ros.inference.colorize import color_normals, COLORS, depth_palette, STATES


@dataclass(frozen=True)
class View:
    """One kind of picture; ``camera`` marks the camera's image, which is not an output."""

    name: str
    title: str
    topic: str
    camera: bool = False


VIEWS = (
    View('camera', 'Camera', 'image', camera=True),
    View('semantic', 'Semantic', 'semantic/color'),
    View('depth', 'Depth', 'depth/color'),
    View('normals', 'Normals', 'normals/color'),
    View('edges', 'Edges', 'edges/image'),
    View('activity', 'Activity', 'sharing/activity'),
)
"""The views in the order of the page."""

_DIRECTIONS = {'to the right': (1, 0, 0), 'upwards': (0, -1, 0), 'towards the camera': (0, 0, -1)}
"""Normals that the legend explains, in the optical frame."""

MASK_TOPIC = 'semantic/mask'
"""The topic that the legend of the semantic view is made from."""


@dataclass(frozen=True)
class Channel:
    """
    One view of one camera; pages and server refer to it by its number.

    ``mask_topic`` is the topic of the classes in the picture, empty where it shows none.
    """

    number: int
    camera: str
    view: View
    topic: str
    mask_topic: str = ''


def list_channels(namespace: str, cameras: Iterable[str]) -> tuple[Channel, ...]:
    """Return the channels of the cameras of a node; the topics are full names."""
    found: list[Channel] = []
    for camera in cameras:
        prefix = '/'.join([namespace.rstrip('/'), *filter(None, [camera]), ''])
        for view in VIEWS:
            mask = f'{prefix}{MASK_TOPIC}' if view.name == 'semantic' else ''
            found.append(Channel(len(found), camera, view, f'{prefix}{view.topic}', mask))
    return tuple(found)


def describe_channels(channels: Iterable[Channel]) -> dict[str, object]:
    """Return what a page needs to know of the channels, and the colours of their legends."""
    return {
        'channels': [
            {'number': channel.number, 'camera': channel.camera, 'view': channel.view.name,
             'title': channel.view.title, 'topic': channel.topic}
            for channel in channels
        ],
        'depth_colors': [css_color(color) for color in depth_palette()[::15]],
        'activity': [
            {'name': name, 'color': css_color(color)} for name, color in zip(STATES, COLORS)
        ],
        'normals': [
            {'name': name, 'color': css_color(color_normals(np.array(direction, np.float32)))}
            for name, direction in _DIRECTIONS.items()
        ],
    }


def css_color(color: Iterable[int]) -> str:
    """Write an RGB colour as style sheets do."""
    return '#' + ''.join(f'{int(level):02x}' for level in color)
