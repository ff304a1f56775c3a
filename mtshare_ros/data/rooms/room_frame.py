"""One rendered frame with its ground truth, and how far still points move between two frames."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pose:
    """
    Where a camera is.

    ``position`` (3,) in metres; ``rotation`` (3, 3) camera to world, x right, y down, z forward.
    """

    position: np.ndarray
    rotation: np.ndarray


@dataclass(frozen=True)
class RoomFrame:
    """
    An image and everything that is known about it.

    ``image`` (H, W, 3) uint8 RGB; ``depth`` (H, W) float32 z-depth in metres; ``normals``
    (H, W, 3) float32 unit vectors in the optical frame (floor (0, -1, 0), a wall that faces the
    camera (0, 0, -1)); ``labels`` (H, W) uint8, 255 unlabelled; ``edges`` (H, W) bool: the right
    or lower neighbour belongs to another primitive; ``intrinsics`` (3, 3) float64, whole numbers
    being pixel centres; ``pose`` camera to world.
    """

    image: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    labels: np.ndarray
    edges: np.ndarray
    intrinsics: np.ndarray
    pose: Pose

    @property
    def focal_length(self) -> float:
        """Of the camera in pixels."""
        return float(self.intrinsics[0, 0])


def outlines(seen: np.ndarray) -> np.ndarray:
    """Return where the right or lower neighbour in a map of ids (H, W) differs, as bool."""
    edges = np.zeros(seen.shape, bool)
    edges[:, :-1] |= seen[:, 1:] != seen[:, :-1]
    edges[:-1] |= seen[1:] != seen[:-1]
    return edges


_NEAREST_METRES = 0.05


def rays(shape: tuple[int, ...], intrinsics: np.ndarray) -> np.ndarray:
    """Return the points (H, W, 3) of the pixels of a view at a depth of one metre."""
    down, right = np.mgrid[0:shape[0], 0:shape[1]].astype(np.float64)
    pixels = np.stack([right, down, np.ones_like(right)], axis=-1)
    return pixels @ np.linalg.inv(intrinsics).T


def seen_from(points: np.ndarray, first: Pose, second: Pose) -> np.ndarray:
    """Return points (..., 3) of the optical frame at one pose in that at another."""
    world = points @ first.rotation.T + first.position
    return (world - second.position) @ second.rotation


def projected(points: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Return the pixels (..., 2), column and row, of points (..., 3) of the optical frame."""
    # points at or behind the camera have no pixel; their numbers only have to stay finite
    depth = np.maximum(points[..., 2:], _NEAREST_METRES)
    return (points[..., :2] / depth) * intrinsics[[0, 1], [0, 1]] + intrinsics[:2, 2]


def image_motion(
    depth: np.ndarray, intrinsics: np.ndarray, first: Pose, second: Pose
) -> np.ndarray:
    """
    Return by how many pixels (H, W, 2), right and down, still points move between two poses.

    ``depth`` (H, W) is the z-depth in metres from the first pose, ``intrinsics`` (3, 3) fit it.
    """
    points = rays(depth.shape, intrinsics) * depth[..., None]
    moved = seen_from(points, first, second)
    return projected(moved, intrinsics) - projected(points, intrinsics)


def median_motion(
    depth: np.ndarray, intrinsics: np.ndarray, first: Pose, second: Pose
) -> float:
    """Return the median over the image of how far still points move, in pixels."""
    moved = image_motion(depth, intrinsics, first, second)
    return float(np.median(np.linalg.norm(moved, axis=-1)))
