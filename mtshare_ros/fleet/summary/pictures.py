"""The pictures of a fleet's page: a frame with its maps, and how two models differ in one."""

import io

import numpy as np

from mtshare_ros.errors import import_extra
from mtshare_ros.fleet.summary.comparable import CommonClasses, DIFFERENCES
from mtshare_ros.fleet.summary.map_differences import level_of, Overlap
from mtshare_ros.inference.colorize import color_depth, color_mask, color_normals
from mtshare_ros.inference.map_outputs import MapColors
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.recording.previews import draw_mosaic
from mtshare_ros.tasks import LabelSet, UNLABELLED

LARGEST_PICTURE = 40_000
"""Bytes of a JPEG file."""

_WIDTH = 960
_QUALITIES = (80, 70, 60, 50, 40, 30, 20, 10)
_RED = np.array((255, 40, 40), np.float32)


def small_jpeg(pixels: np.ndarray) -> bytes:
    """Return (H, W, 3) uint8 RGB as a JPEG file of LARGEST_PICTURE, shrunk as far as needed."""
    picture = import_extra('PIL.Image', 'pictures of a summary', 'cli').fromarray(pixels)
    width = _WIDTH
    while True:
        picture.thumbnail((width, width))
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            picture.save(buffer, 'JPEG', quality=quality)
            if buffer.tell() <= LARGEST_PICTURE:
                return buffer.getvalue()
        width //= 2


def draw_frame(prediction: Prediction, labels: LabelSet) -> np.ndarray:
    """Return the image and its maps as ``draw_mosaic``, depth in the colours of its own range."""
    return draw_mosaic(prediction, MapColors(
        labels.palette(), depth_range=_depth_range(prediction.depth)))


def draw_difference(
    first: Prediction, second: Prediction, task: str, classes: CommonClasses,
    labels: tuple[LabelSet, LabelSet],
) -> np.ndarray:
    """
    Return four pictures as (2 H, 2 W, 3) uint8: the image, the difference, both maps of a task.

    ``labels`` are those of the two models; a class that both have is shown in the first's colour.
    The difference is red over the grey image, the more opaque the larger it is.
    """
    ours, theirs, image = first.map_of(task), second.map_of(task), first.image
    if ours is None or theirs is None or image is None:
        raise ValueError(f'a prediction without image or map of {task} cannot be drawn')
    missing = UNLABELLED if task == 'semseg' else 0 if task == 'edge' else np.nan
    theirs = Overlap(first.framing, second.framing).carry(theirs, missing)
    levels = np.nan_to_num(level_of(task, ours, theirs, classes) / DIFFERENCES[task].scale)
    opacity = np.clip(levels, 0, 1)[..., None]
    grey = image.mean(axis=-1, keepdims=True, dtype=np.float32) * 0.7
    difference = (grey * (1 - opacity) + _RED * opacity).astype(np.uint8)
    palettes = [item.palette() for item in labels]
    palettes[1] = _shared_colors(classes, *palettes)
    depth_range = _depth_range(first.depth)
    maps = [_draw_map(task, values, image, palette, depth_range)
            for values, palette in zip((ours, theirs), palettes)]
    return np.vstack([np.hstack([image, difference]), np.hstack(maps)])


def _draw_map(
    task: str, values: np.ndarray, image: np.ndarray, palette: np.ndarray,
    depth_range: tuple[float, float],
) -> np.ndarray:
    if task == 'semseg':
        return color_mask(values, image, palette, MapColors.mask_alpha)
    if task == 'depth':
        return color_depth(values, depth_range)
    return color_normals(values) if task == 'normals' else np.repeat(values[..., None], 3, axis=-1)


def _shared_colors(classes: CommonClasses, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the second palette with the first's colours for the classes of both."""
    palette = second.copy()
    for number, common in enumerate(classes.second):
        if common != UNLABELLED:
            palette[number] = first[np.flatnonzero(classes.first == common)[0]]
    return palette


def _depth_range(depth: np.ndarray | None) -> tuple[float, float]:
    """Return (near, far) in metres of nearly all depths of a map."""
    valid = depth[np.isfinite(depth)] if depth is not None else np.zeros(0)
    if valid.size == 0:
        return MapColors.depth_range
    near, far = np.percentile(valid, (1, 99))
    return float(near), float(max(far, near + 0.1))
