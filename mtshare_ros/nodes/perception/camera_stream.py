"""One camera while the node is active: its subscriptions, and what is wanted of its images."""

from dataclasses import dataclass
import time
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo

from mtshare_ros.inference.engine import Engine
from mtshare_ros.messages.camera_info import CameraInfoBuffer, shows_rectified
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.parameters import ParameterServer
from mtshare_ros.nodes.perception.calibrator import Calibrator
from mtshare_ros.nodes.perception.camera_names import name_for
from mtshare_ros.nodes.perception.camera_parts import CameraParts
from mtshare_ros.nodes.perception.carrying import CarryingPipeline
from mtshare_ros.nodes.perception.failure_streak import FailureStreak
from mtshare_ros.nodes.perception.frame_reports import FrameReports
from mtshare_ros.nodes.perception.frame_statistics import FrameStatistics
from mtshare_ros.nodes.perception.health import InputChange, InputWatch
from mtshare_ros.nodes.perception.image_input import find_image_topic, TRANSPORTS
from mtshare_ros.nodes.perception.inference_thread import InferenceThread
from mtshare_ros.nodes.perception.job import Job
from mtshare_ros.nodes.perception.motion_input import MotionInput, PoseReader
from mtshare_ros.nodes.perception.outlet import Outlet
from mtshare_ros.nodes.perception.outputs import enabled_outputs, OutputSpec
from mtshare_ros.nodes.perception.parameter_table import RuntimeSettings, StartSettings
from mtshare_ros.nodes.perception.pipeline import Pipeline
from mtshare_ros.nodes.perception.publishing import OutputPublishers
from mtshare_ros.nodes.perception.subscriptions import subscribe, subscribe_latched
from mtshare_ros.nodes.perception.transform_input import TransformInput
from mtshare_ros.nodes.rates import RateLimiter

_INFOS_KEPT = 16
"""A calibration that is streamed by a publisher that also keeps it comes twice."""


@dataclass(frozen=True)
class Shared:
    """What all cameras of an active node share: network, threads, transforms, and settings."""

    engine: Engine
    thread: InferenceThread
    carrying: InferenceThread
    transforms: TransformInput
    parameters: ParameterServer[RuntimeSettings]
    start: StartSettings


class CameraStream:
    """
    Receives the images of one camera and leaves them to the inference thread.

    Everything here runs in the executor's thread. A stream lives from activation to deactivation,
    and what is remembered of the camera with it.
    """

    def __init__(
        self, node: LifecycleNode, camera: str, shared: Shared, publishers: OutputPublishers,
        statistics: FrameStatistics, notices: Notices,
    ) -> None:
        self._node = node
        self._shared = shared
        self._publishers = publishers
        self._statistics = statistics
        self._notices = notices
        self._limiter = RateLimiter()
        self.enabled = True
        self.idle = ''
        transport = TRANSPORTS[shared.start.image_transport]
        image, info = name_for(camera, transport.topic), name_for(camera, 'camera_info')
        topic = find_image_topic(node, camera, shared.start.image_transport)
        rectified = shows_rectified(topic, shared.start.camera_matrix)
        infos = CameraInfoBuffer(
            _INFOS_KEPT, rectified=rectified, topic=node.resolve_topic_name(info))
        self._reports = FrameReports(node, topic, statistics, notices)
        self._motion = MotionInput(node, camera, shared.transforms)
        self._calibrator = Calibrator(shared.engine, infos, publishers, notices)
        parts = CameraParts(
            engine=shared.engine, transport=transport, max_pixels=shared.start.max_pixels,
            calibrator=self._calibrator, outlet=Outlet(publishers, self._calibrator),
            reports=self._reports)
        self._carrying = CarryingPipeline(parts, PoseReader(self._motion))
        self._pipeline = Pipeline(parts, PoseReader(self._motion), self._carrying)
        self._image = subscribe(node, transport.message_type, topic, self._receive)
        self._camera_infos = (
            subscribe(node, CameraInfo, info, infos.add),
            subscribe_latched(node, CameraInfo, info, infos.add))
        self._watch = InputWatch(node, self._image, image, transport.type_name)

    @property
    def silence(self) -> str:
        """Why no image comes, or an empty text."""
        return self._watch.silence

    @property
    def withheld(self) -> str:
        """Which outputs somebody listens to are not published, and why, or an empty text."""
        if self.idle:
            return ''
        return '; '.join(
            f'{self._publishers.topic_name(output)}: {reason}'
            for output, reason in self._calibrator.withheld.items()
            if self._publishers.has_subscriber(output))

    @property
    def unposed(self) -> str:
        """Why other sensors do not tell the motion that they are asked for, or an empty text."""
        return '' if self.idle else self._reports.poses.fault

    @property
    def streak(self) -> FailureStreak:
        """The frames that failed one after the other."""
        return self._reports.streak

    def watch(self) -> None:
        """Say once when the camera has been silent for too long."""
        if self.enabled:
            self._tell(self._watch.check(self._shared.parameters.settings.input_timeout))

    def start_anew(self, reason: str) -> None:
        """Have the next frame build on nothing."""
        self._pipeline.start_anew(reason)

    def close(self) -> None:
        """Leave the camera's topics."""
        for subscription in (self._image, *self._camera_infos):
            self._node.destroy_subscription(subscription)
        self._motion.close()

    def _receive(self, message: Any) -> None:
        """Leave an image that somebody wants the maps of to the inference thread."""
        arrived_s = time.perf_counter()
        self._statistics.count('received')
        self._note_arrival()
        settings = self._shared.parameters.settings
        self._motion.follow(settings.motion)
        outputs = self._outputs_wanted(settings)
        if not outputs:
            return
        self._hand_out(Job(message, outputs, settings, arrived_s))

    def _hand_out(self, job: Job) -> None:
        """Leave a job to the threads that make something of it; count what it costs another."""
        carries = job.settings.motion.carries
        lost = carries and self._shared.carrying.put(self._carrying, job)
        if self._limiter.allows(time.monotonic(), job.settings.max_rate):
            replaced = self._shared.thread.put(self._pipeline, job)
            lost = lost or (replaced and not carries)  # maps come to what the network leaves out
        elif not carries:
            self._statistics.count('skipped')
        if lost:
            self._statistics.count('dropped')

    def _note_arrival(self) -> None:
        """End a silence, after which nothing of the camera is as it was remembered."""
        change = self._watch.seen()
        if change.info:
            self.start_anew('the camera was silent')
        self._tell(change)

    def _outputs_wanted(self, settings: RuntimeSettings) -> tuple[OutputSpec, ...]:
        engine = self._shared.engine
        enabled = enabled_outputs(
            settings, engine.tasks, engine.description.architecture.relative_depth)
        wanted = self._publishers.wanted(enabled, settings.lazy) if self.enabled else ()
        self.idle = '' if wanted else self._why_idle(enabled)
        self._notices.state('idle', self.idle)
        return wanted

    def _why_idle(self, enabled: tuple[OutputSpec, ...]) -> str:
        if not self.enabled:
            return 'idle: switched off by the service enable'
        if not enabled:
            return 'idle: every output is switched off'
        topics = ', '.join(map(self._publishers.topic_name, enabled))
        return f'idle: no subscriber on {topics}'

    def _tell(self, change: InputChange) -> None:
        if change.warning:
            self._node.get_logger().warning(change.warning)
        if change.info:
            self._node.get_logger().info(change.info)
