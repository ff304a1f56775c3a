"""The outputs of a frame: which are wanted, what to compute for them, and publishing them."""

from dataclasses import dataclass, replace
import threading
from typing import Any, Iterable, Sequence

from builtin_interfaces.msg import Time
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from mtshare_ros.inference.map_outputs import MapColors, offered_outputs, OutputSpec, present
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.messages.camera_info import (
    CameraInfoMatch,
    find_lens_doubt,
    find_lens_fault,
    pinhole_of,
)
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.codec import fill_cloud, fill_image
from mtshare_ros.nodes.node_environment import absence_of, optional_messages
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.perception.engine_parameters import NONE
from mtshare_ros.nodes.perception.input_topics import name_for
from mtshare_ros.nodes.perception.parameter_table import RuntimeSettings
from mtshare_ros.tasks import get_task, LabelSet


@dataclass(frozen=True)
class Frame:
    """
    What the outputs of one camera image are drawn from.

    ``header`` is that of the image, ``calibration`` that of the maps, ``colors`` how they are
    coloured.
    """

    header: Any
    prediction: Prediction
    calibration: CameraInfoMatch
    colors: MapColors


def enabled_outputs(
    settings: RuntimeSettings, available: Iterable[str], relative: bool = False
) -> tuple[OutputSpec, ...]:
    """Return the outputs of a frame that are switched on, of the task ids that the model has."""
    tasks = settings.enabled.intersection(available)
    offered = offered_outputs(tasks, relative) if tasks else ()
    return tuple(output for output in offered if not output.latched)


def settings_to_infer(
    outputs: Iterable[OutputSpec], settings: RuntimeSettings, available: Iterable[str]
) -> InferenceSettings:
    """Return what to compute for outputs; without tasks where none of them is inferred."""
    shown = [output.task for output in outputs if output.inferred]
    asked = InferenceSettings.to_show(
        shown, settings.enabled.intersection(available), settings.sharing)
    moving = settings.motion.source != NONE and 'depth' in available
    # maps are moved with the camera along the surfaces that depth shows
    tasks = {*asked.tasks, 'depth'} if moving and asked.tasks else asked.tasks
    return replace(asked, tasks=tuple(tasks), motion=settings.motion.settings)


MESSAGE_TYPES = {'Image': Image, 'CameraInfo': CameraInfo, 'PointCloud2': PointCloud2}
"""The types of the messages that come with every frame, by the name in ``OutputSpec.message``."""


class OutputPublishers:
    """
    One publisher and one reused message for each output of a camera.

    ``camera`` precedes the topics where it is not empty. With ``labels`` the names of the
    classes are published at once. The executor's thread calls ``wanted`` and ``has_subscriber``,
    the thread that computed a frame ``draw`` and ``publish``.
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
        """Return whether an output has a subscriber."""
        return self._publishers[output.topic].get_subscription_count() > 0

    def topic_name(self, output: OutputSpec) -> str:
        """Return the resolved topic of an output."""
        return self._publishers[output.topic].topic_name

    def draw(self, output: OutputSpec, frame: Frame) -> Any:
        """Return the message of an output; drawing the next frame overwrites it."""
        message = self._messages[output.topic]
        message.header = frame.header
        if output.is_map:
            fill_image(message, output.draw(frame.prediction, frame.colors), output.encoding)
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
        """Remove the topics from the graph."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()
        for latched in self._latched:
            latched.destroy()


class FramePublisher:
    """
    Publishes the frames of one camera in the order in which their images came.

    A frame whose image came before that of the last published one is left out. Two threads may
    publish; because the messages are reused, only one frame at a time is drawn.
    """

    def __init__(self, publishers: OutputPublishers, notices: Notices) -> None:
        self._publishers = publishers
        self._notices = notices
        self._lock = threading.Lock()
        self._newest_s = float('-inf')
        self.withheld: dict[OutputSpec, str] = {}
        """Why outputs of the last frame were not published; the executor's thread reads it."""

    def publish(
        self, frame: Frame, outputs: Sequence[OutputSpec], arrived_s: float
    ) -> bool:
        """
        Publish the outputs that a frame has and that its calibration allows.

        ``arrived_s`` is when its image came. Returns False for a frame that came too late.
        """
        if arrived_s <= self._newest_s:
            return False  # without waiting until the newer frame is published
        with self._lock:
            # The other thread may have published a newer frame while this one waited.
            if arrived_s <= self._newest_s:
                return False
            self._newest_s = arrived_s
            shown = tuple(output for output in outputs if _has_map(frame, output))
            for output in self._allowed(shown, frame.calibration):
                self._publishers.publish(output, self._publishers.draw(output, frame))
        return True

    def _allowed(
        self, outputs: Sequence[OutputSpec], calibration: CameraInfoMatch
    ) -> list[OutputSpec]:
        """Return the outputs that a calibration allows; log once why others are withheld."""
        reasons = {output: why_withheld(output, calibration) for output in outputs}
        for output, reason in reasons.items():
            notice = f'{self._publishers.topic_name(output)} is withheld: {reason}'
            self._notices.state(output.topic, notice if reason else '')
            if output.message == 'PointCloud2' and not reason:
                self._notices.state('lens', find_lens_doubt(calibration.info))
        self.withheld = {output: reason for output, reason in reasons.items() if reason}
        return [output for output in outputs if output not in self.withheld]


def why_withheld(output: OutputSpec, calibration: CameraInfoMatch) -> str:
    """Return why an output cannot be published with a frame's calibration, or an empty text."""
    if output.message not in ('CameraInfo', 'PointCloud2'):
        return ''
    if calibration.info is None:
        return calibration.reason
    return find_lens_fault(calibration.info) if output.message == 'PointCloud2' else ''


def _has_map(frame: Frame, output: OutputSpec) -> bool:
    """Tell whether a frame has the map of an output: carried frames may lack a new one."""
    if not output.inferred:
        return True
    if output.activity:
        return bool(frame.prediction.stats.activity)
    name = 'disparity' if output.relative else get_task(output.task).map
    found = frame.prediction.maps
    return name in found or output.topic == 'depth/color' and 'disparity' in found


class LabelInfoPublisher:
    """Publishes the names of the classes once; logs a warning where vision_msgs is missing."""

    def __init__(self, node: Node, topic: str, labels: LabelSet) -> None:
        self._node = node
        self._publisher = None
        messages = optional_messages('vision_msgs')
        if messages is None:
            node.get_logger().warning(f'{topic} is not offered: {absence_of("vision_msgs")}')
            return
        # Not a lifecycle publisher, which sends nothing before the node is active.
        self._publisher = node.create_publisher(messages.LabelInfo, topic, qos.latched_output())
        stamp = node.get_clock().now().to_msg()
        self._publisher.publish(make_label_info(messages, labels, stamp))

    def destroy(self) -> None:
        """Remove the topic from the graph."""
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
