"""One rendered frame with its ground truth."""

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
