"""One camera while the node is active: its subscriptions, its thread, its watch."""

from dataclasses import dataclass
import time
from typing import Any, Callable

from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image

from mtshare_ros.errors import FrameError
from mtshare_ros.inference.engine import Engine
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.camera_info import CameraInfoBuffer
from mtshare_ros.nodes.continuity import Continuity
from mtshare_ros.nodes.frame_statistics import FrameStatistics
from mtshare_ros.nodes.health import InputChange, InputWatch
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.outputs import enabled_outputs, OutputSpec
from mtshare_ros.nodes.parameter_server import ParameterServer
from mtshare_ros.nodes.perception_parameters import (
    runtime_settings,
    RuntimeSettings,
    start_settings,
)
from mtshare_ros.nodes.pipeline import Job, Pipeline
from mtshare_ros.nodes.publishing import OutputPublishers
from mtshare_ros.nodes.rate_limiter import RateLimiter
from mtshare_ros.nodes.worker import Worker

# Longer than any frame takes; a worker stuck in a driver must not hold up a transition for ever.
_STOP_LIMIT_S = 5.0


@dataclass(frozen=True)
class Equipment:
    """What configuring builds and every camera uses: the model and the topics."""

    engine: Engine
    publishers: OutputPublishers


class CameraStream:
    """
    Takes images in the executor's thread and has them computed in one thread beside it.

    It lives from activation to deactivation, and what is remembered of the camera with it. The
    newest image wins, the others are counted.
    """

    def __init__(
        self, node: Node, equipment: Equipment, parameters: ParameterServer,
        statistics: FrameStatistics, notices: Notices,
    ) -> None:
        self._node = node
        self._equipment = equipment
        self._parameters = parameters
        self._statistics = statistics
        self._notices = notices
        self._limiter = RateLimiter()
        self._calibrations = CameraInfoBuffer()
        self._continuity = Continuity('activated')
        self.idle = ''
        self._worker = Worker(self._make_pipeline().process, self._note_failure, 'inference')
        self._image = self._subscribe(Image, 'image', self._receive)
        self._camera_info = self._subscribe(CameraInfo, 'camera_info', self._calibrations.add)
        self._watch = InputWatch(node, self._image, 'sensor_msgs/msg/Image')

    @property
    def silence(self) -> str:
        """Why no image comes, or an empty text."""
        return self._watch.silence

    def watch(self) -> None:
        """Say once when the camera has been silent for too long."""
        timeout_s = runtime_settings(self._parameters.values()).input_timeout
        self._tell(self._watch.check(timeout_s))

    def close(self) -> None:
        """Leave the camera's topics and finish the frame at hand; nothing is published after."""
        self._node.destroy_subscription(self._image)
        self._node.destroy_subscription(self._camera_info)
        if not self._worker.stop(_STOP_LIMIT_S):
            self._node.get_logger().error(
                f'a frame is still being computed after {_STOP_LIMIT_S} s; its outputs are lost'
            )

    def _make_pipeline(self) -> Pipeline:
        return Pipeline(
            engine=self._equipment.engine, publishers=self._equipment.publishers,
            calibrations=self._calibrations, continuity=self._continuity,
            statistics=self._statistics, notices=self._notices, clock=self._node.get_clock(),
            max_pixels=start_settings(self._parameters.values()).max_pixels,
        )

    def _subscribe(
        self, message_type: type, topic: str, callback: Callable[[Any], None]
    ) -> Subscription:
        return self._node.create_subscription(
            message_type, topic, callback, qos.sensor_input(),
            qos_overriding_options=qos.overridable(),
        )

    def _receive(self, image: Image) -> None:
        self._statistics.count('received')
        self._note_arrival()
        settings = runtime_settings(self._parameters.values())
        outputs = self._outputs_wanted(settings)
        if not outputs:
            return
        if not self._limiter.allows(time.monotonic(), settings.max_rate):
            self._statistics.count('skipped')
        elif self._worker.offer(Job(image, outputs, settings)):
            self._statistics.count('dropped')

    def _note_arrival(self) -> None:
        """End a silence, after which nothing of the camera is as it was remembered."""
        change = self._watch.seen()
        if change.info:
            self._continuity.interrupt('the camera was silent')
        self._tell(change)

    def _outputs_wanted(self, settings: RuntimeSettings) -> tuple[OutputSpec, ...]:
        publishers = self._equipment.publishers
        enabled = enabled_outputs(settings, self._equipment.engine.tasks)
        wanted = publishers.wanted(enabled, settings.lazy)
        self.idle = '' if wanted else _why_idle(publishers.topic_names(enabled))
        self._notices.state('idle', self.idle)
        return wanted

    def _note_failure(self, error: Exception) -> None:
        """Report a frame that could not be processed; runs in the worker's thread."""
        if not self._node.context.ok():
            return
        if isinstance(error, FrameError):
            self._statistics.reject('rejected', str(error))
            topic = self._image.topic_name
            self._notices.warn(str(error), f'dropped an image of {topic}: {error}')
        else:
            self._statistics.reject('failed', repr(error))
            self._notices.error(
                repr(error), f'dropped a frame, the next one is tried again: {error!r}'
            )

    def _tell(self, change: InputChange) -> None:
        if change.warning:
            self._node.get_logger().warning(change.warning)
        if change.info:
            self._node.get_logger().info(change.info)


def _why_idle(topics: list[str]) -> str:
    if not topics:
        return 'idle: every output is switched off'
    return f'idle: no subscriber on {", ".join(topics)}'
