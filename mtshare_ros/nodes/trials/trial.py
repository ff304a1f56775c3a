"""The surroundings of a perception node for trials: a camera, a listener and an executor."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
import math
import time
from typing import Any, Callable, Iterable, Mapping, Sequence

from builtin_interfaces.msg import Time as TimeMessage
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.time import Time
from rclpy.timer import Timer
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from mtshare_ros.inference.map_outputs import offered_outputs
from mtshare_ros.messages.encodings import INPUT_ENCODINGS
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.codec import pinhole_camera_info
from mtshare_ros.nodes.trials.demo_monitor import NodeStatus, OUTPUT_TOPICS
from mtshare_ros.tasks import DEFAULT_TASKS

NANOSECONDS = 10**9

_STAMPS_KEPT = 1000
_BLOCK = 16


@dataclass(frozen=True)
class Look:
    """
    What the camera sends.

    ``stamp`` turns the current time into the stamp, both in nanoseconds. ``spoil`` and
    ``miscalibrate`` change the finished messages. With ``calibrated`` false no CameraInfo is sent.
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
    Publishes a fixed texture of which another part changes in each image.

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
        """Send images like this from now on."""
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
        header = Header(frame_id=look.frame_id, stamp=TimeMessage(
            sec=stamp // NANOSECONDS, nanosec=stamp % NANOSECONDS))
        if look.calibrated:
            self._camera_info.publish(self._calibration(header))
        self._number += 1
        image = _draw(look, self._number, header)
        look.spoil(image)
        # Before publishing, which is a part of the time that is measured.
        self.sent[stamp] = time.monotonic()
        self.sent.move_to_end(stamp)  # a stamp that came before keeps its old place otherwise
        while len(self.sent) > _STAMPS_KEPT:
            self.sent.popitem(last=False)
        self._image.publish(image)

    def _calibration(self, header: Header) -> CameraInfo:
        look = self._look
        focal = 0.8 * look.width
        matrix = np.array(
            [[focal, 0, (look.width - 1) / 2], [0, focal, (look.height - 1) / 2], [0, 0, 1]])
        info = pinhole_camera_info(matrix, (look.height, look.width), header)
        look.miscalibrate(info)
        return info


def _draw(look: Look, number: int, header: Header) -> Image:
    layout = INPUT_ENCODINGS[look.encoding]
    channels = layout.row_bytes(1)
    rows = layout.total_bytes(look.height, look.width) // layout.row_bytes(look.width)
    # A copy, because the texture is cached for the next image.
    pixels = _texture(rows, look.width, channels).copy()
    part = pixels[_some(look.height, number), _some(look.width, 3 * number)]
    np.subtract(255, part, out=part)
    image = Image(header=header, height=look.height, width=look.width, encoding=look.encoding,
                  step=layout.row_bytes(look.width))
    image.data.frombytes(memoryview(pixels).cast('B'))
    return image


def _some(length: int, number: int) -> slice:
    """Return a part of a side that differs in place and length for each number."""
    start = _BLOCK * number % length
    return slice(start, start + _BLOCK * (1 + number % 7))


@lru_cache(maxsize=32)
def _texture(height: int, width: int, channels: int) -> np.ndarray:
    """Return the fixed texture, (height, width, channels) uint8."""
    shape = -(-height // _BLOCK), -(-width // _BLOCK), channels
    blocks = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return blocks.repeat(_BLOCK, 0).repeat(_BLOCK, 1)[:height, :width].copy()


class TrialListener:
    """
    Subscribes to outputs of a perception node in the same namespace, and to its diagnostics.

    ``sent`` holds when each image was published, ``time.monotonic`` by stamp in nanoseconds.
    ``topics`` are those that the node has.
    """

    def __init__(self, node: Node, sent: Mapping[int, float], topics: Sequence[str]) -> None:
        self._node = node
        self._sent = sent
        self.topics = tuple(topics)
        self._subscriptions: dict[str, Subscription] = {}
        self._status_name = f'perception_node: {node.get_namespace().rstrip("/")}/perception_node'
        self.status = NodeStatus()
        self.lowest_age_ms = float('nan')
        self.strange_stamps = 0
        self.newest: dict[str, int] = {}
        self.ages_ms: dict[str, list[float]] = {}
        node.create_subscription(DiagnosticArray, '/diagnostics', self._read_diagnostics, 10)

    def listen(self, topics: Iterable[str] | None = None) -> None:
        """Subscribe to those topics, by default all, that are not subscribed to yet."""
        for topic in self.topics if topics is None else topics:
            if topic not in self._subscriptions:
                self._subscriptions[topic] = self._node.create_subscription(
                    OUTPUT_TOPICS[topic], topic, self._listener(topic), qos.image_output())

    def leave(self, topics: Iterable[str] | None = None) -> None:
        """Unsubscribe from topics, by default from all."""
        for topic in self.topics if topics is None else topics:
            if topic in self._subscriptions:
                self._node.destroy_subscription(self._subscriptions.pop(topic))

    def forget(self) -> None:
        """Forget the ages measured so far."""
        self.ages_ms = {}

    def arrivals(self) -> int:
        """Return how many outputs came since ``forget``."""
        return sum(map(len, self.ages_ms.values()))

    def has_heard(self, topics: Iterable[str], since_s: float) -> bool:
        """Return whether each topic had an output of an image sent after a ``time.monotonic``."""
        return all(
            self._sent.get(self.newest.get(topic, -1), -1.0) > since_s for topic in topics)

    def _listener(self, topic: str) -> Callable[[Any], None]:
        def listen(message: Any) -> None:
            stamp = Time.from_msg(message.header.stamp).nanoseconds
            self.newest[topic] = stamp
            if stamp in self._sent:
                age_ms = (time.monotonic() - self._sent[stamp]) * 1e3
                self.ages_ms.setdefault(topic, []).append(age_ms)
            else:
                self.strange_stamps += 1

        return listen

    def _read_diagnostics(self, message: DiagnosticArray) -> None:
        before, self.status = self.status, self.status.after(message, self._status_name)
        if self.status is not before:
            ages = [self.status.number(key) for key in self.status.values if 'age_ms' in key]
            known = filter(math.isfinite, (*ages, self.lowest_age_ms))
            self.lowest_age_ms = min(known, default=float('nan'))


_SPIN_LIMIT_S = 0.05


class Trial:
    """
    A context manager: the surroundings of a perception node in the same namespace.

    ``tasks`` are those of the node's model, ``relative`` tells whether its depth is relative; they
    determine which ``topics`` the node publishes. Signals are left to the command. ``tick`` is
    called at least twenty times a second while messages are handled; its exceptions end a wait.
    """

    def __init__(
        self, *, namespace: str, tasks: Iterable[str] = DEFAULT_TASKS, relative: bool = False,
        tick: Callable[[], None] = lambda: None, look: Look | None = None,
    ) -> None:
        self.topics = tuple(
            output.topic for output in offered_outputs(tasks, relative) if not output.latched)
        # rclpy handles signals for its default context only.
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node('trial', context=self._context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._tick = tick
        self.camera = TrialCamera(self.node, look or Look())
        self.listener = TrialListener(self.node, self.camera.sent, self.topics)

    def __enter__(self) -> 'Trial':
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(timeout_sec=2.0)
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def spin(self, seconds: float) -> None:
        """Handle messages for a while."""
        self.wait(lambda: False, seconds)

    def wait(self, condition: Callable[[], Any], limit_s: float) -> bool:
        """Handle messages until a condition holds; return whether it did in time."""
        deadline = time.monotonic() + limit_s
        while not condition():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            self._executor.spin_once(timeout_sec=min(left_s, _SPIN_LIMIT_S))
            self._tick()
        return True

    def wait_for_outputs(
        self, limit_s: float, topics: Iterable[str] | None = None
    ) -> float:
        """
        Wait until the topics, by default all, have an output of an image sent from now on.

        Returns how many seconds that took, NaN where it did not happen in time.
        """
        since_s = time.monotonic()
        topics = self.topics if topics is None else tuple(topics)
        came = self.wait(lambda: self.listener.has_heard(topics, since_s), limit_s)
        return time.monotonic() - since_s if came else float('nan')
