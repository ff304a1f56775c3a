"""What a trial of the perception node hears: its outputs and its diagnostics."""

from dataclasses import dataclass, field
import math
import time
from typing import Any, Callable, Iterable, Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.time import Time

from mtshare_ros.nodes import qos
from mtshare_ros.nodes.trials.demo_monitor import OUTPUT_TOPICS


@dataclass(frozen=True)
class Status:
    """The newest diagnostic status of the perception node, the ``number``-th one received."""

    number: int = 0
    is_ok: bool = False
    message: str = 'nothing was received'
    values: Mapping[str, str] = field(default_factory=dict)

    def figure(self, name: str) -> float:
        """Return one figure, NaN where it is not there."""
        try:
            return float(self.values[name])
        except (KeyError, ValueError):
            return float('nan')


class TrialListener:
    """
    Subscribes to outputs of a perception node in the same namespace, and to its diagnostics.

    ``sent`` holds when each image was published, ``time.monotonic`` by stamp in nanoseconds.
    ``topics`` are those that the node has.
    """

    def __init__(self, node: Node, sent: Mapping[int, float], topics: Sequence[str]) -> None:
        self._node = node
        self._sent = sent
        self.topics = tuple(topics)
        self._subscriptions: dict[str, Subscription] = {}
        self._status_name = f'perception_node: {node.get_namespace().rstrip("/")}/perception_node'
        self.status = Status()
        self.lowest_age_ms = float('nan')
        self.strange_stamps = 0
        self.newest: dict[str, int] = {}
        self.ages_ms: dict[str, list[float]] = {}
        node.create_subscription(DiagnosticArray, '/diagnostics', self._read_diagnostics, 10)

    def listen(self, topics: Iterable[str] | None = None) -> None:
        """Subscribe to those topics, by default all, that are not subscribed to yet."""
        for topic in self.topics if topics is None else topics:
            if topic not in self._subscriptions:
                self._subscriptions[topic] = self._node.create_subscription(
                    OUTPUT_TOPICS[topic], topic, self._listener(topic), qos.image_output())

    def leave(self, topics: Iterable[str] | None = None) -> None:
        """Take subscriptions back, by default all."""
        for topic in self.topics if topics is None else topics:
            if topic in self._subscriptions:
                self._node.destroy_subscription(self._subscriptions.pop(topic))

    def forget(self) -> None:
        """Begin a new account of ages."""
        self.ages_ms = {}

    def arrivals(self) -> int:
        """Return how many outputs came since the account began."""
        return sum(map(len, self.ages_ms.values()))

    def has_heard(self, topics: Iterable[str], since_s: float) -> bool:
        """Return whether each topic showed an image published after a ``time.monotonic``."""
        return all(
            self._sent.get(self.newest.get(topic, -1), -1.0) > since_s for topic in topics)

    def _listener(self, topic: str) -> Callable[[Any], None]:
        def listen(message: Any) -> None:
            stamp = Time.from_msg(message.header.stamp).nanoseconds
            self.newest[topic] = stamp
            if stamp in self._sent:
                age_ms = (time.monotonic() - self._sent[stamp]) * 1e3
                self.ages_ms.setdefault(topic, []).append(age_ms)
            else:
                self.strange_stamps += 1

        return listen

    def _read_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._status_name:
                self._note(status)

    def _note(self, status: DiagnosticStatus) -> None:
        self.status = Status(
            self.status.number + 1, status.level == DiagnosticStatus.OK, status.message,
            {item.key: item.value for item in status.values})
        ages = [self.status.figure(name) for name in self.status.values if 'age_ms' in name]
        known = filter(math.isfinite, (*ages, self.lowest_age_ms))
        self.lowest_age_ms = min(known, default=float('nan'))
