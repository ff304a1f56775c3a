"""What kinds of maps there are, by how they are carried from one view to another."""

from enum import Enum
from typing import Iterable

import numpy as np
import torch

from mtshare_ros.tasks import TASKS


class Kind(Enum):
    """
    How a map is resampled, and what becomes of its values.

    ``labels``: the nearest pixel's. ``distance`` and ``surface`` (H, W): between pixels, but never
    across the edge of a thing; a distance changes with the camera's place. ``value`` (H, W) and
    ``colour`` (H, W, 3): between pixels. ``direction`` (H, W, 3): between pixels, turned with the
    camera, of length one.
    """

    LABELS = 'labels'
    DISTANCE = 'distance'
    SURFACE = 'surface'
    VALUE = 'value'
    DIRECTION = 'direction'
    COLOUR = 'colour'

    @property
    def channels(self) -> int:
        """Values a pixel."""
        return 3 if self in (Kind.DIRECTION, Kind.COLOUR) else 1

    @property
    def stepped(self) -> bool:
        """Whether the map breaks off at the edges of things, so that it is kept as it is too."""
        return self in (Kind.LABELS, Kind.DISTANCE, Kind.SURFACE)


_BY_ENCODING = {
    'class_logits': Kind.LABELS,
    'log_metres': Kind.DISTANCE,
    'direction': Kind.DIRECTION,
    'logit': Kind.VALUE,
}

KINDS = {spec.map: _BY_ENCODING[spec.encoding] for spec in TASKS.values()} | {
    'confidence': Kind.LABELS,
    'disparity': Kind.SURFACE,
    'image': Kind.COLOUR,
}
"""The kind of each map by its name in ``Prediction``."""


def kind_of(name: str) -> Kind:
    """Return the kind of a map by name; one of any other name is a value, such as a weight."""
    return KINDS.get(name, Kind.VALUE)


def kinds_of(names: Iterable[str]) -> dict[str, Kind]:
    """Return the kinds of maps by name, and that of the image."""
    return {name: kind_of(name) for name in (*names, 'image')}


def to_planes(values: torch.Tensor, kind: Kind) -> torch.Tensor:
    """Return a map as it is kept: labels or float32, (H, W) or (C, H, W)."""
    if kind == Kind.LABELS:
        return values
    values = values.float()
    return values.permute(2, 0, 1).contiguous() if values.dim() == 3 else values


def from_planes(values: torch.Tensor) -> torch.Tensor:
    """Return what is kept as (H, W) or (C, H, W) as a map, (H, W) or (H, W, C)."""
    return values if values.dim() == 2 else values.permute(1, 2, 0)


def carried_name(name: str, *, scaled: bool) -> str:
    """
    Return the name under which a map is carried along.

    Depth is carried as it is, like disparity, where the motion is in no known unit.
    """
    return 'disparity' if name == 'depth' and not scaled else name


def as_array(values: torch.Tensor, kind: np.dtype) -> np.ndarray:
    """Return a carried map as an array of its own, of the kind that it had."""
    if kind == np.uint8 and values.is_floating_point():
        values = values.round().clamp_(0, 255)
    return np.array(values.cpu().numpy(), kind, order='C')
