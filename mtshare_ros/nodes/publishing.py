"""Publishing the outputs of a frame, and knowing which of them anybody wants."""

from typing import Sequence

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from mtshare_ros.nodes import qos
from mtshare_ros.nodes.codec import fill_image
from mtshare_ros.nodes.outputs import OutputSpec


class OutputPublishers:
    """
    One publisher and one reused message for each output.

    Only one thread may publish at a time.
    """

    def __init__(self, node: LifecycleNode, outputs: Sequence[OutputSpec]) -> None:
        self._node = node
        self._outputs = tuple(outputs)
        self._publishers = {
            output.topic: node.create_lifecycle_publisher(
                Image if output.draw else CameraInfo, output.topic, qos.image_output(),
            )
            for output in outputs
        }
        self._messages = {output.topic: Image() for output in outputs if output.draw}

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

    def destroy(self) -> None:
        """Take the topics off the graph."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()
