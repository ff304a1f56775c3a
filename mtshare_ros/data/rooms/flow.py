"""How the image of what stands still moves with the camera."""

import numpy as np

from mtshare_ros.data.rooms.frame import Pose

_NEAREST_METRES = 0.05


def image_motion(
    depth: np.ndarray, intrinsics: np.ndarray, first: Pose, second: Pose
) -> np.ndarray:
    """
    Return by how many pixels (H, W, 2), right and down, still points move between two poses.

    ``depth`` (H, W) is the z-depth in metres from the first pose, ``intrinsics`` (3, 3) fit it.
    """
    height, width = depth.shape
    down, right = np.mgrid[0:height, 0:width].astype(np.float64)
    pixels = np.stack([right, down, np.ones_like(right)], axis=-1)
    world = (pixels @ np.linalg.inv(intrinsics).T * depth[..., None]) @ first.rotation.T
    seen = (world + first.position - second.position) @ second.rotation
    seen[..., 2] = np.maximum(seen[..., 2], _NEAREST_METRES)
    projected = seen @ intrinsics.T
    return (projected / projected[..., 2:])[..., :2] - pixels[..., :2]


def median_motion(
    depth: np.ndarray, intrinsics: np.ndarray, first: Pose, second: Pose
) -> float:
    """Return the median over the image of how far still points move, in pixels."""
    moved = image_motion(depth, intrinsics, first, second)
    return float(np.median(np.linalg.norm(moved, axis=-1)))
