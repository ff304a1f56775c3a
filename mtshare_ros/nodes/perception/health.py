"""Noticing that no image comes, and finding out why."""

from collections import deque
from dataclasses import dataclass
import time
from typing import Callable

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, qos_check_compatible, QoSCompatibility, QoSProfile
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from mtshare_ros.nodes.perception.image_input import TRANSPORTS
from mtshare_ros.nodes.simulated_time import SimulatedTime

_WAITS_KEPT = 10
_PATIENCE = 3.0


@dataclass(frozen=True)
class InputChange:
    """What is new about the input: a silence (``warning``), or the end of one (``info``)."""

    warning: str = ''
    info: str = ''


class InputWatch:
    """
    Watches one image subscription for silence.

    ``seen`` is told of every image and ``check`` asked now and then. A silence is reported when
    it began and when it ended, and in between where its cause has become another. It is longer
    than the time-out, and than three of the waits that are usual for this camera. ``topic`` is
    the name before remapping.
    """

    def __init__(
        self, node: Node, subscription: Subscription, topic: str, message_type: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._subscription = subscription
        self._topic = topic
        self._message_type = message_type
        self._simulated_time = SimulatedTime(node.get_clock(), clock)
        self._clock = clock
        self._last_seen_s = self._last_check_s = clock()
        self._waits_s: deque[float] = deque(maxlen=_WAITS_KEPT)
        self._is_first = True
        self._silence = ''

    @property
    def silence(self) -> str:
        """Why the input counts as silent, or an empty text."""
        return self._silence

    def seen(self) -> InputChange:
        """Note an image; return the end of a silence."""
        now_s = self._clock()
        silent_s, self._last_seen_s = now_s - self._last_seen_s, now_s
        if not self._is_first:
            self._waits_s.append(silent_s)
        self._is_first = False
        if not self._silence:
            return InputChange()
        self._silence = ''
        topic = self._subscription.topic_name
        return InputChange(info=f'images on {topic} again, after {silent_s:.1f} s')

    def check(self, timeout_s: float) -> InputChange:
        """Look for a silence longer than the time-out; return it where it is news."""
        now_s, clock_fault = self._clock(), self._simulated_time.find_fault()
        timeout_s = max(timeout_s, _PATIENCE * self._usual_wait_s())
        if now_s - max(self._last_seen_s, self._last_check_s) < timeout_s:
            return InputChange()
        self._last_check_s = now_s
        topic = self._subscription.topic_name
        reason = self._find_reason(topic)
        silence = f'no image on {topic} for more than {timeout_s:.1f} s: {reason}'
        silence += f'; {clock_fault}' if clock_fault else ''
        is_news, self._silence = silence != self._silence, silence
        return InputChange(warning=silence if is_news else '')

    def _usual_wait_s(self) -> float:
        """
        Return the longest wait for an image that is no exception, 0.0 where none is known.

        It is the second longest of the last few: cameras that send bursts are followed as well
        as slow ones, and one failure of a fast camera is not.
        """
        longest = sorted(self._waits_s)[-2:]
        return longest[0] if longest else 0.0

    def _find_reason(self, topic: str) -> str:
        publishers = self._node.get_publishers_info_by_topic(topic)
        if not publishers:
            return f'it has no publisher; start the camera, or remap "{self._topic}" to its topic'
        count = f'{len(publishers)} publisher{"s" if len(publishers) > 1 else ""}'
        return f'{count}: ' + '; '.join(self._describe(item) for item in publishers)

    def _describe(self, publisher: TopicEndpointInfo) -> str:
        qos = publisher.qos_profile
        name = f'{publisher.node_namespace.rstrip("/")}/{publisher.node_name}'
        offer = f'{name} ({qos.reliability.name.lower()}, {qos.durability.name.lower()})'
        if publisher.topic_type != self._message_type:
            return (f'{offer} publishes {publisher.topic_type}, {self._message_type} is needed'
                    f'{_other_transport(publisher.topic_type)}')
        verdict, reason = qos_check_compatible(qos, self._subscription.qos_profile)
        if verdict == QoSCompatibility.ERROR:
            return f'{offer} is incompatible: {reason.strip()}'
        return f'{offer} is compatible but sends nothing that arrives{self._hint_of(qos)}'

    def _hint_of(self, offered: QoSProfile) -> str:
        """Tell how to get what a publisher sent before this node came, where it keeps that."""
        kept = DurabilityPolicy.TRANSIENT_LOCAL
        if offered.durability != kept or self._subscription.qos_profile.durability == kept:
            return ''
        prefix = f'qos_overrides.{self._subscription.topic_name}.subscription'
        return (f'; for what it sent before this node came, set {prefix}.durability to '
                f'transient_local and {prefix}.reliability to reliable')


def _other_transport(type_name: str) -> str:
    names = [name for name, item in TRANSPORTS.items() if item.type_name == type_name]
    return f'; image_transport: {names[0]} takes it' if names else ''
