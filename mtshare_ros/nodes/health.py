"""Noticing that no image comes, and finding out why."""

from dataclasses import dataclass
import time
from typing import Callable

from rclpy.node import Node
from rclpy.qos import qos_check_compatible, QoSCompatibility
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo


@dataclass(frozen=True)
class InputChange:
    """What is new about the input: a silence (``warning``), or the end of one (``info``)."""

    warning: str = ''
    info: str = ''


class InputWatch:
    """
    Watches one image subscription for silence.

    ``seen`` is told of every image and ``check`` asked now and then. A silence is reported when
    it began and when it ended, and in between where its cause has become another.
    """

    def __init__(
        self, node: Node, subscription: Subscription, message_type: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._subscription = subscription
        self._message_type = message_type
        self._clock = clock
        self._last_seen_s = self._last_check_s = clock()
        self._silence = ''

    @property
    def silence(self) -> str:
        """Why the input counts as silent, or an empty text."""
        return self._silence

    def seen(self) -> InputChange:
        """Note an image; return the end of a silence."""
        now_s = self._clock()
        silent_s, self._last_seen_s = now_s - self._last_seen_s, now_s
        if not self._silence:
            return InputChange()
        self._silence = ''
        topic = self._subscription.topic_name
        return InputChange(info=f'images on {topic} again, after {silent_s:.1f} s')

    def check(self, timeout_s: float) -> InputChange:
        """Look for a silence longer than the time-out; return it where it is news."""
        now_s = self._clock()
        if now_s - max(self._last_seen_s, self._last_check_s) < timeout_s:
            return InputChange()
        self._last_check_s = now_s
        topic = self._subscription.topic_name
        reason = self._find_reason(topic)
        silence = f'no image on {topic} for more than {timeout_s:.1f} s: {reason}'
        is_news, self._silence = silence != self._silence, silence
        return InputChange(warning=silence if is_news else '')

    def _find_reason(self, topic: str) -> str:
        publishers = self._node.get_publishers_info_by_topic(topic)
        if not publishers:
            return 'it has no publisher; start the camera, or remap "image" to its topic'
        count = f'{len(publishers)} publisher{"s" if len(publishers) > 1 else ""}'
        return f'{count}: ' + '; '.join(self._describe(item) for item in publishers)

    def _describe(self, publisher: TopicEndpointInfo) -> str:
        qos = publisher.qos_profile
        name = f'{publisher.node_namespace.rstrip("/")}/{publisher.node_name}'
        offer = f'{name} ({qos.reliability.name.lower()}, {qos.durability.name.lower()})'
        if publisher.topic_type != self._message_type:
            return f'{offer} publishes {publisher.topic_type}, {self._message_type} is needed'
        verdict, reason = qos_check_compatible(qos, self._subscription.qos_profile)
        if verdict == QoSCompatibility.ERROR:
            return f'{offer} is incompatible: {reason.strip()}'
        return f'{offer} is compatible but sends nothing that arrives'
