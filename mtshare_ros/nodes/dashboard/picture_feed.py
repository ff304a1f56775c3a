"""The images and masks that pages watch, as JPEG pictures and legends."""

from functools import partial
import io
from pathlib import Path
import re
import time
from typing import Any, Callable

import numpy as np
from PIL import Image as PillowImage
from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image

from mtshare_ros.errors import ConfigError, FrameError
from mtshare_ros.messages.image_messages import MAX_PIXELS, read_map
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.codec import image_to_rgb
from mtshare_ros.nodes.dashboard.channels import Channel, css_color
from mtshare_ros.nodes.dashboard.hub import Audience
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.perception.input_topics import TRANSPORTS
from mtshare_ros.nodes.rates import RateLimiter
from mtshare_ros.tasks import LabelSet, load_labels, read_labels


class ClassNames:
    """
    The label set of the legend: the chosen one, or that of the model once the node names it.

    ``chosen`` is a name in ``config/labels``, the path of a label file, or empty. Raises
    ConfigError where it does not exist.
    """

    def __init__(self, chosen: str, notices: Notices) -> None:
        self._notices = notices
        self._follows = not chosen
        self._name = ''
        self.labels: LabelSet | None = _load(chosen) if chosen else None

    def follow(self, name: str) -> None:
        """Use the set of this name where none was chosen; warn where it does not exist."""
        if not self._follows or name in ('', self._name):
            return
        self._name = name
        self.labels = None
        try:
            self.labels = load_labels(name)
        except ConfigError as error:
            self._notices.warn('labels', (
                f'the legend cannot name the classes of the model: {error}; set the parameter '
                f'labels of the dashboard to the label file it was trained with'
            ))


def _load(chosen: str) -> LabelSet:
    path = Path(chosen).expanduser()
    return read_labels(path) if path.is_file() else load_labels(chosen)


Decoder = Callable[[Any, int], np.ndarray]
"""Turns an image message into RGB, under a limit of pixels."""

LARGEST_SIDE = 640
"""Largest side of a picture in pixels: pages show it in a tile."""

_QUALITY = 85
_SMALLEST_SHARE = 0.005


def encode_picture(message: Any, decode: Decoder = image_to_rgb) -> bytes:
    """Return an image as JPEG; raise FrameError where it cannot be read."""
    picture = PillowImage.fromarray(decode(message, MAX_PIXELS))
    # Rounded up to a whole number, because Pillow averages whole blocks fastest.
    factor = -(-max(picture.size) // LARGEST_SIDE)
    if factor > 1:
        picture = picture.reduce(factor)
    buffer = io.BytesIO()
    # No chroma subsampling: it would blur the edges of tiles and classes.
    picture.save(buffer, 'JPEG', quality=_QUALITY, subsampling=0)
    return buffer.getvalue()


def list_classes(message: Image, labels: LabelSet) -> list[dict[str, Any]]:
    """
    Return the classes that cover a visible share of a mask, in the order of their ids.

    In that order each class keeps its place in the legend while the shares change.
    """
    mask = read_map(message)
    shares = np.bincount(mask.reshape(-1), minlength=256) / mask.size
    return [
        {'name': labels.names[number], 'color': css_color(labels.colors[number]),
         'percent': round(100 * float(shares[number]))}
        for number in range(len(labels)) if shares[number] >= _SMALLEST_SHARE
    ]


_LEGEND_HZ = 2.0
_TOPIC = re.compile(r'(/[A-Za-z_][A-Za-z0-9_]*)+')
_LONGEST_TOPIC = 240


class PictureFeed:
    """
    Turns the images on watched channels into pictures, at most ``max_rate`` of each in a second.

    A channel that no page watches has no subscription, so that the perception node need not
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
        """Subscribe to a camera's images on the topic that the perception node uses."""
        reported = topic, transport
        if self._inputs.get(camera) == reported or not _is_input(topic, transport):
            return
        self._inputs[camera] = reported
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
        # Until diagnostics tell the topic after remapping, it is taken for the usual one.
        topic, name = self._inputs.get(channel.camera, (channel.topic, 'raw'))
        transport = TRANSPORTS[name]
        draw = partial(self._draw, channel, decode=transport.rgb)
        return self._node.create_subscription(
            transport.message_type, topic, self._limited(topic, self._max_rate, draw),
            qos.sensor_input())

    def _limited(
        self, topic: str, max_rate: float, handle: Callable[[Any], None]
    ) -> Callable[[Any], None]:
        """Return a callback that handles messages up to a rate, and warns of unreadable ones."""
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
    """Tell whether topic and transport are valid: diagnostics may come from any node."""
    return (transport in TRANSPORTS and len(topic) <= _LONGEST_TOPIC
            and _TOPIC.fullmatch(topic) is not None)
