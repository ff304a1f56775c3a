"""Pictures of the maps for people: what rviz2 and a browser can show."""

from typing import Mapping

import numpy as np

from mtshare_ros.tasks import ordered

STATES = ('kept', 'reused', 'computed', 'refreshed')
"""What became of a token, by its number in a map of activity."""

COLORS = ((0, 0, 0), (40, 220, 205), (255, 156, 32), (150, 110, 255))
"""RGB of the states: dark, turquoise, orange, violet."""

# Parts of 256: the opacity of the colour over the image, inside a tile and on its edges, which
# separate tiles of one state. Kept tokens have no edges, so that they look like one surface.
_OPACITY = np.array(((140, 140), (128, 64), (128, 64), (140, 70)), np.uint16)
_LUMA = np.array((77, 150, 29), np.uint16)  # ITU-R BT.601 in parts of 256

# The task that each quarter of a tile shows: upper left and right, lower left and right.
_QUARTERS = {1: (0, 0, 0, 0), 2: (0, 1, 0, 1), 3: (0, 1, 2, 2), 4: (0, 1, 2, 3)}

# Anchors of a perceptually ordered map, near (warm) to far (cool); RGB in 0-255.
_DEPTH_ANCHORS = np.array([
    (128, 16, 24), (222, 68, 36), (250, 152, 52), (238, 222, 96), (150, 226, 130),
    (52, 192, 182), (44, 126, 214), (58, 66, 164), (36, 24, 84),
], np.float32)


def depth_palette() -> np.ndarray:
    """Return the (256, 3) uint8 colours of depth: row 0 is the near end, row 255 the far end."""
    at = np.linspace(0, 255, len(_DEPTH_ANCHORS))
    channels = [np.interp(np.arange(256), at, _DEPTH_ANCHORS[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


_DEPTH_PALETTE = depth_palette()


def color_mask(
    mask: np.ndarray, image: np.ndarray, palette: np.ndarray, alpha: float
) -> np.ndarray:
    """
    Blend class colours over the image.

    ``mask`` (H, W) uint8, ``image`` (H, W, 3) uint8 RGB, ``palette`` (256, 3) uint8, ``alpha`` 0
    (image only) to 1 (colours only). Returns (H, W, 3) uint8.
    """
    weight = round(alpha * 256)
    colors = palette.astype(np.uint16) * weight  # 255 x 256 fits 16 bits
    return ((colors[mask] + image.astype(np.uint16) * (256 - weight)) >> 8).astype(np.uint8)


def color_depth(depth: np.ndarray, color_range: tuple[float, float]) -> np.ndarray:
    """
    Colour (H, W) metres from near (warm) to far (cool); invalid pixels are black.

    ``color_range`` is (near, far) in metres; depths beyond it have the colours of its ends.
    """
    near, far = color_range
    valid = np.isfinite(depth)
    position = (np.where(valid, depth, near) - near) * (255 / (far - near))
    colors = _DEPTH_PALETTE[np.clip(position, 0, 255).astype(np.uint8)]
    colors[~valid] = 0
    return colors


def color_disparity(disparity: np.ndarray) -> np.ndarray:
    """
    Colour (H, W) inverse depth without a scale, near (warm) to far (cool); invalid is black.

    The colours span the range from the 2nd to the 98th percentile of the image.
    """
    known = disparity[np.isfinite(disparity)]
    far, near = np.percentile(known, (2, 98)) if known.size else (0.0, 1.0)
    # a tiny span, because an image of a single disparity would divide by zero
    return color_depth(-disparity, (-float(near), -float(far) + 1e-9))


def color_normals(normals: np.ndarray) -> np.ndarray:
    """
    Colour (H, W, 3) unit vectors: each of x, y, z from -1..1 to 0..255; invalid pixels are black.

    y and z are inverted, so that floors are green and walls facing the camera are blue.
    """
    valid = np.isfinite(normals).all(axis=-1)
    shifted = np.nan_to_num(normals) * np.array((127.5, -127.5, -127.5), np.float32) + 127.5
    colors = shifted.round().astype(np.uint8)
    colors[~valid] = 0
    return colors


def color_activity(image: np.ndarray, activity: Mapping[str, np.ndarray]) -> np.ndarray:
    """
    Colour what became of every token in its patch, over the camera image in gray.

    ``image`` (H, W, 3) uint8 RGB; ``activity`` holds (rows, columns) uint8 by task id, numbers of
    STATES. The tasks share the tile of a patch: one has all of it, two a half each, four a quarter
    each, in canonical order from the upper left; tasks beyond four are not shown. Returns
    (H, W, 3) uint8.
    """
    maps = [activity[task] for task in ordered(activity)][:max(_QUARTERS)]
    rows, columns = maps[0].shape
    height, width = image.shape[0] // rows, image.shape[1] // columns
    chosen = np.stack([maps[number] for number in _QUARTERS[len(maps)]])
    quarters = chosen.reshape(2, 2, rows, columns).transpose(2, 0, 3, 1)
    states = quarters.reshape(2 * rows, 2 * columns).repeat(height // 2, 0).repeat(width // 2, 1)
    edges = np.zeros((height, width), np.uint8)
    edges[0] = edges[:, 0] = 1
    opacity = _OPACITY[states, np.tile(edges, (rows, columns))]
    grey = (image @ _LUMA >> 8) * (256 - opacity)  # 255 x 256 fits 16 bits
    colors = np.array(COLORS, np.uint16)[states] * opacity[..., None]
    return ((grey[..., None] + colors) >> 8).astype(np.uint8)
