"""Subscriptions: to the newest message, to all, to what was published before the node came."""

from typing import Any, Callable

from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

from mtshare_ros.nodes import qos
from mtshare_ros.nodes.perception.qos_overrides import OVERRIDABLE

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ModuleNotFoundError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

Callback = Callable[[Any], None]


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
    Subscribe to what publishers with transient local durability sent before.

    Such a subscription meets no volatile publisher, as ``subscribe`` gets nothing sent before: a
    topic that may have either kind of publisher needs both.
    """
    # Without callbacks of its own rclpy warns of every volatile publisher.
    silent = SubscriptionEventCallbacks(use_default_callbacks=False)
    return node.create_subscription(
        message_type, topic, callback, qos.latched_output(), event_callbacks=silent)
