"""The perception node: one camera in; semantic, depth, normal and edge maps out."""

import sys
from typing import Callable

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.timer import Timer

from mtshare_ros.inference.engine import Engine
from mtshare_ros.nodes.camera_stream import CameraStream, Equipment
from mtshare_ros.nodes.diagnostics import make_diagnostics, NodeState
from mtshare_ros.nodes.frame_statistics import FrameStatistics
from mtshare_ros.nodes.lifecycle import GuardedLifecycleNode
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.outputs import offered_outputs
from mtshare_ros.nodes.parameter_server import ParameterServer
from mtshare_ros.nodes.perception_parameters import PERCEPTION_PARAMETERS, start_settings
from mtshare_ros.nodes.publishing import OutputPublishers
from mtshare_ros.nodes.spin import run_node

_DIAGNOSTICS_PERIOD_S = 1.0
_WATCH_PERIOD_S = 0.25


class PerceptionNode(GuardedLifecycleNode):
    """
    Loads the model and offers the topics when configured, follows the camera while active.

    The executor never computes: it answers parameter and lifecycle requests at any time.
    """

    def __init__(self) -> None:
        super().__init__('perception_node')
        self._equipment: Equipment | None = None
        self._stream: CameraStream | None = None
        self._parameter_server = ParameterServer(self, PERCEPTION_PARAMETERS)
        self._start_settings = start_settings(self._parameter_server.values())
        self._notices = Notices(self.get_logger())
        self._statistics = FrameStatistics()
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # The node's own clock may stand still in simulated time, or jump.
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._every(_DIAGNOSTICS_PERIOD_S, self._publish_diagnostics)
        self._every(_WATCH_PERIOD_S, self._watch_camera)
        if self._start_settings.autostart:
            self._autostart_timer = self._every(0.0, self._autostart)

    def set_up(self) -> None:
        """Load the model and offer the topics of the tasks it has."""
        self._parameter_server.require_valid()
        engine = self._load_engine()
        publishers = OutputPublishers(self, offered_outputs(engine.tasks))
        self._equipment = Equipment(engine, publishers)
        height, width = engine.input_size
        self.get_logger().info(
            f'model {self._start_settings.model!r} on {engine.device}: '
            f'{", ".join(engine.tasks)}, outputs of {width}x{height} pixels'
        )

    def start(self) -> None:
        """Follow the camera."""
        if self._equipment is None:
            raise RuntimeError('the node is not configured')
        self._stream = CameraStream(
            self, self._equipment, self._parameter_server, self._statistics, self._notices,
        )

    def stop(self) -> None:
        """Leave the camera."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def tear_down(self) -> None:
        """Take the topics off the graph and let the model go."""
        equipment, self._equipment = self._equipment, None
        if equipment is not None:
            equipment.publishers.destroy()

    def _load_engine(self) -> Engine:
        settings = self._start_settings
        engine = Engine.load(
            settings.model, device=settings.device, precision=settings.precision,
            input_size=settings.input_size,
        )
        for notice in engine.notices:
            self.get_logger().warning(notice)
        return engine

    def _every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        return self.create_timer(period_s, callback, clock=self._steady_clock)

    def _autostart(self) -> None:
        self.destroy_timer(self._autostart_timer)
        self.autostart()

    def _watch_camera(self) -> None:
        if self._stream is not None:
            self._stream.watch()

    def _publish_diagnostics(self) -> None:
        stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(make_diagnostics(self._describe(), stamp))

    def _describe(self) -> NodeState:
        stream, equipment = self._stream, self._equipment
        return NodeState(
            name=self.get_fully_qualified_name(),
            lifecycle=self.state_name,
            model=self._start_settings.model,
            device=equipment.engine.device if equipment else '',
            stale=stream.silence if stream else '',
            idle=stream.idle if stream else '',
            degraded=self._statistics.recent_error,
            broken=self.transition_error,
            last_error=self._statistics.last_error or self.transition_error,
            figures=self._statistics.summary(),
        )


def main() -> int:
    """Run the perception node until SIGINT or SIGTERM; return the exit code."""
    return run_node(PerceptionNode)


if __name__ == '__main__':
    sys.exit(main())
