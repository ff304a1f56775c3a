"""Resize, cut, pad and recolour samples: image and truth together."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from mtshare_ros.data.sample import Sample, VOID

PADDING_COLOR = (124, 116, 104)
"""The mean of ImageNet in 8-bit RGB: the network's normalisation makes 0.01 of it at most."""

_REPEATED = {'regions'}
"""Maps that are padded with their border values, so that no outline appears there."""


def resize(sample: Sample, scale: float, downscale: int = 1) -> Sample:
    """
    Scale a sample by ``scale / downscale``: its image smoothly, its truth by nearest pixels.

    Scaling up acts like moving the camera nearer: depth is divided by ``scale`` and the focal
    length stays. ``downscale`` divides the focal length. A pixel of the result is an edge where
    any pixel that it is made of was one.
    """
    size = tuple(max(1, round(side * scale / downscale)) for side in sample.size)
    maps = sample.maps()
    if 'edges' in maps:
        # first, because taking the nearest pixels would lose thin outlines
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


BRIGHTNESS = 32.0
"""Largest shift, of 255."""
CONTRAST = SATURATION = (0.5, 1.5)
HUE_DEGREES = 36.0
"""18 of the steps of 2 degrees that OpenCV counts hue in."""
_CHANCE = 0.5


def distort_colors(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """
    Vary the colours of an image (H, W, 3) uint8 RGB; return the same kind.

    Brightness, contrast, saturation and hue, each in half of the images; contrast before or after
    the others.
    """
    pixels = image.astype(np.float32)
    contrast_first = random.random() < _CHANCE
    if random.random() < _CHANCE:
        pixels += random.uniform(-BRIGHTNESS, BRIGHTNESS)
    contrast = random.uniform(*CONTRAST) if random.random() < _CHANCE else 1.0
    if contrast_first:
        pixels *= contrast
    saturation = random.uniform(*SATURATION) if random.random() < _CHANCE else 1.0
    turn = random.uniform(-HUE_DEGREES, HUE_DEGREES) if random.random() < _CHANCE else 0.0
    if (saturation, turn) != (1.0, 0.0):
        pixels = shift_saturation_and_hue(pixels.clip(0, 255), saturation, turn)
    if not contrast_first:
        pixels *= contrast
    return pixels.clip(0, 255).round().astype(np.uint8)


def shift_saturation_and_hue(pixels: np.ndarray, factor: float, degrees: float) -> np.ndarray:
    """
    Multiply the saturation and turn the hue of pixels (H, W, 3) in 0-255, in HSV.

    Saturation ends at 1; the value, the largest channel, stays.
    """
    value = pixels.max(axis=-1)
    chroma = value - pixels.min(axis=-1)
    sextant = _sextant(pixels, value, chroma) + degrees / 60
    chroma = np.minimum(chroma * factor, value)
    channels = []
    for offset in (5, 3, 1):  # red, green, blue
        place = (sextant + offset) % 6
        channels.append(value - chroma * np.minimum(place, 4 - place).clip(0, 1))
    return np.stack(channels, axis=-1)


def _sextant(pixels: np.ndarray, value: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Return the hue (H, W) in 0-6, 60 degrees each from red by way of green."""
    red, green, blue = np.moveaxis(pixels, -1, 0)
    divisor = np.maximum(chroma, 1e-6)
    return np.where(value == red, (green - blue) / divisor,
                    np.where(value == green, (blue - red) / divisor + 2,
                             (red - green) / divisor + 4))
