"""A camera for trials of the perception node, whose images can be made wrong in any way."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
import time
from typing import Callable

from builtin_interfaces.msg import Time
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from mtshare_ros.messages.encodings import INPUT_ENCODINGS
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.camera_info import pinhole_camera_info

NANOSECONDS = 10**9

_STAMPS_KEPT = 1000
_BLOCK = 16


@dataclass(frozen=True)
class Look:
    """
    What the camera sends.

    ``stamp`` turns the present time into the stamp, both in nanoseconds. ``spoil`` and
    ``miscalibrate`` change the finished messages; with ``calibrated`` false no CameraInfo is sent.
    """

    height: int = 240
    width: int = 320
    encoding: str = 'rgb8'
    frame_id: str = 'camera_optical_frame'
    rate_hz: float = 15.0
    stamp: Callable[[int], int] = lambda now: now
    spoil: Callable[[Image], None] = lambda image: None
    miscalibrate: Callable[[CameraInfo], None] = lambda info: None
    calibrated: bool = True


class TrialCamera:
    """
    Publishes a still texture of which a part changes, each time another one, as ``look`` says.

    ``sent`` holds when the last images were published, ``time.monotonic`` by stamp in nanoseconds.
    """

    def __init__(self, node: Node, look: Look) -> None:
        self._node = node
        self._image = node.create_publisher(Image, 'image', qos.image_output())
        self._camera_info = node.create_publisher(CameraInfo, 'camera_info', qos.image_output())
        self._timer: Timer | None = None
        self._number = 0
        self.sent: OrderedDict[int, float] = OrderedDict()
        self.show(look)

    def show(self, look: Look) -> None:
        """Send such images from now on."""
        self.pause()
        self._look = look
        self._timer = self._node.create_timer(
            1 / look.rate_hz, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def pause(self) -> None:
        """Send nothing until ``show``."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None

    def _publish(self) -> None:
        look = self._look
        stamp = look.stamp(self._node.get_clock().now().nanoseconds)
        header = Header(frame_id=look.frame_id, stamp=Time(
            sec=stamp // NANOSECONDS, nanosec=stamp % NANOSECONDS))
        if look.calibrated:
            self._camera_info.publish(self._calibration(header))
        self._number += 1
        image = _draw(look, self._number, header)
        look.spoil(image)
        self._remember(stamp)
        self._image.publish(image)

    def _calibration(self, header: Header) -> CameraInfo:
        look = self._look
        focal = 0.8 * look.width
        matrix = np.array(
            [[focal, 0, (look.width - 1) / 2], [0, focal, (look.height - 1) / 2], [0, 0, 1]])
        info = pinhole_camera_info(matrix, (look.height, look.width), header)
        look.miscalibrate(info)
        return info

    def _remember(self, stamp: int) -> None:
        self.sent[stamp] = time.monotonic()
        self.sent.move_to_end(stamp)
        while len(self.sent) > _STAMPS_KEPT:
            self.sent.popitem(last=False)


def _draw(look: Look, number: int, header: Header) -> Image:
    layout = INPUT_ENCODINGS[look.encoding]
    channels = layout.row_bytes(1)
    rows = layout.total_bytes(look.height, look.width) // layout.row_bytes(look.width)
    pixels = _texture(rows, look.width, channels).copy()
    part = pixels[_some(look.height, number), _some(look.width, 3 * number)]
    np.subtract(255, part, out=part)
    image = Image(header=header, height=look.height, width=look.width, encoding=look.encoding,
                  step=layout.row_bytes(look.width))
    image.data.frombytes(memoryview(pixels).cast('B'))
    return image


def _some(length: int, number: int) -> slice:
    """Return a part of a side, in place and length another one for each number."""
    start = _BLOCK * number % length
    return slice(start, start + _BLOCK * (1 + number % 7))


@lru_cache(maxsize=32)
def _texture(height: int, width: int, channels: int) -> np.ndarray:
    """Return the still part of the images, (height, width, channels) uint8."""
    shape = -(-height // _BLOCK), -(-width // _BLOCK), channels
    blocks = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return blocks.repeat(_BLOCK, 0).repeat(_BLOCK, 1)[:height, :width].copy()
