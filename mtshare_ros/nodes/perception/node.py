"""The perception node: cameras in; semantic, depth, normal and edge maps out."""

import sys
from typing import Any, Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.timer import Timer

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.reference import check_reference
from mtshare_ros.nodes.lifecycle import GuardedLifecycleNode
from mtshare_ros.nodes.parameters import ParameterServer
from mtshare_ros.nodes.perception.camera import Camera
from mtshare_ros.nodes.perception.camera_names import name_for
from mtshare_ros.nodes.perception.camera_stream import Shared
from mtshare_ros.nodes.perception.carrying import start_carrying
from mtshare_ros.nodes.perception.diagnostics import make_diagnostics, NodeReport
from mtshare_ros.nodes.perception.engine_figures import engine_figures
from mtshare_ros.nodes.perception.freeing import free_memory
from mtshare_ros.nodes.perception.image_input import find_image_topic, TRANSPORTS
from mtshare_ros.nodes.perception.inference_thread import InferenceThread
from mtshare_ros.nodes.perception.memory_figures import memory_figures
from mtshare_ros.nodes.perception.model_figures import (
    model_figures,
    model_in_words,
    transfer_notice,
)
from mtshare_ros.nodes.perception.motion_input import IMU_TOPIC
from mtshare_ros.nodes.perception.parameter_table import (
    PERCEPTION_PARAMETERS,
    runtime_settings,
    start_settings,
)
from mtshare_ros.nodes.perception.qos_overrides import check_overrides
from mtshare_ros.nodes.perception.transform_input import TransformInput
from mtshare_ros.nodes.spin import run_node

_WATCH_PERIOD_S = 0.25
# Longer than any frame takes; a thread stuck in a driver must not hold up a transition for ever.
_STOP_LIMIT_S = 5.0


class PerceptionNode(GuardedLifecycleNode):
    """
    Loads the model and offers the topics when configured, follows the cameras while active.

    The executor's thread receives images and answers parameter and lifecycle requests at any time;
    the inference thread computes and publishes, the carrying thread brings maps to the images in
    between.
    """

    def __init__(self) -> None:
        super().__init__('perception_node')
        self._engine: Engine | None = None
        self._threads: tuple[InferenceThread, ...] = ()
        self._parameter_server = ParameterServer(self, PERCEPTION_PARAMETERS, runtime_settings)
        self._start_settings = start_settings(self._parameter_server.values())
        self._transforms = TransformInput(self)
        self._cameras = tuple(
            Camera(self, name, self._start_settings.image_transport)
            for name in self._start_settings.cameras)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # The node's own clock may stand still in simulated time, or jump.
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._every(self._start_settings.diagnostics_period, self._publish_diagnostics)
        self._every(_WATCH_PERIOD_S, self._watch_cameras)
        if self._start_settings.autostart:
            self._autostart_timer = self._every(0.0, self._autostart)

    def set_up(self) -> None:
        """Load the model and offer the topics of the tasks it has."""
        self._parameter_server.require_valid()
        transport = self._start_settings.image_transport
        TRANSPORTS[transport].require()
        inputs = [topic for camera in self._start_settings.cameras for topic in (
            find_image_topic(self, camera, transport), name_for(camera, 'camera_info'),
            name_for(camera, IMU_TOPIC))]
        for problem in check_overrides(self, inputs):
            self.get_logger().warning(problem)
        self._engine = engine = self._load_engine()
        for camera in self._cameras:
            camera.offer(engine)
        height, width = engine.input_size
        self.get_logger().info(
            f'model {model_in_words(engine, self._start_settings.model)} on {engine.device}: '
            f'{", ".join(engine.tasks)}, outputs of {width}x{height} pixels'
        )
        free_memory()

    def start(self) -> None:
        """Follow the cameras."""
        if self._engine is None:
            raise RuntimeError('the node is not configured')
        self._threads = computing, carrying = InferenceThread(), start_carrying()
        shared = Shared(self._engine, computing, carrying, self._transforms,
                        self._parameter_server, self._start_settings)
        for camera in self._cameras:
            camera.follow(shared)

    def stop(self) -> None:
        """Leave the cameras and finish the frame at hand; nothing is published after."""
        for camera in self._cameras:
            camera.leave()
        threads, self._threads = self._threads, ()
        for thread in threads:
            if not thread.stop(_STOP_LIMIT_S):
                self.get_logger().error(
                    f'a frame is still being computed after {_STOP_LIMIT_S} s; its outputs are '
                    f'lost')
        if threads:
            del thread, threads
            free_memory()

    def tear_down(self) -> None:
        """Take the topics off the graph and let the model go."""
        for camera in self._cameras:
            camera.withdraw()
        engine, self._engine = self._engine, None
        if engine is not None:
            del engine
            free_memory()

    def _load_engine(self) -> Engine:
        settings = self._start_settings
        engine = Engine.load(
            settings.model, device=settings.device, precision=settings.precision,
            input_size=settings.input_size, cuda_graphs=settings.cuda_graphs,
        )
        notices = (transfer_notice(engine), *engine.notices, check_reference(engine))
        for notice in filter(None, notices):
            self.get_logger().warning(notice)
        engine.settle_crossover()
        return engine

    def _every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        return self.create_timer(period_s, callback, clock=self._steady_clock)

    def _autostart(self) -> None:
        self.destroy_timer(self._autostart_timer)
        self.autostart()

    def _watch_cameras(self) -> None:
        """Say which cameras have been silent for too long, and give up what is hopeless."""
        streams = [camera.stream for camera in self._cameras if camera.stream is not None]
        for stream in streams:
            stream.watch()
        hopeless = next(filter(None, (stream.streak.hopeless for stream in streams)), '')
        if hopeless:
            self.give_up(hopeless)

    def _publish_diagnostics(self) -> None:
        # single values alone: before the node is configured, some may not fit each other
        values = self._parameter_server.values()
        cameras = [camera.report(values['latency_target_ms']) for camera in self._cameras]
        self._diagnostics.publish(make_diagnostics(
            self._describe(values), cameras, self.get_clock().now().to_msg()))

    def _describe(self, values: Mapping[str, Any]) -> NodeReport:
        engine = self._engine
        return NodeReport(
            name=self.get_fully_qualified_name(),
            lifecycle=self.state_name,
            device=engine.device if engine else '',
            broken=self.transition_error,
            figures={
                **model_figures(engine, self._start_settings.model),
                **engine_figures(engine, values),
                **memory_figures(engine),
            },
        )


def main() -> int:
    """Run the perception node until SIGINT or SIGTERM; return the exit code."""
    return run_node(PerceptionNode)


if __name__ == '__main__':
    sys.exit(main())
