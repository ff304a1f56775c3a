"""Faults of the input: images that do not come, and stamps that cannot be believed."""

from collections import deque
from dataclasses import dataclass
import math
import time
from typing import Callable

from builtin_interfaces.msg import Time as Stamp
from rclpy.clock import ROSClock
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, qos_check_compatible, QoSCompatibility, QoSProfile
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from mtshare_ros.nodes.perception.input_topics import TRANSPORTS
from mtshare_ros.stamps import nanoseconds_of

FUTURE_TOLERANCE_S = 0.1
"""How far the clocks of two machines may differ before the node reports it."""
SIMULATED_TOLERANCE_S = 2.0
"""The same for simulated time, which advances in steps."""
OLDEST_S = 60.0
"""Age above which stamps are assumed to come from another clock."""

_STILL_AFTER_S = 2.0
_INTERVALS_KEPT = 10
_USUAL_INTERVALS = 3.0
_REPORTED_AFTER = 3

NO_CLOCK = (
    'use_sim_time is true, but nothing was received on /clock: start what publishes it (a '
    'simulator, or ros2 bag play with --clock), or set use_sim_time to false'
)
CLOCK_STOPPED = (
    'use_sim_time is true, and the time on /clock does not change: the simulator or the bag that '
    'publishes it is paused or has ended'
)
_TIME_OF_DAY = (
    'use_sim_time is true, but the images are stamped with the time of day, not with that of '
    '/clock: have the camera use simulated time as well, or set use_sim_time to false'
)
_AHEAD_OF_CLOCK = (
    'use_sim_time is true, and the images have stamps ahead of /clock, their ages count as 0: let '
    'one simulator or one bag publish both'
)
_BEHIND_CLOCK = (
    f'use_sim_time is true, and the stamps of the images are more than {OLDEST_S:.0f} s behind '
    f'/clock: let one simulator or one bag publish both'
)


class SimulatedTime:
    """Watches the clock of a node, which follows the topic /clock under ``use_sim_time``."""

    def __init__(
        self, clock: ROSClock, steady_clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._steady_clock = steady_clock
        self._reading = -1
        self._moved_s = steady_clock()

    @property
    def is_active(self) -> bool:
        """Whether the node's clock follows /clock."""
        return self._clock.ros_time_is_active

    def find_fault(self) -> str:
        """Return why simulated time does not pass, or an empty text; call it repeatedly."""
        reading, now_s = self._clock.now().nanoseconds, self._steady_clock()
        if reading != self._reading:
            self._reading, self._moved_s = reading, now_s
        if not self.is_active:
            return ''
        # ROS time reads 0 until the first message on /clock.
        if reading == 0:
            return NO_CLOCK
        return CLOCK_STOPPED if now_s - self._moved_s > _STILL_AFTER_S else ''


@dataclass(frozen=True)
class InputChange:
    """What to log about the input: a silence (``warning``) or its end (``info``)."""

    warning: str = ''
    info: str = ''


class InputWatch:
    """
    Notices when the images of one subscription stay away.

    Call ``seen`` for every image and ``check`` now and then. A silence is longer than the time-out
    and than three intervals that are usual for this camera. It is reported when it begins, when
    its cause changes, and when it ends. ``topic`` is the name before remapping.
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
        self._intervals_s: deque[float] = deque(maxlen=_INTERVALS_KEPT)
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
        # The time from the subscription to the first image is no interval between images.
        if not self._is_first:
            self._intervals_s.append(silent_s)
        self._is_first = False
        if not self._silence:
            return InputChange()
        self._silence = ''
        topic = self._subscription.topic_name
        return InputChange(info=f'images on {topic} again, after {silent_s:.1f} s')

    def check(self, timeout_s: float) -> InputChange:
        """Look for a silence longer than the time-out; return a new or changed one."""
        now_s, clock_fault = self._clock(), self._simulated_time.find_fault()
        timeout_s = max(timeout_s, _USUAL_INTERVALS * self._usual_interval_s())
        # Also since the last check: looking for the cause once in a time-out is enough.
        if now_s - max(self._last_seen_s, self._last_check_s) < timeout_s:
            return InputChange()
        self._last_check_s = now_s
        topic = self._subscription.topic_name
        reason = self._find_reason(topic)
        silence = f'no image on {topic} for more than {timeout_s:.1f} s: {reason}'
        silence += f'; {clock_fault}' if clock_fault else ''
        is_news, self._silence = silence != self._silence, silence
        return InputChange(warning=silence if is_news else '')

    def _usual_interval_s(self) -> float:
        """
        Return the usual interval between images in seconds, 0.0 before the second interval.

        It is the second longest of the last few intervals: that suits slow cameras and cameras
        that send bursts, and a single failure of a fast camera does not count.
        """
        longest = sorted(self._intervals_s)[-2:]
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
        """Return how to get what a publisher sent before this node came, where it keeps that."""
        kept = DurabilityPolicy.TRANSIENT_LOCAL
        if offered.durability != kept or self._subscription.qos_profile.durability == kept:
            return ''
        prefix = f'qos_overrides.{self._subscription.topic_name}.subscription'
        return (f'; for what it sent before this node came, set {prefix}.durability to '
                f'transient_local and {prefix}.reliability to reliable')


def _other_transport(type_name: str) -> str:
    names = [name for name, item in TRANSPORTS.items() if item.type_name == type_name]
    return f'; image_transport: {names[0]} takes it' if names else ''


@dataclass(frozen=True)
class ImageAge:
    """The age by the stamp in milliseconds, not negative, NaN where unknown, and its fault."""

    milliseconds: float
    fault: str = ''


class AgeMeter:
    """
    Measures the ages of one camera's images by the node's clock.

    A fault of simulated time is reported from the third image in a row on: when a simulation or a
    bag starts again, images and clock do not match for a moment.
    """

    def __init__(
        self, clock: ROSClock, steady_clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._simulated = SimulatedTime(clock, steady_clock)
        self._faults_in_a_row = 0

    def measure(self, stamp: Stamp) -> ImageAge:
        """Return the age of an image."""
        taken = nanoseconds_of(stamp)
        if taken == 0:
            return ImageAge(math.nan, 'the images have no stamps (0.0 s): their age is not known')
        age_s = (self._clock.now().nanoseconds - taken) / 1e9
        if not self._simulated.is_active:
            return ImageAge(max(0.0, age_s * 1e3), _find_fault(age_s))
        fault = self._find_simulated_fault(taken / 1e9, age_s)
        self._faults_in_a_row = self._faults_in_a_row + 1 if fault else 0
        told = fault if self._faults_in_a_row >= _REPORTED_AFTER else ''
        # Without a clock the time reads 0, and every age would come out as 0.
        return ImageAge(math.nan if fault == NO_CLOCK else max(0.0, age_s * 1e3), told)

    def _find_simulated_fault(self, taken_s: float, age_s: float) -> str:
        clock_fault = self._simulated.find_fault()
        if clock_fault == NO_CLOCK:
            return clock_fault
        if -SIMULATED_TOLERANCE_S <= age_s <= OLDEST_S:
            return ''
        # Before those below, which would name the wrong cause for stamps of another clock.
        if abs(age_s) > OLDEST_S and abs(taken_s - self._wall_clock()) < OLDEST_S:
            return _TIME_OF_DAY
        if age_s > OLDEST_S:
            return _BEHIND_CLOCK
        return clock_fault or _AHEAD_OF_CLOCK


def _find_fault(age_s: float) -> str:
    if age_s < -FUTURE_TOLERANCE_S:
        return ("the images have stamps ahead of this node's clock, their ages count as 0; "
                'synchronise the clocks of both machines')
    if age_s > OLDEST_S:
        return (f"the stamps of the images are more than {OLDEST_S:.0f} s behind this node's "
                f'clock; where they come from a bag or a simulator, set use_sim_time and have it '
                f'publish /clock')
    return ''
