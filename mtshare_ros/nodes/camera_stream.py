"""One camera while the node is active: its subscriptions, what is wanted of it, its watch."""

from dataclasses import dataclass
import time
from typing import Any, Callable, Mapping

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from mtshare_ros.errors import FrameError
from mtshare_ros.inference.engine import Engine
from mtshare_ros.messages.camera_info import CameraInfoBuffer, shows_rectified
from mtshare_ros.messages.continuity import Continuity
from mtshare_ros.nodes.camera_names import name_for
from mtshare_ros.nodes.failure_streak import FailureStreak
from mtshare_ros.nodes.frame_statistics import FrameStatistics
from mtshare_ros.nodes.health import InputChange, InputWatch
from mtshare_ros.nodes.image_input import TRANSPORTS
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
from mtshare_ros.nodes.subscriptions import subscribe, subscribe_latched

_INFOS_KEPT = 16
"""A calibration that is streamed by a publisher that also keeps it comes twice."""


@dataclass(frozen=True)
class Equipment:
    """What configuring builds: the model, and the topics of every camera by its name."""

    engine: Engine
    publishers: Mapping[str, OutputPublishers]


class CameraStream:
    """
    Takes images in the executor's thread; ``process`` and ``note_failure`` belong to another one.

    It lives from activation to deactivation, and what is remembered of the camera with it.
    ``offer`` takes the jobs; it returns whether one replaced an older one.
    """

    def __init__(
        self, node: Node, camera: str, equipment: Equipment, parameters: ParameterServer,
        statistics: FrameStatistics, notices: Notices,
        offer: Callable[['CameraStream', Job], bool],
    ) -> None:
        self._node = node
        self._engine = equipment.engine
        self._publishers = equipment.publishers[camera]
        self._parameters = parameters
        self._statistics = statistics
        self._offer = offer
        self._notices = notices
        self._limiter = RateLimiter()
        start = start_settings(parameters.values())
        self._transport = TRANSPORTS[start.image_transport]
        image_topic = name_for(camera, self._transport.topic)
        self._calibrations = CameraInfoBuffer(_INFOS_KEPT, rectified=shows_rectified(
            node.resolve_topic_name(image_topic), start.camera_matrix))
        self._continuity = Continuity('activated')
        self.enabled = True
        self.idle = ''
        self.streak = FailureStreak()
        self._pipeline = self._make_pipeline()
        self._image = subscribe(node, self._transport.message_type, image_topic, self._receive)
        info, add = name_for(camera, 'camera_info'), self._calibrations.add
        self._camera_infos = (
            subscribe(node, CameraInfo, info, add), subscribe_latched(node, CameraInfo, info, add))
        self._watch = InputWatch(node, self._image, image_topic, self._transport.type_name)

    @property
    def silence(self) -> str:
        """Why no image comes, or an empty text."""
        return self._watch.silence

    def watch(self) -> None:
        """Say once when the camera has been silent for too long."""
        if self.enabled:
            timeout_s = runtime_settings(self._parameters.values()).input_timeout
            self._tell(self._watch.check(timeout_s))

    def start_anew(self, reason: str) -> None:
        """Have the next frame build on nothing."""
        self._continuity.interrupt(reason)

    def process(self, job: Job) -> None:
        """Compute and publish one job."""
        self._pipeline.process(job)
        self.streak.end()

    def note_failure(self, error: Exception) -> None:
        """Report a frame that could not be processed."""
        if not self._node.context.ok():
            return
        if isinstance(error, FrameError):
            self._statistics.reject('rejected', str(error))
            topic = self._image.topic_name
            self._notices.warn(str(error), f'dropped an image of {topic}: {error}')
        else:
            self.streak.note(error)
            self._statistics.reject('failed', repr(error))
            self._notices.error(
                repr(error), f'dropped a frame, the next one is tried again: {error!r}'
            )

    def close(self) -> None:
        """Leave the camera's topics."""
        for subscription in (self._image, *self._camera_infos):
            self._node.destroy_subscription(subscription)

    def _make_pipeline(self) -> Pipeline:
        return Pipeline(
            engine=self._engine, transport=self._transport, publishers=self._publishers,
            calibrations=self._calibrations, continuity=self._continuity,
            statistics=self._statistics, notices=self._notices, clock=self._node.get_clock(),
            max_pixels=start_settings(self._parameters.values()).max_pixels,
        )

    def _receive(self, message: Any) -> None:
        arrived_s = time.perf_counter()
        self._statistics.count('received')
        self._note_arrival()
        settings = runtime_settings(self._parameters.values())
        outputs = self._outputs_wanted(settings)
        if not outputs:
            return
        if not self._limiter.allows(time.monotonic(), settings.max_rate):
            self._statistics.count('skipped')
        elif self._offer(self, Job(message, outputs, settings, arrived_s)):
            self._statistics.count('dropped')

    def _note_arrival(self) -> None:
        """End a silence, after which nothing of the camera is as it was remembered."""
        change = self._watch.seen()
        if change.info:
            self.start_anew('the camera was silent')
        self._tell(change)

    def _outputs_wanted(self, settings: RuntimeSettings) -> tuple[OutputSpec, ...]:
        enabled = enabled_outputs(settings, self._engine.tasks)
        wanted = self._publishers.wanted(enabled, settings.lazy) if self.enabled else ()
        self.idle = '' if wanted else self._why_idle(self._publishers.topic_names(enabled))
        self._notices.state('idle', self.idle)
        return wanted

    def _why_idle(self, topics: list[str]) -> str:
        if not self.enabled:
            return 'idle: switched off by the service enable'
        if not topics:
            return 'idle: every output is switched off'
        return f'idle: no subscriber on {", ".join(topics)}'

    def _tell(self, change: InputChange) -> None:
        if change.warning:
            self._node.get_logger().warning(change.warning)
        if change.info:
            self._node.get_logger().info(change.info)
