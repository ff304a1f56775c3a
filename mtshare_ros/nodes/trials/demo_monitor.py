"""A node that measures a perception node and its camera: rates, ages, maps and diagnostics."""

from dataclasses import dataclass, field
import time
from typing import Any, Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from sensor_msgs.msg import Image

from mtshare_ros.image_frame import fit_image, frame_to_cover
from mtshare_ros.inference.map_outputs import METRIC_OUTPUTS
from mtshare_ros.messages.image_messages import read_map
from mtshare_ros.nodes.codec import image_to_rgb
from mtshare_ros.nodes.perception.output_publishers import MESSAGE_TYPES
from mtshare_ros.nodes.qos import image_output
from mtshare_ros.nodes.rates import RecentValues

OUTPUT_TOPICS = {
    output.topic: MESSAGE_TYPES[output.message] for output in METRIC_OUTPUTS if not output.latched
}
"""The topics that the perception node publishes with every frame, and their types."""

INPUT_TOPIC = 'image'
FOUND_TOPICS = {'mask': 'semantic/mask', 'depth': 'depth/image', 'normals': 'normals/image',
                'edges': 'edges/image'}
"""Predicted maps of a matched set, by field."""

TRUTH_TOPICS = {name: f'ground_truth/{topic}' for name, topic in FOUND_TOPICS.items()}

_RECENT_S = 2.0
_PENDING_SETS = 64  # two seconds of a 30 Hz camera, because a slow model lags behind
_SETS_KEPT = 24


class TopicTally:
    """Arrivals on one topic: their number, rate and ages."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recent = RecentValues(clock, _RECENT_S)
        self._first = self._last = 0.0
        self.count = 0
        self.ages_ms: list[float] = []

    def add(self, age_ms: float) -> None:
        """Note one arrival and the age of its stamp."""
        self._last = self._clock()
        self._first = self._first if self.count else self._last
        self.count += 1
        self._recent.add(age_ms)
        self.ages_ms.append(age_ms)

    def mean_hz(self) -> float:
        """Return the rate from the first arrival to the last one."""
        span = self._last - self._first
        return (self.count - 1) / span if span > 0 else 0.0

    def recent_hz(self) -> float:
        """Return the rate of the last two seconds."""
        return self._recent.rate_hz()

    def recent_age_ms(self) -> float:
        """Return the median age of the last arrivals, NaN before the first."""
        return float(np.median(self.ages_ms[-30:])) if self.ages_ms else float('nan')


@dataclass(frozen=True)
class NodeStatus:
    """The newest diagnostic status of a perception node, the ``count``-th one received."""

    count: int = 0
    level: bytes = DiagnosticStatus.STALE
    message: str = 'nothing was received'
    values: Mapping[str, str] = field(default_factory=dict)

    def after(self, message: DiagnosticArray, name: str) -> 'NodeStatus':
        """Return the status of this name in a message on /diagnostics, or this one without it."""
        for status in message.status:
            if status.name == name:
                values = {item.key: item.value for item in status.values}
                return NodeStatus(self.count + 1, status.level, status.message, values)
        return self

    @property
    def is_ok(self) -> bool:
        """Whether the level is OK."""
        return self.level == DiagnosticStatus.OK

    @property
    def failed(self) -> bool:
        """Whether the level is ERROR."""
        return self.level == DiagnosticStatus.ERROR

    @property
    def is_active(self) -> bool:
        """Whether the lifecycle state is active."""
        return self.values.get('state') == 'active'

    def number(self, key: str) -> float:
        """Return the number of an entry, NaN where there is none."""
        try:
            return float(self.values[key])
        except (KeyError, ValueError):
            return float('nan')


@dataclass(frozen=True)
class MatchedSet:
    """
    One camera image, with true and predicted maps of exactly its stamp.

    All have the size of the predicted maps; the image is (H, W, 3) uint8.
    """

    image: np.ndarray
    truth: dict[str, np.ndarray]
    found: dict[str, np.ndarray]


class SetCollector:
    """
    Groups messages of equal stamps and keeps some complete sets, spread over the whole time.

    When too many are kept, every second one is dropped and new ones are kept half as often.
    Without ``truth`` a set is complete without true maps.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, truth: bool = True
    ) -> None:
        self._clock = clock
        self._pending: dict[int, dict[str, Image]] = {}
        self._kept: list[dict[str, Image]] = []
        self._pause_s = 0.25
        self._last = float('-inf')
        self._topics = {
            INPUT_TOPIC, *FOUND_TOPICS.values(), *(TRUTH_TOPICS.values() if truth else ())}

    @property
    def topics(self) -> set[str]:
        """Topics a set is made of."""
        return self._topics

    def add(self, topic: str, stamp: int, message: Image) -> None:
        """Add one message; ``stamp`` in nanoseconds."""
        found = self._pending.setdefault(stamp, {})
        found[topic] = message
        if len(found) == len(self._topics):
            self._keep(self._pending.pop(stamp))
        # Sets of images that the node left out never become complete.
        while len(self._pending) > _PENDING_SETS:
            del self._pending[next(iter(self._pending))]

    def sets(self, count: int) -> list[MatchedSet]:
        """Return at most ``count`` sets, evenly spread, oldest first."""
        chosen = np.linspace(0, len(self._kept) - 1, min(count, len(self._kept)))
        return [_decode(self._kept[round(place)]) for place in chosen]

    def _keep(self, messages: dict[str, Image]) -> None:
        now = self._clock()
        if now - self._last < self._pause_s:
            return
        self._last = now
        self._kept.append(messages)
        if len(self._kept) > _SETS_KEPT:
            self._kept = self._kept[::2]
            self._pause_s *= 2


class DemoMonitor(Node):
    """
    Subscribes to every output of the perception node in its own namespace, and to its diagnostics.

    With a ``collector`` also to the topics of that. Its subscriptions make the perception node
    compute everything.
    """

    def __init__(self, *, namespace: str, collector: SetCollector | None) -> None:
        super().__init__('demo_monitor', namespace=namespace)
        self._status_name = f'perception_node: {self.get_namespace()}/perception_node'
        self.tallies = {topic: TopicTally() for topic in OUTPUT_TOPICS}
        self.report = NodeStatus()
        self.collector = collector
        topics: dict[str, Any] = dict(OUTPUT_TOPICS)
        if self.collector is not None:
            topics.update(dict.fromkeys(sorted(self.collector.topics), Image))
        for topic, kind in topics.items():
            self.create_subscription(kind, topic, self._listener(topic), image_output())
        self.create_subscription(DiagnosticArray, '/diagnostics', self._read_diagnostics, 10)

    def has_maps(self) -> bool:
        """Return whether a map has arrived."""
        return any(tally.count for tally in self.tallies.values())

    def ages_ms(self) -> list[float]:
        """Return the age of every output at its arrival, in milliseconds."""
        return [age for tally in self.tallies.values() for age in tally.ages_ms]

    def _listener(self, topic: str) -> Callable[[Any], None]:
        def listen(message: Any) -> None:
            self._note(topic, message)

        return listen

    def _note(self, topic: str, message: Any) -> None:
        stamp = Time.from_msg(message.header.stamp).nanoseconds
        if topic in self.tallies:
            self.tallies[topic].add((self.get_clock().now().nanoseconds - stamp) / 1e6)
        if self.collector is not None and topic in self.collector.topics:
            self.collector.add(topic, stamp, message)

    def _read_diagnostics(self, message: DiagnosticArray) -> None:
        self.report = self.report.after(message, self._status_name)


class DemoWatch:
    """
    A context manager that runs a DemoMonitor inside another program.

    Signals are left to that program. ``handle`` processes what has arrived.
    """

    def __init__(self, *, namespace: str, collector: SetCollector | None = None) -> None:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self.monitor = DemoMonitor(namespace=namespace, collector=collector)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.monitor)

    def __enter__(self) -> 'DemoWatch':
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(timeout_sec=2.0)
        self.monitor.destroy_node()
        rclpy.shutdown()

    def handle(self, timeout_s: float) -> None:
        """Wait for a message, at most so long, and handle it."""
        self._executor.spin_once(timeout_sec=timeout_s)


def _decode(messages: dict[str, Image]) -> MatchedSet:
    image = image_to_rgb(messages[INPUT_TOPIC])
    truth, found = (
        {name: read_map(messages[topic]) for name, topic in topics.items() if topic in messages}
        for topics in (TRUTH_TOPICS, FOUND_TOPICS))
    size, maps = image.shape[:2], found['mask'].shape
    if size == maps:
        return MatchedSet(image, truth, found)
    framing = frame_to_cover((size[0], size[1]), (maps[0], maps[1]))
    truth = {name: framing.pick(values) for name, values in truth.items()}
    return MatchedSet(fit_image(image, framing), truth, found)
