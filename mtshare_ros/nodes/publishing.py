"""Publishing the outputs of a frame, and knowing which of them anybody wants."""

from typing import Sequence

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from mtshare_ros.inference.geometry import Pinhole
from mtshare_ros.labels import LabelSet
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.camera_names import name_for
from mtshare_ros.nodes.codec import fill_image
from mtshare_ros.nodes.label_info import LabelInfoPublisher
from mtshare_ros.nodes.outputs import OutputSpec
from mtshare_ros.nodes.point_cloud import fill_cloud

MESSAGE_TYPES = {'Image': Image, 'CameraInfo': CameraInfo, 'PointCloud2': PointCloud2}
"""The types of the messages that come with every frame, by the name in ``OutputSpec.message``."""


class OutputPublishers:
    """
    One publisher and one reused message for each output of a camera.

    ``camera`` stands before the topics where it is not empty. With ``labels`` the names of the
    classes are published at once. Only one thread may publish at a time.
    """

    def __init__(
        self, node: LifecycleNode, outputs: Sequence[OutputSpec], camera: str = '',
        labels: LabelSet | None = None,
    ) -> None:
        self._node = node
        self._outputs = tuple(output for output in outputs if not output.latched)
        self._publishers = {
            output.topic: node.create_lifecycle_publisher(
                MESSAGE_TYPES[output.message], name_for(camera, output.topic), qos.image_output(),
            )
            for output in self._outputs
        }
        self._messages = {
            output.topic: MESSAGE_TYPES[output.message]() for output in self._outputs
        }
        self._latched = [
            LabelInfoPublisher(node, name_for(camera, output.topic), labels)
            for output in outputs if output.latched and labels is not None
        ]

    def wanted(self, enabled: Sequence[OutputSpec], lazy: bool) -> tuple[OutputSpec, ...]:
        """Return the enabled outputs to compute: those with subscribers, or all if not lazy."""
        mine = (output for output in enabled if output in self._outputs)
        if not lazy:
            return tuple(mine)
        return tuple(
            output for output in mine
            if self._publishers[output.topic].get_subscription_count() > 0
        )

    def topic_names(self, outputs: Sequence[OutputSpec]) -> list[str]:
        """Return the resolved topics of some outputs."""
        return [self._publishers[output.topic].topic_name for output in outputs]

    def publish_map(self, output: OutputSpec, values: np.ndarray, header: Header) -> None:
        """Publish a map with the header of its camera image."""
        message = self._messages[output.topic]
        message.header = header
        fill_image(message, values, output.encoding)
        self._publishers[output.topic].publish(message)

    def publish_calibration(self, output: OutputSpec, info: CameraInfo) -> None:
        """Publish the calibration of the maps."""
        self._publishers[output.topic].publish(info)

    def publish_points(
        self, output: OutputSpec, depth: np.ndarray, image: np.ndarray, camera: Pinhole,
        header: Header,
    ) -> None:
        """Publish the points of (H, W) depth with the colours of (H, W, 3) RGB."""
        message = self._messages[output.topic]
        message.header = header
        fill_cloud(message, depth, image, camera)
        self._publishers[output.topic].publish(message)

    def destroy(self) -> None:
        """Take the topics off the graph."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()
        for latched in self._latched:
            latched.destroy()
