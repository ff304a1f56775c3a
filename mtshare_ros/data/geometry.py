"""Resize, cut and pad a sample: image and truth together."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from mtshare_ros.data.sample import Sample, VOID

PADDING_COLOR = (124, 116, 104)
"""The mean of ImageNet in 8-bit RGB: the network's normalisation makes 0.01 of it at most."""

_REPEATED = {'regions'}
"""Maps whose border goes on in the padding, so that no outline arises there."""


def resize(sample: Sample, scale: float, downscale: int = 1) -> Sample:
    """
    Scale a sample by ``scale / downscale``: its image smoothly, its truth by nearest pixels.

    ``scale`` brings the camera nearer, so depth is divided by it and the focal length stays; it is
    ``downscale`` that shortens it. An edge survives ``downscale``
    where any of the pixels that become one is an edge.
    """
    size = tuple(max(1, round(side * scale / downscale)) for side in sample.size)
    maps = sample.maps()
    if 'edges' in maps:
        maps['edges'] = _strongest(maps['edges'], downscale)
    maps = {name: _nearest(values, size) for name, values in maps.items()}
    if 'depth' in maps:
        maps['depth'] = maps['depth'] / np.float32(scale)
    if sample.focal_length is not None:
        sample = replace(sample, focal_length=sample.focal_length / downscale)
    return _with(sample, _smooth(sample.image, size), maps)


def cut(sample: Sample, rows: slice, columns: slice) -> Sample:
    """Return a window of a sample."""
    maps = {name: values[rows, columns] for name, values in sample.maps().items()}
    return _with(sample, sample.image[rows, columns], maps)


def pad(sample: Sample, size: tuple[int, int]) -> Sample:
    """
    Centre a sample in (height, width); sides that are large enough stay.

    The image, of one or more frames on its last axis, is padded with the mean colour, truth with
    what stands for unknown.
    """
    missing = [max(0, side - own) for side, own in zip(size, sample.size)]
    margins = [(total // 2, total - total // 2) for total in missing]
    rows, columns = (slice(margin[0], margin[0] + own)
                     for margin, own in zip(margins, sample.size))
    height, width = (own + total for own, total in zip(sample.size, missing))
    frames = sample.image.shape[2] // 3
    image = np.tile(np.array(PADDING_COLOR, np.uint8), (height, width, frames))
    image[rows, columns] = sample.image
    maps = {}
    for name, values in sample.maps().items():
        around = margins + [(0, 0)] * (values.ndim - 2)
        maps[name] = np.pad(values, around, mode='edge') if name in _REPEATED else (
            np.pad(values, around, constant_values=VOID[name]))
    return _with(sample, image, maps)


def _with(sample: Sample, image: np.ndarray, maps: dict[str, Any]) -> Sample:
    return replace(sample, image=image, **maps)


def _smooth(image: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Resize (H, W, C) uint8 bilinearly, anti-aliased as the network's own preprocessing."""
    if size == image.shape[:2]:
        return image
    planes = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    resized = functional.interpolate(planes, size, mode='bilinear', antialias=True)
    return resized[0].permute(1, 2, 0).numpy()


def _nearest(values: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return for each cell of (height, width) the value (h, w, ...) at its centre."""
    rows, columns = (((np.arange(target) + 0.5) * own / target).astype(int)
                     for target, own in zip(size, values.shape))
    return values[rows[:, None], columns]


def _strongest(edges: np.ndarray, cell: int) -> np.ndarray:
    """Return the largest value of each whole cell of ``cell`` pixels a side."""
    height, width = (side // cell for side in edges.shape)
    cells = edges[:height * cell, :width * cell].reshape(height, cell, width, cell)
    return cells.max(axis=(1, 3))
