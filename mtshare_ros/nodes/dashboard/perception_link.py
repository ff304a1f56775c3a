"""The connection of the dashboard to the perception node, in the executor's thread."""

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
    Runs functions in the executor's thread, in the order in which they were posted.

    rclpy's objects are made, used and destroyed in that thread only. The queue holds at most what
    the open pages requested since the executor last ran it.
    """

    def __init__(self, node: Node) -> None:
        # Needs no lock: appending to a deque and popping from it are atomic.
        self._functions: deque[Callable[[], None]] = deque()
        self._bell = node.create_guard_condition(self._run)

    def post(self, function: Callable[[], None]) -> None:
        """Run a function soon; may be called from any thread."""
        self._functions.append(function)
        self._bell.trigger()

    def _run(self) -> None:
        while self._functions:
            self._functions.popleft()()


LOST_AFTER_S = 3.5
"""Time without diagnostics after which the node counts as lost; their period is at most 3 s."""

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
        """Whether diagnostics of the node came lately."""
        return bool(self._statuses) and self._silent_s() < LOST_AFTER_S

    def entry(self, name: str) -> str:
        """Return an entry that is the same for every camera, an empty text without it."""
        return next((status['entries'].get(name, '') for status in self._statuses.values()), '')

    @property
    def entries(self) -> dict[str, dict[str, str]]:
        """The last entries of each camera, by its name."""
        return {camera: status['entries'] for camera, status in self._statuses.items()}

    def read(self, message: DiagnosticArray) -> bool:
        """Keep what a message tells; return whether it is of this node."""
        names = [status.name.split(': ') for status in message.status]
        found = [(name, status) for name, status in zip(names, message.status)
                 if name[1:2] == [self._target]]
        for name, status in found:
            self._keep(': '.join(name[2:]), status)
        if found:
            self._heard_s = self._clock()
        return bool(found)

    def describe(self) -> dict[str, Any]:
        """Return what a page shows; values that are not numbers are None in the history."""
        return {
            'node': self._target, 'alive': self.is_alive, 'heard': bool(self._statuses),
            'silent_s': round(self._silent_s(), 1), 'cameras': self._statuses,
            'history': {camera: self._recent(camera) for camera in self._history},
        }

    def _silent_s(self) -> float:
        return self._clock() - self._heard_s

    def _keep(self, camera: str, status: DiagnosticStatus) -> None:
        entries = {item.key: item.value for item in status.values}
        self._statuses[camera] = {
            'level': _LEVELS.get(status.level, 'error'), 'message': status.message,
            'entries': entries,
        }
        points = self._history.setdefault(camera, deque(maxlen=2 * int(HISTORY_S)))
        points.append((self._clock(), {name: _number(entries.get(name)) for name in _CHARTED}))

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
    Sends diagnostics, pictures and parameters to the pages, and carries out their requests.

    ``watch``, ``set_parameter`` and ``reset`` may be called from any thread: this is the
    ``Backend`` of the hub.
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
        """Subscribe to the topics of these channels, and to no others."""
        wanted = frozenset(self._channels[number] for number in channels)
        self._inbox.post(lambda: self._feed.watch(wanted))

    def set_parameter(self, name: str, value: Any, reply: Reply) -> None:
        """Set a parameter of the perception node."""
        self._inbox.post(lambda: self._parameters.set(name, value, reply))

    def reset(self, camera: str, reply: Reply) -> None:
        """Make the perception node forget what it remembers of a camera."""
        self._inbox.post(lambda: self._reset.call(camera, reply))

    def _read_diagnostics(self, message: DiagnosticArray) -> None:
        if self._watch.read(message):
            self._class_names.follow(self._watch.entry('labels'))
            for camera, entries in self._watch.entries.items():
                self._feed.follow(
                    camera, entries.get('image_topic', ''), entries.get('image_transport', ''))
            self._tell_status()

    def _look(self) -> None:
        """Notice what no message tells: a silent node, and answers that do not come."""
        self._calls.expire()
        if not self._watch.is_alive:
            self._parameters.forget()
            self._tell_status()
        elif not self._parameters.are_known:
            self._parameters.read()

    def _tell_status(self) -> None:
        obstacles = self._reset.obstacles()
        self._audience.tell('status', {**self._watch.describe(), 'reset_obstacles': obstacles})
