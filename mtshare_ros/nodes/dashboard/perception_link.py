"""The perception node as the dashboard has it: everything of ROS, in the executor's thread."""

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from mtshare_ros.nodes.dashboard.audience import Audience
from mtshare_ros.nodes.dashboard.channels import Channel
from mtshare_ros.nodes.dashboard.class_names import ClassNames
from mtshare_ros.nodes.dashboard.hub import Reply
from mtshare_ros.nodes.dashboard.node_watch import NodeWatch
from mtshare_ros.nodes.dashboard.picture_feed import PictureFeed
from mtshare_ros.nodes.dashboard.remote_parameters import RemoteParameters
from mtshare_ros.nodes.dashboard.reset_service import ResetServices
from mtshare_ros.nodes.dashboard.ros_inbox import RosInbox
from mtshare_ros.nodes.dashboard.service_calls import ServiceCalls
from mtshare_ros.nodes.dashboard.settings import DashboardSettings
from mtshare_ros.nodes.notices import Notices

_LOOK_PERIOD_S = 0.5


class PerceptionLink:
    """
    Tells the audience what the perception node says and shows, and does what pages ask for.

    ``watch``, ``set_parameter`` and ``reset`` may be called from any thread: it is the hub's
    ``Backend``.
    """

    def __init__(
        self, node: Node, settings: DashboardSettings, channels: tuple[Channel, ...],
        audience: Audience,
    ) -> None:
        target = node.resolve_topic_name(settings.node)
        self._audience = audience
        self._channels = channels
        self._inbox = RosInbox(node)
        self._watch = NodeWatch(target)
        self._calls = ServiceCalls(node)
        self._parameters = RemoteParameters(
            node, target, self._calls, audience.tell_parameters)
        self._reset = ResetServices(node, target, settings.cameras, self._calls)
        self._class_names = ClassNames(settings.labels, Notices(node.get_logger()))
        self._feed = PictureFeed(node, self._class_names, settings.max_rate, audience)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._read_diagnostics, 10)
        node.create_timer(
            _LOOK_PERIOD_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def watch(self, channels: frozenset[int]) -> None:
        """Subscribe to what shows these channels, and to nothing else."""
        wanted = frozenset(self._channels[number] for number in channels)
        self._inbox.post(lambda: self._feed.watch(wanted))

    def set_parameter(self, name: str, value: Any, reply: Reply) -> None:
        """Ask the perception node for another value."""
        self._inbox.post(lambda: self._parameters.set(name, value, reply))

    def reset(self, camera: str, reply: Reply) -> None:
        """Ask the perception node to forget what it remembers of a camera."""
        self._inbox.post(lambda: self._reset.call(camera, reply))

    def _read_diagnostics(self, message: DiagnosticArray) -> None:
        if self._watch.read(message):
            self._class_names.follow(self._watch.figure('labels'))
            for camera, figures in self._watch.figures.items():
                self._feed.follow(
                    camera, figures.get('image_topic', ''), figures.get('image_transport', ''))
            self._tell_status()

    def _look(self) -> None:
        """Notice what comes as no message: silence, and answers that stay away."""
        self._calls.expire()
        if not self._watch.is_alive:
            self._parameters.forget()
            self._tell_status()
        elif not self._parameters.are_known:
            self._parameters.read()

    def _tell_status(self) -> None:
        obstacles = self._reset.obstacles()
        self._audience.tell('status', {**self._watch.describe(), 'reset_obstacles': obstacles})
