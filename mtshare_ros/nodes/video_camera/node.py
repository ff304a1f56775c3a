"""The video camera: images of a video file, a folder, a webcam or a stream, as a driver's."""

import math
from pathlib import Path
import sys
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
import yaml

from mtshare_ros.errors import ConfigError
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.codec import fill_image, pinhole_camera_info
from mtshare_ros.nodes.parameters import ParameterServer
from mtshare_ros.nodes.spin import run_node
from mtshare_ros.nodes.video_camera.parameter_table import (
    VIDEO_CAMERA_PARAMETERS,
    video_camera_settings,
)
from mtshare_ros.nodes.video_camera.player import PlayedFrame, VideoPlayer

_FILE = 'file://'
_MATRICES = {'camera_matrix': 9, 'rectification_matrix': 9, 'projection_matrix': 12}
"""The matrices that the file must hold, and how many numbers they have."""


def read_calibration(url: str) -> CameraInfo:
    """
    Return the calibration of a YAML file as camera_calibration and camera_info_manager write it.

    ``url`` is a path or file:///path. Raises ConfigError, which says what is wrong with the file.
    """
    if '://' in url and not url.startswith(_FILE):
        raise ConfigError(f'camera_info_url is {url!r}; allowed is the path of a file, or one '
                          f'after {_FILE}')
    path = Path(url.removeprefix(_FILE)).expanduser()
    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8'))
        return _calibration(values)
    except OSError as error:
        raise ConfigError(f'camera_info_url: {path} cannot be read: {error.strerror}') from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f'camera_info_url: {path} is not a YAML file: {error}') from error
    except ConfigError as error:
        raise ConfigError(f'camera_info_url: {path}: {error}; camera_calibration writes such '
                          f'files') from error


def calibration_of_view(degrees: float, size: tuple[int, int]) -> CameraInfo:
    """Return the calibration of a (height, width) image with this horizontal field of view."""
    height, width = size
    focal = width / 2 / math.tan(math.radians(degrees) / 2)
    # The first pixel is at 0, so the middle of n pixels is at (n - 1) / 2.
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return pinhole_camera_info(matrix, size, Header())


def _calibration(values: Any) -> CameraInfo:
    if not isinstance(values, dict):
        raise ConfigError('holds no names with values')
    camera, rectification, projection = (
        _numbers(values, name, count) for name, count in _MATRICES.items())
    if min(camera[0], camera[4]) <= 0:
        raise ConfigError(f'camera_matrix has the focal lengths {camera[0]:g} and {camera[4]:g}, '
                          f'which have to be above 0')
    return CameraInfo(
        width=_side(values, 'image_width'), height=_side(values, 'image_height'),
        distortion_model=str(values.get('distortion_model', 'plumb_bob')),
        d=_numbers(values, 'distortion_coefficients'), k=camera, r=rectification, p=projection)


def _side(values: dict[str, Any], name: str) -> int:
    found = values.get(name)
    if type(found) is not int or not 0 < found < 2 ** 31:
        raise ConfigError(f'{name} is {found!r}; it has to be a number of pixels')
    return found


def _numbers(values: dict[str, Any], name: str, count: int | None = None) -> list[float]:
    entry = values.get(name)
    found = entry.get('data') if isinstance(entry, dict) else None
    if not isinstance(found, list) or count not in (None, len(found)) or not all(
            map(_is_number, found)):
        wanted = 'numbers' if count is None else f'{count} numbers'
        raise ConfigError(f'{name} has no data of {wanted}')
    return [float(number) for number in found]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


class VideoCameraNode(Node):
    """
    Publishes each frame when it is due, stamped with that time; a late one is left out.

    ``camera_info`` is published where a parameter says what the camera is, and never made up.
    """

    def __init__(self) -> None:
        super().__init__('video_camera_node')
        self._player: VideoPlayer | None = None
        _accept_number(self, 'video')
        parameters = ParameterServer(self, VIDEO_CAMERA_PARAMETERS, video_camera_settings)
        parameters.require_valid()
        self._settings = parameters.settings
        if not self._settings.video:
            raise ConfigError(
                'parameter video is empty: set it to a video file, a folder of images, the number '
                'of a camera, or the address of a stream, such as -p video:=walk.mp4')
        url = self._settings.camera_info_url
        self._calibration = read_calibration(url) if url else None
        self._message = Image()
        self._image = self.create_publisher(Image, 'image', qos.image_output())
        self._camera_info = self.create_publisher(
            CameraInfo, 'camera_info', qos.image_output()) if self._is_calibrated else None
        self._news = self.create_guard_condition(self._publish_news)
        self._size: tuple[int, int] | None = None
        self._player = VideoPlayer(self._settings, self)

    def destroy_node(self) -> None:
        """End the reading thread first."""
        if self._player is not None:
            self._player.close()
        super().destroy_node()

    def stamp(self) -> Any:
        """Return the stamp of now."""
        return self.get_clock().now().to_msg()

    def wake(self) -> None:
        """Have the executor look for a frame; from any thread."""
        try:
            self._news.trigger()
        except Exception:  # noqa: B902 - shutting down takes the context away
            if self.context.ok():
                raise

    def warn(self, text: str) -> None:
        """Log trouble."""
        self.get_logger().warning(text)

    def tell(self, text: str) -> None:
        """Log what is going on."""
        self.get_logger().info(text)

    @property
    def _is_calibrated(self) -> bool:
        return bool(self._settings.camera_info_url or self._settings.field_of_view)

    def _publish_news(self) -> None:
        if self._player is None:
            return
        # Before the last frame is taken: read afterwards, it could be true of an unseen frame.
        ended = self._player.ended
        while (frame := self._player.take()) is not None:
            self._publish(frame, self._player.name)
        if ended:
            self.tell(f'{self._player.name} is at its end')
            self.context.try_shutdown()

    def _publish(self, frame: PlayedFrame, name: str) -> None:
        size = frame.image.shape[0], frame.image.shape[1]
        if size != self._size:
            self._introduce(name, size)
        header = Header(stamp=frame.stamp, frame_id=self._settings.frame_id)
        if self._camera_info is not None and self._calibration is not None:
            self._calibration.header = header
            self._camera_info.publish(self._calibration)
        self._message.header = header
        fill_image(self._message, frame.image, 'rgb8')
        self._image.publish(self._message)

    def _introduce(self, name: str, size: tuple[int, int]) -> None:
        """Log what is published, and find the calibration of images of a (height, width)."""
        self._size = size
        settings = self._settings
        self.tell(f'publishing {name}, {size[0]}x{size[1]} (height x width)')
        if settings.field_of_view:
            self._calibration = calibration_of_view(settings.field_of_view, size)
        known = self._calibration
        if known is not None and (known.height, known.width) != size:
            self.warn(f'{settings.camera_info_url} is for {known.height}x{known.width}, the '
                      f'images have {size[0]}x{size[1]} (height x width); camera_info is '
                      f'published unchanged')


def _accept_number(node: Node, name: str) -> None:
    """Accept the number of a camera, which ROS takes for an integer, as a string."""
    # Private, because the value has to change before the parameter is declared.
    given = node._parameter_overrides.get(name)
    if given is not None and type(given.value) is int:
        node._parameter_overrides[name] = Parameter(name, value=str(given.value))


def main() -> int:
    """Run the video camera until its end, SIGINT or SIGTERM; return the exit code."""
    return run_node(VideoCameraNode)


if __name__ == '__main__':
    sys.exit(main())
