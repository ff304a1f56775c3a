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
from mtshare_ros.nodes.perception.camera import Camera, Shared
from mtshare_ros.nodes.perception.diagnostics import (
    engine_entries,
    make_diagnostics,
    memory_entries,
    model_entries,
    model_in_words,
    NodeReport,
    transfer_notice,
)
from mtshare_ros.nodes.perception.input_topics import (
    check_overrides,
    find_image_topic,
    IMU_TOPIC,
    name_for,
    TRANSPORTS,
)
from mtshare_ros.nodes.perception.parameter_table import (
    PERCEPTION_PARAMETERS,
    runtime_settings,
    start_settings,
)
from mtshare_ros.nodes.perception.pipeline import (
    free_memory,
    InferenceThread,
    start_one_core_thread,
)
from mtshare_ros.nodes.spin import run_node

_WATCH_PERIOD_S = 0.25
# Longer than any frame takes; a thread that hangs in a driver must not block a transition.
_STOP_LIMIT_S = 5.0


class PerceptionNode(GuardedLifecycleNode):
    """
    Loads the model and offers the topics when configured, takes images while active.

    The executor's thread receives images and answers parameter and lifecycle requests at any
    time. The inference thread computes and publishes maps; the following thread moves maps to the
    images that the network leaves out, where ``motion.every_frame`` asks for that.
    """

    def __init__(self) -> None:
        super().__init__('perception_node')
        self._engine: Engine | None = None
        self._threads: tuple[InferenceThread, ...] = ()
        self._parameter_server = ParameterServer(self, PERCEPTION_PARAMETERS, runtime_settings)
        self._start_settings = start_settings(self._parameter_server.values())
        self._cameras = tuple(
            Camera(self, name, self._start_settings.image_transport)
            for name in self._start_settings.cameras)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # In simulated time the node's own clock may stop or jump.
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
            f'{", ".join(engine.tasks)}, outputs of {height}x{width} pixels (height x width)'
        )
        free_memory()

    def start(self) -> None:
        """Take images from the cameras."""
        if self._engine is None:
            raise RuntimeError('the node is not configured')
        self._threads = computing, following = (
            InferenceThread(), start_one_core_thread('following'))
        shared = Shared(self, self._engine, computing, following, self._parameter_server,
                        self._start_settings)
        for camera in self._cameras:
            camera.follow(shared)

    def stop(self) -> None:
        """Unsubscribe and finish the current frame; nothing is published after that."""
        for camera in self._cameras:
            camera.leave()
        threads, self._threads = self._threads, ()
        for thread in threads:
            if not thread.stop(_STOP_LIMIT_S):
                self.get_logger().error(
                    f'a frame is still being computed after {_STOP_LIMIT_S} s; its outputs are '
                    f'lost')
        if threads:
            # These names would keep what the threads refer to while memory is freed.
            del thread, threads
            free_memory()

    def tear_down(self) -> None:
        """Remove the topics from the graph and free the model."""
        for camera in self._cameras:
            camera.withdraw()
        engine, self._engine = self._engine, None
        if engine is not None:
            # With this last reference to the network, none of its memory could be freed.
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
        # Timers of ROS repeat; this one is to run once.
        self.destroy_timer(self._autostart_timer)
        self.autostart()

    def _watch_cameras(self) -> None:
        """Log which cameras are silent, and give up where computing cannot succeed."""
        reasons = [camera.stream.watch() for camera in self._cameras if camera.stream is not None]
        hopeless = next(filter(None, reasons), '')
        if hopeless:
            self.give_up(hopeless)

    def _publish_diagnostics(self) -> None:
        # Each value is allowed, but before the node is configured two may conflict: no settings.
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
            entries={
                **model_entries(engine, self._start_settings.model),
                **engine_entries(engine, values),
                **memory_entries(engine),
            },
        )


def main() -> int:
    """Run the perception node until SIGINT or SIGTERM; return the exit code."""
    return run_node(PerceptionNode)


if __name__ == '__main__':
    sys.exit(main())
