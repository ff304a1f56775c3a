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


def depth_scale(focal_length: float, *, trained: float | None) -> float:
    """
    Return the factor that turns predicted depth into metres of the camera at hand.

    A network judges distance by how large things look, so its metres hold for the focal length it
    was trained with. ``focal_length`` is that of the camera in pixels of the maps. Where it judges
    by pixels, ``trained`` is in pixels of the training images: the same view at twice the size
    looks as if it were at half the distance. Where it judges by the share of the view, ``trained``
    is in pixels of the maps too, see ``assumed_focal_length``. 1.0 where it is None: unknown.
    """
    return 1.0 if trained is None else focal_length / trained


def assumed_focal_length(
    trained: float, *, trained_size: tuple[int, ...], size: tuple[int, int]
) -> float:
    """
    Return the focal length of a camera like that of the training, in pixels of maps of ``size``.

    ``trained`` is in pixels at ``trained_size``, sizes are (height, width). A training image would
    be brought to the maps as any image is, scaled to cover them.
    """
    return trained * max(target / side for target, side in zip(size, trained_size))


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
