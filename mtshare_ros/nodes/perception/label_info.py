"""The names of the classes in the mask, kept on the graph for everybody who comes later."""

from importlib import import_module
import os
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.node import Node

from mtshare_ros.nodes import qos
from mtshare_ros.tasks import LabelSet


class LabelInfoPublisher:
    """Publishes the classes once, or says once that vision_msgs is not installed."""

    def __init__(self, node: Node, topic: str, labels: LabelSet) -> None:
        self._node = node
        self._publisher = None
        messages = _vision_messages()
        if messages is None:
            distro = os.environ.get('ROS_DISTRO', '<distro>')
            node.get_logger().warning(
                f'{topic} is not offered: the message package vision_msgs is not installed; '
                f'apt install ros-{distro}-vision-msgs brings it'
            )
            return
        self._publisher = node.create_publisher(messages.LabelInfo, topic, qos.latched_output())
        stamp = node.get_clock().now().to_msg()
        self._publisher.publish(make_label_info(messages, labels, stamp))

    def destroy(self) -> None:
        """Take the topic off the graph."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            self._node.destroy_publisher(publisher)


def make_label_info(messages: Any, labels: LabelSet, stamp: Time) -> Any:
    """Return a LabelInfo of the module ``vision_msgs.msg``; 255 stays the unlabelled class."""
    info = messages.LabelInfo(class_map=[
        messages.VisionClass(class_id=number, class_name=name)
        for number, name in enumerate(labels.names)
    ])
    info.header.stamp = stamp
    return info


def _vision_messages() -> Any:
    """Return the module of the messages, None where the package is not installed."""
    try:
        return import_module('vision_msgs.msg')
    except ModuleNotFoundError:
        return None
