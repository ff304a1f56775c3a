"""The geometry of the maps: depth in the scale of the camera at hand, and depth to points."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pinhole:
    """Focal lengths and principal point of the maps in pixels; pixel centres lie at integers."""

    fx: float
    fy: float
    cx: float
    cy: float


def depth_scale(
    focal_length: float, *, trained: float | None, trained_size: tuple[int, ...],
    size: tuple[int, int],
) -> float:
    """
    Return the factor that turns predicted depth into metres of the camera at hand.

    A network judges distance by how large things appear, so its metres hold for the focal length
    it was trained with: ``trained`` pixels at ``trained_size``. ``focal_length`` is that of the
    camera in pixels of maps of ``size``; sizes are (height, width). The training images are
    brought to the maps as any image is, scaled to cover them. 1.0 where ``trained`` is None:
    nobody knows it.
    """
    if trained is None:
        return 1.0
    enlargement = max(target / side for target, side in zip(size, trained_size))
    return focal_length / (trained * enlargement)


def write_points(depth: np.ndarray, camera: Pinhole, points: np.ndarray) -> None:
    """
    Write the points seen at (H, W) float32 z-depth into ``points`` (H, W, 3) float32.

    They are in the optical frame (x right, y down, z forward), in the unit of the depth; NaN where
    the depth is.
    """
    height, width = depth.shape
    # x changes along columns only and y along rows only: two short lists hold all directions
    right = ((np.arange(width) - camera.cx) / camera.fx).astype(np.float32)
    down = ((np.arange(height) - camera.cy) / camera.fy).astype(np.float32)
    np.multiply(depth, right, out=points[..., 0])
    np.multiply(depth, down[:, None], out=points[..., 1])
    points[..., 2] = depth
