"""Subscriptions to what somebody watches, and to nothing else."""

import time
from typing import Callable

from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image

from mtshare_ros.errors import FrameError
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.dashboard.audience import Audience
from mtshare_ros.nodes.dashboard.channels import Channel
from mtshare_ros.nodes.dashboard.class_names import ClassNames
from mtshare_ros.nodes.dashboard.pictures import encode_picture, list_classes
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.rate_limiter import RateLimiter

_LEGEND_HZ = 2.0


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
        self._subscriptions: dict[Channel, list[Subscription]] = {}

    def watch(self, channels: frozenset[Channel]) -> None:
        """Subscribe to these channels from now on, and to no others."""
        for channel in self._subscriptions.keys() - channels:
            for subscription in self._subscriptions.pop(channel):
                self._node.destroy_subscription(subscription)
        for channel in channels - self._subscriptions.keys():
            self._subscriptions[channel] = self._subscribe(channel)

    def _subscribe(self, channel: Channel) -> list[Subscription]:
        profile = qos.sensor_input() if channel.view.camera else qos.image_output()
        found = [self._node.create_subscription(
            Image, channel.topic, self._limited(channel, self._max_rate, self._draw), profile)]
        if channel.mask_topic:
            found.append(self._node.create_subscription(
                Image, channel.mask_topic, self._limited(channel, _LEGEND_HZ, self._name),
                qos.image_output()))
        return found

    def _limited(
        self, channel: Channel, max_rate: float, handle: Callable[[Channel, Image], None]
    ) -> Callable[[Image], None]:
        """Return a callback that handles so many messages a second, and survives a bad one."""
        limiter = RateLimiter()

        def receive(message: Image) -> None:
            if not limiter.allows(time.monotonic(), max_rate):
                return
            try:
                handle(channel, message)
            except FrameError as error:
                self._notices.warn(channel.topic, f'cannot show {channel.topic}: {error}')

        return receive

    def _draw(self, channel: Channel, message: Image) -> None:
        self._audience.show(channel.number, encode_picture(message))

    def _name(self, channel: Channel, message: Image) -> None:
        labels = self._class_names.labels
        if labels is not None:
            self._audience.tell_legend(channel.number, list_classes(message, labels))
