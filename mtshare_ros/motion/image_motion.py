"""How the image moves when the camera does, and whether the camera stands still."""

from dataclasses import dataclass

import numpy as np
import torch

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.motion.rigid import RigidMotion

FARTHEST = 1e6
"""Metres assumed where the depth is unknown: such pixels move with rotations only."""

_STEP = 8
"""Pixels between the points that are looked at, along either side."""

_NEAREST = 0.05
"""Metres in front of the camera; nearer points are left out."""


@dataclass(frozen=True)
class ImageFlow:
    """
    By how many pixels points of a view moved: ``down`` and ``right`` (n,) float64.

    Points that came to lie behind the camera are left out.
    """

    down: np.ndarray
    right: np.ndarray

    @property
    def median(self) -> tuple[float, float]:
        """The median movement down and to the right."""
        if self.down.size == 0:
            return 0.0, 0.0
        return float(np.median(self.down)), float(np.median(self.right))

    @property
    def length(self) -> float:
        """The median length of the movements."""
        return float(np.median(np.hypot(self.down, self.right))) if self.down.size else 0.0

    @property
    def spread(self) -> float:
        """The difference in pixels between the 10th and 90th percentile of the movements."""
        if self.down.size == 0:
            return 0.0
        low, high = np.percentile(np.stack((self.down, self.right)), (10, 90), axis=1)
        return float(np.hypot(*(high - low)))


def image_flow(
    depth: torch.Tensor | None, size: tuple[int, int], camera: Pinhole, motion: RigidMotion
) -> ImageFlow:
    """
    Return how the pixels of a view (height, width) move, on a grid of every eighth pixel.

    ``depth`` (H, W) is the z of the view before the motion; None, NaN and 0 count as far away.
    """
    row, column = np.mgrid[_STEP // 2:size[0]:_STEP, _STEP // 2:size[1]:_STEP].astype(np.float64)
    z = _depths_at(depth, row, column)
    down, right, ahead = _places_after(row, column, z, camera, motion)
    return ImageFlow((down - row)[ahead], (right - column)[ahead])


def places_before(
    depth: torch.Tensor | None, pixels: tuple[np.ndarray, np.ndarray], camera: Pinhole,
    motion: RigidMotion,
) -> tuple[np.ndarray, np.ndarray]:
    """
    Return row and column of pixels before a motion; NaN for those that were not in front.

    ``pixels`` are rows and columns of the view after it, ``depth`` (H, W) its z.
    """
    row, column = pixels
    down, right, ahead = _places_after(
        row, column, _depths_at(depth, row, column), camera, motion.inverse())
    return np.where(ahead, down, np.nan), np.where(ahead, right, np.nan)


def _depths_at(depth: torch.Tensor | None, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    if depth is None:
        return np.full(row.shape, FARTHEST)
    rows, columns = (torch.from_numpy(place.astype(np.int64)).to(depth.device)
                     for place in (row, column))
    z = depth[rows, columns].cpu().numpy().astype(np.float64)
    return np.where(np.isfinite(z) & (z > 0), z, FARTHEST)


def _places_after(
    row: np.ndarray, column: np.ndarray, z: np.ndarray, camera: Pinhole, motion: RigidMotion
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row and column of pixels at depth ``z`` after a motion, and which are in front."""
    points = np.stack(((column - camera.cx) / camera.fx * z,
                       (row - camera.cy) / camera.fy * z, z), axis=-1)
    x, y, ahead = np.moveaxis(motion.moved(points), -1, 0)
    safe = np.maximum(ahead, _NEAREST)
    return (y / safe * camera.fy + camera.cy, x / safe * camera.fx + camera.cx, ahead > _NEAREST)


STILL = 0.15
"""Pixels per frame below which the camera may be standing still."""

MOVING = 0.3
"""Pixels per frame above which the camera certainly moves."""

PATIENCE = 4
"""Frames below STILL after which the camera is said to stand still."""


class RestDetector:
    """Decides whether a camera stands still; one still frame alone does not."""

    def __init__(self) -> None:
        self._still, self.at_rest = 0, True

    def observe(self, shift: float) -> bool:
        """Add by how many pixels the image moved; return whether the camera stands still."""
        self._still = self._still + 1 if shift < STILL else 0
        if shift > MOVING:
            self.at_rest = False
        elif self._still >= PATIENCE:
            self.at_rest = True
        return self.at_rest
