"""How much the maps that two models give for one frame differ."""

from dataclasses import dataclass
from typing import Mapping

import numpy as np

from mtshare_ros.evaluation.metrics import angles_between
from mtshare_ros.fleet.summary.comparable import CommonClasses, DIFFERENCES
from mtshare_ros.image_frame import Framing, Pinhole
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.tasks import UNLABELLED


@dataclass(frozen=True)
class Disagreement:
    """
    How much the maps of one frame differ, by task, see DIFFERENCES; tasks without value are out.

    ``ms`` is the second model's time. ``compared_pixels`` have a class that both models know in
    both masks, and ``differing_pixels`` are those of them whose classes are not the same.
    """

    by_task: Mapping[str, float]
    ms: float
    compared_pixels: int = 0
    differing_pixels: int = 0

    @property
    def shares(self) -> dict[str, float]:
        """By task the difference in its ``scale``, 1 at most."""
        return {task: min(value / DIFFERENCES[task].scale, 1.0)
                for task, value in self.by_task.items()}

    @property
    def score(self) -> float:
        """The mean of the shares: 0 for equal maps, 1 for maps with nothing in common."""
        return sum(self.shares.values()) / len(self.by_task) if self.by_task else 0.0


class Overlap:
    """
    The pixels of the first maps that the second maps show too, of every n-th row and column.

    The maps of two models may differ in size, and in the part of the camera image that they show.
    """

    def __init__(self, first: Framing, second: Framing, step: int = 1) -> None:
        self.shape = first.input_size
        axes = [_matched(first, second, axis, step) for axis in (0, 1)]
        self._first = axes[0][0][:, None], axes[1][0]
        self._second = axes[0][1][:, None], axes[1][1]

    def pick(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return values (h, w, ...) of both maps at the same places of the image."""
        return first[self._first], second[self._second]

    def carry(self, second: np.ndarray, missing: float) -> np.ndarray:
        """Return the second map at the pixels of the first, ``missing`` where it shows nothing."""
        carried = np.full((*self.shape, *second.shape[2:]), missing, second.dtype)
        carried[self._first] = second[self._second]
        return carried


def _matched(
    first: Framing, second: Framing, axis: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (axis 0) or columns of the first maps, and those of the second there."""
    ours = np.arange(step // 2, first.input_size[axis], step)
    ratio = second.resized_size[axis] / first.resized_size[axis]
    theirs = np.floor((ours + first.offset[axis] + 0.5) * ratio - second.offset[axis]).astype(int)
    inside = (theirs >= 0) & (theirs < second.input_size[axis])
    return ours[inside], theirs[inside]


def camera_of_second(camera: Pinhole, first: Framing, second: Framing) -> Pinhole:
    """Return the camera of the second maps for that of the first, both of one camera image."""
    (down, right), (top, left) = (
        [theirs / ours for theirs, ours in zip(second.resized_size, first.resized_size)],
        second.offset)
    return Pinhole(camera.fx * right, camera.fy * down,
                   (camera.cx + first.offset[1] + 0.5) * right - left - 0.5,
                   (camera.cy + first.offset[0] + 0.5) * down - top - 0.5)


def level_of(
    task: str, first: np.ndarray, second: np.ndarray, classes: CommonClasses
) -> np.ndarray:
    """
    Return how much two maps of a task differ at each pixel, as (h, w) in the unit of the task.

    NaN is where they cannot be compared: a class that only one model has, an invalid depth.
    """
    if task == 'semseg':
        ours, theirs = classes.first[first], classes.second[second]
        known = (ours != UNLABELLED) & (theirs != UNLABELLED)
        return np.where(known, (ours != theirs).astype(np.float32), np.nan)
    if task == 'depth':
        valid = (first > 0) & (second > 0)
        ratio = np.divide(first, second, out=np.full(first.shape, np.nan, np.float32),
                          where=valid)
        return np.abs(np.log(ratio))
    if task == 'normals':
        known = np.isfinite(first).all(axis=-1) & np.isfinite(second).all(axis=-1)
        return np.where(known, angles_between(first, second), np.nan)
    return np.abs(first.astype(np.float32) - second) / 255


def disagreement(
    first: Prediction, second: Prediction, tasks: tuple[str, ...], classes: CommonClasses,
    step: int,
) -> Disagreement:
    """Return how much two predictions differ in some tasks, at every n-th row and column."""
    overlap = Overlap(first.framing, second.framing, step)
    by_task, compared, differing = {}, 0, 0
    for task in tasks:
        ours, theirs = first.map_of(task), second.map_of(task)
        if ours is None or theirs is None:
            continue
        levels = level_of(task, *overlap.pick(ours, theirs), classes)
        levels = levels[np.isfinite(levels)]
        if task == 'semseg':
            compared, differing = levels.size, int(levels.sum())
        if levels.size:
            by_task[task] = float(np.median(levels) if task == 'depth' else levels.mean())
    return Disagreement(by_task, second.stats.total_ms, compared, differing)
