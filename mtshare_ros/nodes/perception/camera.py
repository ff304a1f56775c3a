"""One camera of the node: its services and counters, and the stream of its images while active."""

from dataclasses import dataclass
from functools import cached_property
import time
from typing import Any, TYPE_CHECKING

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import SetBool, Trigger

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_outputs import offered_outputs, OutputSpec
from mtshare_ros.messages.camera_info import CameraInfoBuffer, shows_rectified
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.parameters import ParameterServer
from mtshare_ros.nodes.perception.camera_calibration import Calibrator
from mtshare_ros.nodes.perception.diagnostics import CameraReport, describe_overload
from mtshare_ros.nodes.perception.engine_parameters import MotionChoice
from mtshare_ros.nodes.perception.frame_reports import FrameReports
from mtshare_ros.nodes.perception.frame_statistics import FrameStatistics
from mtshare_ros.nodes.perception.input_topics import (
    find_image_topic,
    name_for,
    subscribe,
    subscribe_latched,
    TRANSPORTS,
)
from mtshare_ros.nodes.perception.input_watch import InputChange, InputWatch
from mtshare_ros.nodes.perception.output_publishers import (
    enabled_outputs,
    FramePublisher,
    OutputPublishers,
)
from mtshare_ros.nodes.perception.parameter_table import RuntimeSettings, StartSettings
from mtshare_ros.nodes.perception.pipeline import CameraParts, InferenceThread, Job, Pipeline
from mtshare_ros.nodes.rates import RateLimiter

if TYPE_CHECKING:  # only a camera that moves loads these
    from mtshare_ros.nodes.perception.follower_pipeline import FollowerPipeline
    from mtshare_ros.nodes.perception.motion_input import MotionInput, TransformInput

RESET_REASON = 'asked for by reset_cache'

_INFOS_KEPT = 16
"""A calibration that is streamed by a publisher that also keeps it comes twice."""


@dataclass(frozen=True)
class Shared:
    """What all cameras of an active node share: network, threads, transforms, and settings."""

    node: LifecycleNode
    engine: Engine
    thread: InferenceThread
    following: InferenceThread
    parameters: ParameterServer[RuntimeSettings]
    start: StartSettings

    @cached_property
    def transforms(self) -> 'TransformInput':
        """The transforms of the robot, for the cameras whose motion sensors tell."""
        from mtshare_ros.nodes.perception.motion_input import TransformInput
        return TransformInput(self.node)


class CameraStream:
    """
    Receives the images of one camera and leaves them to the threads that compute.

    Everything here runs in the executor's thread. A stream lasts from activation to deactivation,
    and so does what is remembered of the camera.
    """

    def __init__(
        self, camera: str, shared: Shared, publishers: OutputPublishers,
        statistics: FrameStatistics, notices: Notices,
    ) -> None:
        self._camera = camera
        self._node = node = shared.node
        self._shared = shared
        self._publishers = publishers
        self._statistics = statistics
        self._notices = notices
        self._limiter = RateLimiter()
        self.enabled = True
        self._idle = ''
        transport = TRANSPORTS[shared.start.image_transport]
        image, info = name_for(camera, transport.topic), name_for(camera, 'camera_info')
        topic = find_image_topic(node, camera, shared.start.image_transport)
        rectified = shows_rectified(topic, shared.start.camera_matrix)
        infos = CameraInfoBuffer(
            _INFOS_KEPT, rectified=rectified, topic=node.resolve_topic_name(info))
        self._reports = FrameReports(node, topic, statistics, notices)
        self._publisher = FramePublisher(publishers, notices)
        self._parts = CameraParts(
            shared.engine, transport, shared.start.max_pixels,
            Calibrator(shared.engine, infos, notices), self._publisher, self._reports)
        self._pipeline = Pipeline(self._parts)
        self._follower: FollowerPipeline | None = None
        self._motion: MotionInput | None = None
        self._image = subscribe(node, transport.message_type, topic, self._receive)
        # Two, because a calibration may be streamed or sent once; see subscribe_latched.
        self._camera_infos = (
            subscribe(node, CameraInfo, info, infos.add),
            subscribe_latched(node, CameraInfo, info, infos.add))
        self._watch = InputWatch(node, self._image, image, transport.type_name)

    def conditions(self) -> dict[str, str]:
        """Return the fields of ``CameraReport`` that tell what hinders the camera."""
        withheld = '; '.join(
            f'{self._publishers.topic_name(output)}: {reason}'
            for output, reason in self._publisher.withheld.items()
            if self._publishers.has_subscriber(output))
        return {
            'stale': self._watch.silence if self.enabled else '',
            'idle': self._idle,
            'withheld': '' if self._idle else withheld,
            'pose_fault': '' if self._idle else self._reports.poses.fault,
            'failing': self._reports.streak.error or self._statistics.severe_error,
        }

    def watch(self) -> str:
        """Log once when the camera is silent; return why the node should give up, or ''."""
        if self.enabled:
            self._log(self._watch.check(self._shared.parameters.settings.input_timeout))
        return self._reports.streak.hopeless

    def start_anew(self, reason: str) -> None:
        """Compute the next frame whole, without what is remembered."""
        self._pipeline.start_anew(reason)
        if self._follower is not None:
            self._follower.start_anew(reason)

    def close(self) -> None:
        """Remove the subscriptions."""
        for subscription in (self._image, *self._camera_infos):
            self._node.destroy_subscription(subscription)
        if self._motion is not None:
            self._motion.close()

    def _receive(self, message: Any) -> None:
        """Make a job of an image whose maps have subscribers."""
        # Before anything else: the times that the diagnostics tell begin here.
        arrived_s = time.perf_counter()
        self._statistics.count('received')
        change = self._watch.seen()
        if change.info:
            # What the camera sees may have changed completely meanwhile.
            self.start_anew('the camera was silent')
        self._log(change)
        settings = self._shared.parameters.settings
        self._choose_motion(settings.motion)
        outputs = self._outputs_wanted(settings)
        if not outputs:
            return
        poses = self._motion.source if self._motion else None
        self._hand_out(Job(message, outputs, settings, poses, self._follower, arrived_s))

    def _choose_motion(self, choice: MotionChoice) -> None:
        """Listen to the sensors and follow the maps as the parameters say, from this image on."""
        if choice.posed and self._motion is None:
            # Not at the top: a camera that is assumed not to move loads none of this.
            from mtshare_ros.nodes.perception.motion_input import MotionInput
            self._motion = MotionInput(self._node, self._camera, self._shared.transforms)
        if self._motion is not None:
            self._motion.follow(choice)
        if not choice.carries:
            self._follower = None
        elif self._follower is None:
            from mtshare_ros.nodes.perception.follower_pipeline import FollowerPipeline
            self._follower = FollowerPipeline(self._parts)

    def _hand_out(self, job: Job) -> None:
        """Leave a job to the threads; count an image that is dropped or skipped by that."""
        # With a follower, images that the network does not compute get maps all the same.
        follower = job.follower
        lost = follower is not None and self._shared.following.put(follower, job)
        if self._limiter.allows(time.monotonic(), job.settings.max_rate):
            replaced = self._shared.thread.put(self._pipeline, job)
            lost = lost or (replaced and follower is None)
        elif follower is None:
            self._statistics.count('skipped')
        if lost:
            self._statistics.count('dropped')

    def _outputs_wanted(self, settings: RuntimeSettings) -> tuple[OutputSpec, ...]:
        engine = self._shared.engine
        enabled = enabled_outputs(
            settings, engine.tasks, engine.description.architecture.relative_depth)
        wanted = self._publishers.wanted(enabled, settings.lazy) if self.enabled else ()
        self._idle = '' if wanted else self._why_idle(enabled)
        self._notices.state('idle', self._idle)
        return wanted

    def _why_idle(self, enabled: tuple[OutputSpec, ...]) -> str:
        if not self.enabled:
            return 'idle: switched off by the service enable'
        if not enabled:
            return 'idle: every output is switched off'
        topics = ', '.join(map(self._publishers.topic_name, enabled))
        return f'idle: no subscriber on {topics}'

    def _log(self, change: InputChange) -> None:
        if change.warning:
            self._node.get_logger().warning(change.warning)
        if change.info:
            self._node.get_logger().info(change.info)


class Camera:
    """
    Keeps what must outlast a deactivation: counters, what was logged, and whether it is enabled.

    Its topics exist while the node is configured, its ``stream`` while it is active. ``name``
    is empty for a node of one camera; with several, it precedes the names of all topics and
    services. Everything runs in the executor's thread.
    """

    def __init__(self, node: LifecycleNode, name: str, transport: str) -> None:
        self.name = name
        self._input = {
            'image_topic': find_image_topic(node, name, transport), 'image_transport': transport}
        self.statistics = FrameStatistics()
        self.notices = Notices(node.get_logger())
        self.enabled = True
        self.stream: CameraStream | None = None
        self._publishers: OutputPublishers | None = None
        self._node = node
        node.create_service(Trigger, f'~/{name_for(name, "reset_cache")}', self._reset)
        node.create_service(SetBool, f'~/{name_for(name, "enable")}', self._enable)

    def offer(self, engine: Engine) -> None:
        """Put the topics of the tasks that a model has on the graph."""
        self._publishers = OutputPublishers(
            self._node,
            offered_outputs(engine.tasks, engine.description.architecture.relative_depth),
            self.name, engine.labels)

    def follow(self, shared: Shared) -> None:
        """Take images from now on."""
        if self._publishers is None:
            raise RuntimeError('the node is not configured')
        self.stream = CameraStream(
            self.name, shared, self._publishers, self.statistics, self.notices)
        self.stream.enabled = self.enabled

    def leave(self) -> None:
        """Undo ``follow``; calling it twice does no harm."""
        # First: where close fails, the transition is undone by another call of leave.
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()

    def withdraw(self) -> None:
        """Undo ``offer``; calling it twice does no harm."""
        publishers, self._publishers = self._publishers, None
        if publishers is not None:
            publishers.destroy()

    def report(self, latency_target_ms: float) -> CameraReport:
        """Return what the diagnostics tell about the camera."""
        statistics = self.statistics
        return CameraReport(
            name=self.name,
            degraded=statistics.recent_error,
            overloaded=describe_overload(statistics.recent, latency_target_ms),
            last_error=statistics.last_error,
            entries={**self._input, **statistics.summary()},
            **(self.stream.conditions() if self.stream else {}),
        )

    def _reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Have the next frame computed whole."""
        response.success = self.stream is not None
        if self.stream is None:
            response.message = 'the node is not active and remembers nothing; activate it first'
        else:
            self.stream.start_anew(RESET_REASON)
            response.message = 'the next frame is computed whole'
        return response

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Switch the camera on or off."""
        self.enabled = request.data
        if self.stream is not None:
            self.stream.enabled = request.data
        response.success = True
        response.message = 'images are computed' if request.data else 'images are ignored'
        self._node.get_logger().info(f'{name_for(self.name, "enable")}: {response.message}')
        return response
