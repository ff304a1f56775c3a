"""Camera messages and profiles for the node tests."""

import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from mtshare_ros.nodes.codec import pinhole_camera_info


def profile(reliable, depth=1):
    reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(depth=depth, reliability=reliability)


def camera_image(height=96, width=128, encoding='rgb8', channels=3, frame_id='camera', seed=0):
    """Return an image of noise."""
    message = Image(height=height, width=width, encoding=encoding, step=width * channels)
    message.header.frame_id = frame_id
    pixels = np.random.default_rng(seed).integers(0, 256, height * width * channels, np.uint8)
    message.data.frombytes(pixels.tobytes())
    return message


def camera_calibration(height=96, width=128, focal=110.0):
    """Return a calibration whose principal point is the centre."""
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return pinhole_camera_info(matrix, (height, width), CameraInfo().header)


def stamped(message, stamp):
    message.header.stamp = stamp
    return message


def stamp_key(message):
    return message.header.stamp.sec, message.header.stamp.nanosec
