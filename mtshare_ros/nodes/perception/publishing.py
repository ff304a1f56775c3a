"""Publishing the outputs of a frame, and knowing which of them anybody wants."""

from typing import Any, Sequence

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from mtshare_ros.inference.map_outputs import present
from mtshare_ros.messages.camera_info import pinhole_of
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.codec import fill_cloud, fill_image
from mtshare_ros.nodes.perception.camera_names import name_for
from mtshare_ros.nodes.perception.label_info import LabelInfoPublisher
from mtshare_ros.nodes.perception.outputs import Frame, OutputSpec
from mtshare_ros.tasks import LabelSet

MESSAGE_TYPES = {'Image': Image, 'CameraInfo': CameraInfo, 'PointCloud2': PointCloud2}
"""The types of the messages that come with every frame, by the name in ``OutputSpec.message``."""


class OutputPublishers:
    """
    One publisher and one reused message for each output of a camera.

    ``camera`` stands before the topics where it is not empty. With ``labels`` the names of the
    classes are published at once. The inference thread draws and publishes; the executor's asks
    for subscribers.
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
        return tuple(
            output for output in enabled
            if output in self._outputs and (not lazy or self.has_subscriber(output))
        )

    def has_subscriber(self, output: OutputSpec) -> bool:
        """Return whether anybody listens to an output."""
        return self._publishers[output.topic].get_subscription_count() > 0

    def topic_name(self, output: OutputSpec) -> str:
        """Return the resolved topic of an output."""
        return self._publishers[output.topic].topic_name

    def draw(self, output: OutputSpec, frame: Frame) -> Any:
        """Return the message of an output; drawing the next frame overwrites it."""
        message = self._messages[output.topic]
        message.header = frame.header
        if output.draw is not None:
            fill_image(message, output.draw(frame.prediction, frame.look), output.encoding)
        elif output.message == 'PointCloud2':
            depth, image = present(frame.prediction.depth), present(frame.prediction.image)
            fill_cloud(message, depth, image, pinhole_of(frame.calibration.info))
        else:
            return frame.calibration.info
        return message

    def publish(self, output: OutputSpec, message: Any) -> None:
        """Publish the message of an output."""
        self._publishers[output.topic].publish(message)

    def destroy(self) -> None:
        """Take the topics off the graph."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()
        for latched in self._latched:
            latched.destroy()
