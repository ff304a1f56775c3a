"""Subscriptions to what somebody watches, and to nothing else."""

from functools import partial
import re
import time
from typing import Any, Callable

from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image

from mtshare_ros.errors import FrameError
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.codec import image_to_rgb
from mtshare_ros.nodes.dashboard.audience import Audience
from mtshare_ros.nodes.dashboard.channels import Channel
from mtshare_ros.nodes.dashboard.class_names import ClassNames
from mtshare_ros.nodes.dashboard.pictures import Decoder, encode_picture, list_classes
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.perception.image_input import TRANSPORTS
from mtshare_ros.nodes.rate_limiter import RateLimiter

_LEGEND_HZ = 2.0
_TOPIC = re.compile(r'(/[A-Za-z_][A-Za-z0-9_]*)+')
_LONGEST_TOPIC = 240


class PictureFeed:
    """
    Turns the images on watched channels into pictures, at most ``max_rate`` of each in a second.

    A channel that nobody watches has no subscription, so that the perception node need not
    compute it.
    """

    def __init__(
        self, node: Node, class_names: ClassNames, max_rate: float, audience: Audience
    ) -> None:
        self._node = node
        self._notices = Notices(node.get_logger())
        self._class_names = class_names
        self._max_rate = max_rate
        self._audience = audience
        self._inputs: dict[str, tuple[str, str]] = {}
        self._subscriptions: dict[Channel, list[Subscription]] = {}

    def watch(self, channels: frozenset[Channel]) -> None:
        """Subscribe to these channels from now on, and to no others."""
        for channel in self._subscriptions.keys() - channels:
            self._leave(channel)
        for channel in channels - self._subscriptions.keys():
            self._subscriptions[channel] = self._subscribe(channel)

    def follow(self, camera: str, topic: str, transport: str) -> None:
        """Take a camera's images from where the perception node says that it takes them."""
        told = topic, transport
        if self._inputs.get(camera) == told or not _is_input(topic, transport):
            return
        self._inputs[camera] = told
        watched = [channel for channel in self._subscriptions
                   if channel.view.camera and channel.camera == camera]
        for channel in watched:
            self._leave(channel)
            self._subscriptions[channel] = self._subscribe(channel)

    def _leave(self, channel: Channel) -> None:
        for subscription in self._subscriptions.pop(channel):
            self._node.destroy_subscription(subscription)

    def _subscribe(self, channel: Channel) -> list[Subscription]:
        if channel.view.camera:
            return [self._subscribe_to_camera(channel)]
        found = [self._node.create_subscription(
            Image, channel.topic,
            self._limited(channel.topic, self._max_rate, partial(self._draw, channel)),
            qos.image_output())]
        if channel.mask_topic:
            found.append(self._node.create_subscription(
                Image, channel.mask_topic,
                self._limited(channel.mask_topic, _LEGEND_HZ, partial(self._name, channel)),
                qos.image_output()))
        return found

    def _subscribe_to_camera(self, channel: Channel) -> Subscription:
        topic, name = self._inputs.get(channel.camera, (channel.topic, 'raw'))
        transport = TRANSPORTS[name]
        draw = partial(self._draw, channel, decode=transport.rgb)
        return self._node.create_subscription(
            transport.message_type, topic, self._limited(topic, self._max_rate, draw),
            qos.sensor_input())

    def _limited(
        self, topic: str, max_rate: float, handle: Callable[[Any], None]
    ) -> Callable[[Any], None]:
        """Return a callback that handles so many messages a second, and survives a bad one."""
        limiter = RateLimiter()

        def receive(message: Any) -> None:
            if not limiter.allows(time.monotonic(), max_rate):
                return
            try:
                handle(message)
            except FrameError as error:
                self._notices.warn(topic, f'cannot show {topic}: {error}')

        return receive

    def _draw(self, channel: Channel, message: Any, *, decode: Decoder = image_to_rgb) -> None:
        self._audience.show(channel.number, encode_picture(message, decode))

    def _name(self, channel: Channel, message: Image) -> None:
        labels = self._class_names.labels
        if labels is not None:
            self._audience.tell_legend(channel.number, list_classes(message, labels))


def _is_input(topic: str, transport: str) -> bool:
    """Tell whether a camera can be followed there: what comes over the graph can be anything."""
    return (transport in TRANSPORTS and len(topic) <= _LONGEST_TOPIC
            and _TOPIC.fullmatch(topic) is not None)
