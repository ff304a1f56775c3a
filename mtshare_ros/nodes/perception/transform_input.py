"""The transforms of a robot, from /tf and /tf_static, as long as somebody asks for them."""

from importlib import import_module
import os
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription

from mtshare_ros.messages.transform_tree import TransformTree
from mtshare_ros.nodes import qos

MOVING_TOPIC, RESTING_TOPIC = '/tf', '/tf_static'


class TransformInput:
    """
    Fills a tree of transforms; the executor's thread calls ``follow`` and ``leave``.

    It reads the messages itself: of the transforms of a robot it needs the few that the camera
    hangs on, and the buffer of tf2_ros keeps and interpolates all of them.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._subscriptions: tuple[Subscription, ...] = ()
        self._followers: set[str] = set()
        self.tree = TransformTree()

    def follow(self, camera: str) -> None:
        """Listen for a camera from now on; nothing happens where tf2_msgs is not installed."""
        self._followers.add(camera)
        messages = _messages()
        if self._subscriptions or messages is None:
            return
        self._subscriptions = (
            self._node.create_subscription(
                messages.TFMessage, RESTING_TOPIC,
                lambda message: self.tree.add(message.transforms, resting=True),
                qos.transforms(resting=True)),
            self._node.create_subscription(
                messages.TFMessage, MOVING_TOPIC,
                lambda message: self.tree.add(message.transforms), qos.transforms()))

    def leave(self, camera: str) -> None:
        """Leave the topics, and forget what they told, when the last camera does."""
        self._followers.discard(camera)
        if self._followers:
            return
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions, self.tree = (), TransformTree()


def find_absence() -> str:
    """Return why no transform can be read, or an empty text."""
    if _messages() is not None:
        return ''
    distro = os.environ.get('ROS_DISTRO', '<distro>')
    return (f'the message package tf2_msgs is not installed; apt install ros-{distro}-tf2-msgs '
            f'brings it')


def _messages() -> Any:
    """Return the module of the messages, None where the package is not installed."""
    try:
        return import_module('tf2_msgs.msg')
    except ModuleNotFoundError:
        return None
