"""The perception node: cameras in; semantic, depth, normal and edge maps out."""

import sys
from typing import Callable

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.timer import Timer

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.reference import check_reference
from mtshare_ros.nodes.active_cameras import ActiveCameras
from mtshare_ros.nodes.camera import Camera
from mtshare_ros.nodes.camera_names import name_for
from mtshare_ros.nodes.camera_stream import Equipment
from mtshare_ros.nodes.diagnostics import make_diagnostics, NodeReport
from mtshare_ros.nodes.freeing import free_memory
from mtshare_ros.nodes.image_input import TRANSPORTS
from mtshare_ros.nodes.lifecycle import GuardedLifecycleNode
from mtshare_ros.nodes.memory_figures import memory_figures
from mtshare_ros.nodes.outputs import offered_outputs
from mtshare_ros.nodes.parameter_server import ParameterServer
from mtshare_ros.nodes.perception_parameters import PERCEPTION_PARAMETERS, start_settings
from mtshare_ros.nodes.publishing import OutputPublishers
from mtshare_ros.nodes.qos_overrides import check_overrides
from mtshare_ros.nodes.spin import run_node

_DIAGNOSTICS_PERIOD_S = 1.0
_WATCH_PERIOD_S = 0.25


class PerceptionNode(GuardedLifecycleNode):
    """
    Loads the model and offers the topics when configured, follows the cameras while active.

    The executor never computes: it answers parameter and lifecycle requests at any time.
    """

    def __init__(self) -> None:
        super().__init__('perception_node')
        self._equipment: Equipment | None = None
        self._active: ActiveCameras | None = None
        self._parameter_server = ParameterServer(self, PERCEPTION_PARAMETERS)
        self._start_settings = start_settings(self._parameter_server.values())
        self._cameras = tuple(Camera(self, name) for name in self._start_settings.cameras)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # The node's own clock may stand still in simulated time, or jump.
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._every(_DIAGNOSTICS_PERIOD_S, self._publish_diagnostics)
        self._every(_WATCH_PERIOD_S, self._watch_cameras)
        if self._start_settings.autostart:
            self._autostart_timer = self._every(0.0, self._autostart)

    def set_up(self) -> None:
        """Load the model and offer the topics of the tasks it has."""
        self._parameter_server.require_valid()
        transport = TRANSPORTS[self._start_settings.image_transport]
        transport.require()
        inputs = [name_for(camera.name, topic) for camera in self._cameras
                  for topic in (transport.topic, 'camera_info')]
        for problem in check_overrides(self, inputs):
            self.get_logger().warning(problem)
        engine = self._load_engine()
        publishers = {
            camera.name: OutputPublishers(
                self, offered_outputs(engine.tasks), camera.name, engine.labels)
            for camera in self._cameras
        }
        self._equipment = Equipment(engine, publishers)
        height, width = engine.input_size
        self.get_logger().info(
            f'model {self._start_settings.model!r} on {engine.device}: '
            f'{", ".join(engine.tasks)}, outputs of {width}x{height} pixels'
        )
        free_memory()

    def start(self) -> None:
        """Follow the cameras."""
        if self._equipment is None:
            raise RuntimeError('the node is not configured')
        self._active = ActiveCameras(
            self, self._cameras, self._equipment, self._parameter_server)

    def stop(self) -> None:
        """Leave the cameras."""
        active, self._active = self._active, None
        if active is not None:
            active.close()
            del active
            free_memory()

    def tear_down(self) -> None:
        """Take the topics off the graph and let the model go."""
        equipment, self._equipment = self._equipment, None
        if equipment is not None:
            for publishers in equipment.publishers.values():
                publishers.destroy()
            del equipment
            free_memory()

    def _load_engine(self) -> Engine:
        settings = self._start_settings
        engine = Engine.load(
            settings.model, device=settings.device, precision=settings.precision,
            input_size=settings.input_size,
        )
        for notice in filter(None, (*engine.notices, check_reference(engine))):
            self.get_logger().warning(notice)
        engine.settle_crossover()
        return engine

    def _every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        return self.create_timer(period_s, callback, clock=self._steady_clock)

    def _autostart(self) -> None:
        self.destroy_timer(self._autostart_timer)
        self.autostart()

    def _watch_cameras(self) -> None:
        if self._active is None:
            return
        self._active.watch()
        hopeless = self._active.hopeless()
        if hopeless:
            self.give_up(hopeless)

    def _publish_diagnostics(self) -> None:
        # this value alone: before the node is configured, others may not fit each other
        target_ms = self._parameter_server.values()['latency_target_ms']
        cameras = [camera.report(target_ms) for camera in self._cameras]
        self._diagnostics.publish(
            make_diagnostics(self._describe(), cameras, self.get_clock().now().to_msg()))

    def _describe(self) -> NodeReport:
        engine = self._equipment.engine if self._equipment else None
        file = engine.file if engine else None
        return NodeReport(
            name=self.get_fully_qualified_name(),
            lifecycle=self.state_name,
            device=engine.device if engine else '',
            broken=self.transition_error,
            figures={
                'model': self._start_settings.model,
                'model_sha256': file.sha256 if file else '',
                'labels': engine.labels.name if engine else '',
                **memory_figures(engine),
            },
        )


def main() -> int:
    """Run the perception node until SIGINT or SIGTERM; return the exit code."""
    return run_node(PerceptionNode)


if __name__ == '__main__':
    sys.exit(main())
