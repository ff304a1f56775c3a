"""The picture of what was recomputed: the camera image in grey under one tile for every token."""

from typing import Mapping

import numpy as np

from mtshare_ros.tasks import ordered

STATES = ('kept', 'reused', 'computed', 'refreshed')
"""What a map of activity says of a token, by its number."""

COLORS = ((0, 0, 0), (40, 220, 205), (255, 156, 32), (150, 110, 255))
"""RGB of the states: dark, turquoise, orange, violet."""

# Parts of 256: how much of the colour lies over the image, inside a tile and on its seams, where
# tiles of one state are told apart. What was kept shall look like one still surface.
_OPACITY = np.array(((140, 140), (128, 64), (128, 64), (140, 70)), np.uint16)
_LUMA = np.array((77, 150, 29), np.uint16)  # ITU-R BT.601 in parts of 256

# Of the quarters of a tile (left and right above, left and right below), which task each shows.
_QUARTERS = {1: (0, 0, 0, 0), 2: (0, 1, 0, 1), 3: (0, 1, 2, 2), 4: (0, 1, 2, 3)}


def color_activity(image: np.ndarray, activity: Mapping[str, np.ndarray]) -> np.ndarray:
    """
    Colour what became of every token, over the camera image in grey.

    ``image`` (H, W, 3) uint8 RGB; ``activity`` holds (rows, columns) uint8 by task id, numbers of
    STATES. The tasks share a token's tile: one has all of it, two a half each, four a quarter
    each, in canonical order from the upper left; tasks beyond four are not shown. Returns
    (H, W, 3) uint8.
    """
    maps = [activity[task] for task in ordered(activity)][:max(_QUARTERS)]
    rows, columns = maps[0].shape
    height, width = image.shape[0] // rows, image.shape[1] // columns
    states = _by_quarter(maps).repeat(height // 2, 0).repeat(width // 2, 1)
    opacity = _OPACITY[states, np.tile(_seams(height, width), (rows, columns))]
    grey = (image @ _LUMA >> 8) * (256 - opacity)  # 255 x 256 fits 16 bits
    colors = np.array(COLORS, np.uint16)[states] * opacity[..., None]
    return ((grey[..., None] + colors) >> 8).astype(np.uint8)


def _by_quarter(maps: list[np.ndarray]) -> np.ndarray:
    """Return the states of the quarters of all tiles: (2 rows, 2 columns)."""
    rows, columns = maps[0].shape
    chosen = np.stack([maps[number] for number in _QUARTERS[len(maps)]])
    grid = chosen.reshape(2, 2, rows, columns).transpose(2, 0, 3, 1)
    return grid.reshape(2 * rows, 2 * columns)


def _seams(height: int, width: int) -> np.ndarray:
    """Return 1 on the upper and the left edge of a tile (height, width), 0 inside."""
    seams = np.zeros((height, width), np.uint8)
    seams[0] = seams[:, 0] = 1
    return seams
