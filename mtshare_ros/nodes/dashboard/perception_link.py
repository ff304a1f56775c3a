"""What the dashboard has of the perception node: all of ROS, in the thread of the executor."""

from collections import deque
import math
import time
from typing import Any, Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from mtshare_ros.nodes.dashboard.channels import Channel
from mtshare_ros.nodes.dashboard.hub import Audience, Reply
from mtshare_ros.nodes.dashboard.parameter_table import DashboardSettings
from mtshare_ros.nodes.dashboard.picture_feed import ClassNames, PictureFeed
from mtshare_ros.nodes.dashboard.remote_parameters import RemoteParameters
from mtshare_ros.nodes.dashboard.service_calls import ResetServices, ServiceCalls
from mtshare_ros.nodes.notices import Notices


class RosInbox:
    """
    Runs functions in the executor's thread, in the order they came.

    rclpy's entities are made, used and destroyed in that thread only. It never holds more than
    what the open pages asked for since the executor last looked.
    """

    def __init__(self, node: Node) -> None:
        self._functions: deque[Callable[[], None]] = deque()
        self._bell = node.create_guard_condition(self._run)

    def post(self, function: Callable[[], None]) -> None:
        """Have a function run soon; for any thread."""
        self._functions.append(function)
        self._bell.trigger()

    def _run(self) -> None:
        while self._functions:
            self._functions.popleft()()


LOST_AFTER_S = 3.5
"""Silence after which the node counts as lost; it speaks once a second, at least every third."""

HISTORY_S = 60.0

_LEVELS = {
    DiagnosticStatus.OK: 'ok', DiagnosticStatus.WARN: 'warn',
    DiagnosticStatus.ERROR: 'error', DiagnosticStatus.STALE: 'warn',
}
_CHARTED = ('inference_ms_p50', 'inference_ms_p95', 'age_ms_p50', 'age_ms_p95',
            'active_fraction', 'macs_saved_percent')


class NodeWatch:
    """
    The diagnostics of one node, one status for each of its cameras.

    ``target`` is the node's full name. A status is called ``<program>: <target>``, and
    ``<program>: <target>: <camera>`` where there are several cameras.
    """

    def __init__(self, target: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._target = target
        self._clock = clock
        self._heard_s = clock()
        self._statuses: dict[str, dict[str, Any]] = {}
        self._history: dict[str, deque[tuple[float, dict[str, float | None]]]] = {}

    @property
    def is_alive(self) -> bool:
        """Whether the node has spoken lately."""
        return bool(self._statuses) and self._silent_s() < LOST_AFTER_S

    def figure(self, name: str) -> str:
        """Return a figure that holds for every camera, an empty text where it was not told."""
        return next((status['figures'].get(name, '') for status in self._statuses.values()), '')

    @property
    def figures(self) -> dict[str, dict[str, str]]:
        """The figures told last of each camera, by its name."""
        return {camera: status['figures'] for camera, status in self._statuses.items()}

    def read(self, message: DiagnosticArray) -> bool:
        """Take in a message; return whether it is one of the node's."""
        names = [status.name.split(': ') for status in message.status]
        found = [(name, status) for name, status in zip(names, message.status)
                 if name[1:2] == [self._target]]
        for name, status in found:
            self._keep(': '.join(name[2:]), status)
        if found:
            self._heard_s = self._clock()
        return bool(found)

    def describe(self) -> dict[str, Any]:
        """Return what a page shows; figures that are no numbers are None in the history."""
        return {
            'node': self._target, 'alive': self.is_alive, 'heard': bool(self._statuses),
            'silent_s': round(self._silent_s(), 1), 'cameras': self._statuses,
            'history': {camera: self._recent(camera) for camera in self._history},
        }

    def _silent_s(self) -> float:
        return self._clock() - self._heard_s

    def _keep(self, camera: str, status: DiagnosticStatus) -> None:
        figures = {item.key: item.value for item in status.values}
        self._statuses[camera] = {
            'level': _LEVELS.get(status.level, 'error'), 'message': status.message,
            'figures': figures,
        }
        points = self._history.setdefault(camera, deque(maxlen=2 * int(HISTORY_S)))
        points.append((self._clock(), {name: _number(figures.get(name)) for name in _CHARTED}))

    def _recent(self, camera: str) -> list[dict[str, float | None]]:
        now_s = self._clock()
        return [{'age_s': round(now_s - at_s, 1), **values}
                for at_s, values in self._history[camera] if now_s - at_s <= HISTORY_S]


def _number(text: str | None) -> float | None:
    try:
        value = float(text or 'nan')
    except ValueError:
        return None
    return value if math.isfinite(value) else None


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
