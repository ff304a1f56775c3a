"""One camera as long as the node lives: its name, its counters, its switch and its services."""

from rclpy.lifecycle import LifecycleNode
from std_srvs.srv import SetBool, Trigger

from mtshare_ros.inference.engine import Engine
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.perception.camera_names import name_for
from mtshare_ros.nodes.perception.camera_stream import CameraStream, Shared
from mtshare_ros.nodes.perception.diagnostics import CameraReport
from mtshare_ros.nodes.perception.frame_statistics import FrameStatistics
from mtshare_ros.nodes.perception.image_input import find_image_topic
from mtshare_ros.nodes.perception.outputs import offered_outputs
from mtshare_ros.nodes.perception.overload import describe_overload
from mtshare_ros.nodes.perception.publishing import OutputPublishers

RESET_REASON = 'asked for by reset_cache'


class Camera:
    """
    Keeps what must outlive a deactivation: counters, what was said, and the switch.

    Its topics are there while the node is configured, its ``stream`` while it is active. ``name``
    is empty for a node of one camera; with several, it stands before the names of all topics and
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
            self._node, self.name, shared, self._publishers, self.statistics, self.notices)
        self.stream.enabled = self.enabled

    def leave(self) -> None:
        """Undo ``follow``; bears being called twice."""
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()

    def withdraw(self) -> None:
        """Undo ``offer``; bears being called twice."""
        publishers, self._publishers = self._publishers, None
        if publishers is not None:
            publishers.destroy()

    def report(self, latency_target_ms: float) -> CameraReport:
        """Return what the diagnostics say of the camera."""
        statistics, stream = self.statistics, self.stream
        return CameraReport(
            name=self.name,
            stale=stream.silence if stream and self.enabled else '',
            idle=stream.idle if stream else '',
            withheld=stream.withheld if stream else '',
            unposed=stream.unposed if stream else '',
            degraded=statistics.recent_error,
            overloaded=describe_overload(statistics.recent, latency_target_ms),
            failing=(stream.streak.error if stream else '') or statistics.severe_error,
            last_error=statistics.last_error,
            figures={**self._input, **statistics.summary()},
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
