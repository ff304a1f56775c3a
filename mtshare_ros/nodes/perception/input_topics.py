"""The topics that images come on: names, transports, subscriptions and their QoS."""

from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from mtshare_ros.errors import ConfigError
from mtshare_ros.image_frame import Picture
from mtshare_ros.messages.camera_image import CameraImage
from mtshare_ros.messages.compressed import compressed_to_rgb, read_compressed, require_decoder
from mtshare_ros.messages.image_messages import read_raw
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.codec import image_to_rgb

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ModuleNotFoundError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks


Callback = Callable[[Any], None]

IMU_TOPIC = 'imu'


def name_for(camera: str, name: str) -> str:
    """Return the relative topic or service of a camera; a camera without a name changes none."""
    return f'{camera}/{name}' if camera else name


@dataclass(frozen=True)
class ImageTransport:
    """
    How images come: on which topic, in which message, and how they are decoded.

    ``decode(message, input_size, max_pixels)`` returns what a network of that size sees, and
    ``rgb(message, max_pixels)`` the whole image, (H, W, 3) uint8. ``require`` raises
    MissingExtraError where a library is missing. ``encoding`` names the field with the encoding.
    """

    topic: str
    message_type: type
    type_name: str
    encoding: str
    decode: Callable[[Any, tuple[int, int], int], np.ndarray | Picture]
    rgb: Callable[[Any, int], np.ndarray]
    require: Callable[[], None] = lambda: None

    def read(self, message: Any, input_size: tuple[int, int], max_pixels: int) -> CameraImage:
        """Return the image; raise FrameError for one that cannot be read."""
        picture = self.decode(message, input_size, max_pixels)
        return CameraImage(message.header, picture, getattr(message, self.encoding))


TRANSPORTS = {
    'raw': ImageTransport(
        'image', Image, 'sensor_msgs/msg/Image', 'encoding',
        lambda message, input_size, max_pixels: read_raw(message, max_pixels), image_to_rgb,
    ),
    'compressed': ImageTransport(
        'image/compressed', CompressedImage, 'sensor_msgs/msg/CompressedImage', 'format',
        read_compressed, compressed_to_rgb, require_decoder,
    ),
}
"""The transports by the value of the parameter ``image_transport``."""


def find_image_topic(node: Node, camera: str, transport: str) -> str:
    """
    Return the topic of a camera's images after remapping.

    Compressed images are expected below the topic that ``image`` is remapped to, as
    image_transport publishes them, unless they are remapped themselves.
    """
    name = name_for(camera, TRANSPORTS[transport].topic)
    topic = node.resolve_topic_name(name)
    if topic != node.resolve_topic_name(name, only_expand=True):
        return topic
    base, raw = TRANSPORTS['raw'].topic, name_for(camera, TRANSPORTS['raw'].topic)
    return node.resolve_topic_name(raw) + TRANSPORTS[transport].topic.removeprefix(base)


OVERRIDABLE = (
    QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)
"""The policies of a subscription that parameters can change."""

_PREFIX = 'qos_overrides.'
_VALUES = {
    'history': HistoryPolicy, 'reliability': ReliabilityPolicy, 'durability': DurabilityPolicy,
}
_USUAL = {
    'history': 'keep_last, keep_all', 'reliability': 'best_effort, reliable',
    'durability': 'volatile, transient_local', 'depth': 'an integer of at least 1',
}


def check_overrides(node: Node, inputs: Sequence[str]) -> list[str]:
    """
    Return which ``qos_overrides`` parameters have no effect; raise ConfigError for a bad value.

    ``inputs`` are the topics that the node subscribes to, before remapping.
    """
    # Private, because rclpy tells publicly only of parameters that are declared.
    given = {name: parameter.value for name, parameter in node._parameter_overrides.items()
             if name.startswith(_PREFIX)}
    topics = [node.resolve_topic_name(name) for name in inputs]
    known = {_name(topic, policy) for topic in topics for policy in _USUAL}
    problems = [problem for topic in topics for problem in _find_problems(topic, given)]
    if problems:
        raise ConfigError('; '.join(problems))
    return [
        f'{name} has no effect: this node knows {_PREFIX}<topic>.subscription.<policy> for the '
        f'topics {", ".join(topics)} and the policies {", ".join(_USUAL)}'
        for name in given if name not in known and not node.has_parameter(name)
    ]


def _find_problems(topic: str, given: Mapping[str, Any]) -> list[str]:
    found = {policy: given[_name(topic, policy)] for policy in _USUAL
             if _name(topic, policy) in given}
    problems = [
        f'{_name(topic, policy)} is {value!r}; allowed is {_USUAL[policy]}'
        for policy, value in found.items() if not _is_allowed(policy, value)
    ]
    latched = found.get('durability') == 'transient_local'
    if latched and found.get('reliability', 'best_effort') == 'best_effort':
        problems.append(
            f'{_name(topic, "durability")} is transient_local, which delivers nothing while '
            f'reliability is best_effort: set {_name(topic, "reliability")} to reliable as well')
    return problems


def _is_allowed(policy: str, value: Any) -> bool:
    if policy == 'depth':
        return type(value) is int and value >= 1
    return isinstance(value, str) and value.upper() in _VALUES[policy].__members__


def _name(topic: str, policy: str) -> str:
    return f'{_PREFIX}{topic}.subscription.{policy}'


def subscribe(node: Node, message_type: type, topic: str, callback: Callback) -> Subscription:
    """Subscribe to the newest message of a topic, as ``qos_overrides`` parameters say."""
    return node.create_subscription(
        message_type, topic, callback, qos.sensor_input(),
        qos_overriding_options=QoSOverridingOptions(OVERRIDABLE))


def subscribe_all(
    node: Node, message_type: type, topic: str, callback: Callback
) -> Subscription:
    """Subscribe to every message of a fast sensor, as ``qos_overrides`` parameters say."""
    return node.create_subscription(
        message_type, topic, callback, qos.every_sample(),
        qos_overriding_options=QoSOverridingOptions(OVERRIDABLE))


def subscribe_latched(
    node: Node, message_type: type, topic: str, callback: Callback
) -> Subscription:
    """
    Subscribe to publishers with transient local durability, also to what they sent before.

    Such a subscription gets nothing from volatile publishers, and that of ``subscribe`` gets
    nothing that was sent before: a topic that may have either kind of publisher needs both.
    """
    # With its default callbacks rclpy warns about every volatile publisher.
    silent = SubscriptionEventCallbacks(use_default_callbacks=False)
    return node.create_subscription(
        message_type, topic, callback, qos.latched_output(), event_callbacks=silent)
