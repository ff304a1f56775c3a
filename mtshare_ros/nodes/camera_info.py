"""The camera's calibration, matched to frames and scaled to the maps."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from mtshare_ros.model.framing import Framing


@dataclass(frozen=True)
class CameraInfoMatch:
    """The calibration that belongs to a frame, or the reason why there is none."""

    info: CameraInfo | None
    reason: str = ''


class CameraInfoBuffer:
    """The last few calibrations received; never waited for."""

    def __init__(self, size: int = 8) -> None:
        self._infos: deque[CameraInfo] = deque(maxlen=size)

    def add(self, info: CameraInfo) -> None:
        """Keep one message, forgetting the oldest."""
        self._infos.append(info)

    def clear(self) -> None:
        """Forget all messages."""
        self._infos.clear()

    def match(self, header: Header, size: tuple[int, int]) -> CameraInfoMatch:
        """
        Return the calibration with the frame's stamp, otherwise the newest one.

        size is the image's (height, width); a calibration of another size, or without a focal
        length, is withheld with the reason.
        """
        infos = list(self._infos)
        if not infos:
            return CameraInfoMatch(None, 'no camera_info was received')
        info = next((info for info in infos if info.header.stamp == header.stamp), infos[-1])
        if (info.height, info.width) != size:
            return CameraInfoMatch(None, (
                f'camera_info is for {info.width}x{info.height} pixels, the image has '
                f'{size[1]}x{size[0]}'
            ))
        if not (info.k[0] > 0 and info.k[4] > 0):
            return CameraInfoMatch(None, (
                'camera_info holds no focal length (K is zero): the camera is not calibrated'
            ))
        return CameraInfoMatch(info)


def scale_camera_info(info: CameraInfo, framing: Framing, header: Header) -> CameraInfo:
    """
    Return the calibration of the maps of one frame.

    K and P follow the scaling and cropping of ``framing``; distortion coefficients act on
    normalised coordinates and stay as they are.
    """
    height, width = framing.input_size
    intrinsics = framing.scale_intrinsics(np.reshape(info.k, (3, 3)))
    projection = np.reshape(info.p, (3, 4))
    if projection[0, 0] > 0:
        projection = framing.scale_intrinsics(projection)
    return CameraInfo(
        header=header, height=height, width=width, distortion_model=info.distortion_model,
        d=info.d, k=intrinsics.ravel().tolist(), r=info.r, p=projection.ravel().tolist(),
    )


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
