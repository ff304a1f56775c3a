"""Depth and colour of a frame as the bytes of one organised point cloud."""

from typing import Any

import numpy as np

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.geometry import write_points

POINT_STEP = 16
"""Bytes of a point: x, y, z, rgb without padding, half of what PCL keeps in memory."""

_COLOR_OFFSET = 12


def cloud_layout() -> list[tuple[str, int]]:
    """Return the fields of a point, float32 all, with their offsets in bytes."""
    return [(name, 4 * number) for number, name in enumerate(('x', 'y', 'z', 'rgb'))]


def write_cloud(depth: np.ndarray, image: np.ndarray, camera: Pinhole, data: Any) -> None:
    """
    Write the points of (H, W) float32 depth and (H, W, 3) uint8 RGB into a buffer.

    It has POINT_STEP bytes a point, row by row; points are NaN where the depth is.
    """
    height, width = depth.shape
    values = np.frombuffer(data, '<f4').reshape(height, width, -1)
    write_points(depth, camera, values[..., :3])
    parts = np.frombuffer(data, np.uint8).reshape(height, width, -1)
    # 0x00rrggbb, so blue comes first; a highest byte of 255 would make the float a NaN.
    # One copy for each channel takes a quarter of the time of one for all three.
    for channel in range(3):
        parts[..., _COLOR_OFFSET + 2 - channel] = image[..., channel]
