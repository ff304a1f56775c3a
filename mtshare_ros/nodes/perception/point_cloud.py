"""Depth and colour of a frame as one organised point cloud message."""

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

from mtshare_ros.messages.point_cloud import cloud_layout, POINT_STEP, write_cloud
from mtshare_ros.pinhole import Pinhole


def fill_cloud(
    message: PointCloud2, depth: np.ndarray, image: np.ndarray, camera: Pinhole
) -> None:
    """
    Write the points of (H, W) float32 depth and (H, W, 3) uint8 RGB into a message.

    The cloud is organised like the maps, its points are NaN where the depth is. The buffer is
    reused where its size fits; the header is left alone.
    """
    height, width = depth.shape
    if (message.height, message.width) != (height, width):
        _lay_out(message, height, width)
    write_cloud(depth, image, camera, message.data)


def _lay_out(message: PointCloud2, height: int, width: int) -> None:
    message.height, message.width = height, width
    message.fields = [
        PointField(name=name, offset=offset, datatype=PointField.FLOAT32, count=1)
        for name, offset in cloud_layout()
    ]
    message.point_step, message.row_step = POINT_STEP, POINT_STEP * width
    message.is_bigendian = message.is_dense = False
    del message.data[:]
    message.data.frombytes(bytes(message.row_step * height))
