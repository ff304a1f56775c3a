"""Making the calibration message of a camera without distortion."""

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header


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
