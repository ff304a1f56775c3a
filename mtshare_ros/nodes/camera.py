"""One camera as long as the node lives: its name, its counters, its switch and its services."""

from rclpy.lifecycle import LifecycleNode
from std_srvs.srv import SetBool, Trigger

from mtshare_ros.nodes.camera_names import name_for
from mtshare_ros.nodes.camera_stream import CameraStream
from mtshare_ros.nodes.diagnostics import CameraReport
from mtshare_ros.nodes.frame_statistics import FrameStatistics
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.overload import describe_overload

RESET_REASON = 'asked for by reset_cache'


class Camera:
    """
    Keeps what must outlive a deactivation: counters, what was said, and the switch.

    ``stream`` is there while the node is active. ``name`` is empty for a node of one camera; with
    several, it stands before the names of all topics and services.
    """

    def __init__(self, node: LifecycleNode, name: str) -> None:
        self.name = name
        self.statistics = FrameStatistics()
        self.notices = Notices(node.get_logger())
        self.enabled = True
        self.stream: CameraStream | None = None
        self._logger = node.get_logger()
        node.create_service(Trigger, f'~/{name_for(name, "reset_cache")}', self._reset)
        node.create_service(SetBool, f'~/{name_for(name, "enable")}', self._enable)

    def attach(self, stream: CameraStream) -> None:
        """Take the stream of an activation."""
        stream.enabled = self.enabled
        self.stream = stream

    def detach(self) -> None:
        """Leave the camera's topics; bears being called twice."""
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()

    def report(self, latency_target_ms: float) -> CameraReport:
        """Return what the diagnostics say of the camera."""
        statistics, stream = self.statistics, self.stream
        return CameraReport(
            name=self.name,
            stale=stream.silence if stream and self.enabled else '',
            idle=stream.idle if stream else '',
            degraded=statistics.recent_error,
            overloaded=describe_overload(statistics.recent, latency_target_ms),
            failing=(stream.streak.error if stream else '') or statistics.severe_error,
            last_error=statistics.last_error,
            figures=statistics.summary(),
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
        self._logger.info(f'{name_for(self.name, "enable")}: {response.message}')
        return response
