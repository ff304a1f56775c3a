"""
ROS messages from arrays, and arrays from ROS messages.

Each byte is copied at most once: messages are read through a view of their buffer and filled in
place, because the setter of ``Image.data`` checks every single byte on some releases.
"""

import sys

import numpy as np
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.messages.encodings import OUTPUT_ENCODINGS
from mtshare_ros.messages.image_messages import (
    check_map,
    cloud_layout,
    MAX_PIXELS,
    POINT_STEP,
    read_raw,
    write_cloud,
)


def image_to_rgb(message: Image, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Return the whole image as (H, W, 3) uint8 RGB; see ``read_raw``."""
    return read_raw(message, max_pixels).rgb()


def fill_image(message: Image, values: np.ndarray, encoding: str) -> None:
    """
    Write a map into a message, whose buffer is reused where its size fits.

    values is (H, W) or (H, W, C) as OUTPUT_ENCODINGS says; the header is left alone. A publisher
    has copied the message when ``publish`` returns, so one message can serve every frame.
    Raises FrameError where the array does not fit the encoding.
    """
    check_map(values, encoding)
    layout = OUTPUT_ENCODINGS[encoding]
    message.height, message.width = int(values.shape[0]), int(values.shape[1])
    message.encoding = encoding
    message.step = message.width * layout.channels * layout.dtype.itemsize
    message.is_bigendian = int(sys.byteorder == 'big')
    _fill_buffer(message, np.ascontiguousarray(values))


def _fill_buffer(message: Image, values: np.ndarray) -> None:
    source = values.reshape(-1).view(np.uint8)
    buffer = message.data
    if len(buffer) == source.nbytes:
        np.frombuffer(buffer, np.uint8)[:] = source
    else:
        del buffer[:]
        buffer.frombytes(source.data)


def pinhole_camera_info(
    matrix: np.ndarray, size: tuple[int, int], header: Header
) -> CameraInfo:
    """Return the calibration of an undistorted (height, width) image with a (3, 3) matrix."""
    height, width = size
    projection = np.hstack([matrix, np.zeros((3, 1))])
    return CameraInfo(
        header=header, height=height, width=width, distortion_model='plumb_bob', d=[0.0] * 5,
        k=np.ravel(matrix).tolist(), r=np.eye(3).ravel().tolist(),
        p=projection.ravel().tolist(),
    )


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
    # write_cloud writes little-endian on every machine; points without depth are not dense.
    message.is_bigendian = message.is_dense = False
    del message.data[:]
    message.data.frombytes(bytes(message.row_step * height))
