"""Several maps of a frame as one picture."""

from typing import Sequence

import numpy as np

from mtshare_ros.inference.map_outputs import Look, MAPS
from mtshare_ros.inference.prediction import Prediction

_COLUMNS = 3
_PICTURES = ('semantic/color', 'depth/color', 'normals/color', 'edges/image', 'sharing/activity')


def draw_mosaic(prediction: Prediction, look: Look) -> np.ndarray:
    """
    Return the image and the pictures of all its maps, in rows of three, as (H, W, 3) uint8 RGB.

    The image is what the network saw: the part of the camera's image that the maps cover. What
    was recomputed is the last picture, where the prediction knows it.
    """
    if prediction.image is None:
        raise ValueError('a prediction without its image cannot be drawn')
    rows = [row for row in MAPS if row.topic in _PICTURES and _is_there(row.task, prediction)]
    pictures = [_as_rgb(row.draw(prediction, look)) for row in rows]
    return _arrange([prediction.image, *pictures])


def _is_there(task: str, prediction: Prediction) -> bool:
    if not task:
        return bool(prediction.stats.activity)
    return prediction.map_of(task) is not None


def _as_rgb(picture: np.ndarray) -> np.ndarray:
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)


def _arrange(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Put pictures of one size beside and below each other, black where none is left."""
    height, width = pictures[0].shape[:2]
    columns = min(len(pictures), _COLUMNS)
    lines = -(-len(pictures) // columns)
    canvas = np.zeros((lines * height, columns * width, 3), np.uint8)
    for number, picture in enumerate(pictures):
        line, column = divmod(number, columns)
        canvas[line * height:(line + 1) * height, column * width:(column + 1) * width] = picture
    return canvas
