"""How old an image is by its stamp, and whether the stamp can be believed."""

from dataclasses import dataclass
import math
import time
from typing import Callable

from builtin_interfaces.msg import Time as Stamp
from rclpy.clock import ROSClock

from mtshare_ros.messages.continuity import nanoseconds_of
from mtshare_ros.nodes.simulated_time import NO_CLOCK, SimulatedTime

FUTURE_TOLERANCE_S = 0.1
"""How far clocks of two machines may be apart before the node says so."""
SIMULATED_TOLERANCE_S = 2.0
"""The same for simulated time, which comes in steps."""
OLDEST_S = 60.0
"""Age above which stamps are taken to come from another clock."""

_BELIEVED_AFTER = 3

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


@dataclass(frozen=True)
class ImageAge:
    """Milliseconds since the stamp, not negative, NaN where unknown; and what is odd about it."""

    milliseconds: float
    fault: str = ''


class AgeMeter:
    """
    Measures the ages of one camera's images by a clock, the node's own.

    A fault of simulated time is told from the third image in a row on: at its start, and where a
    bag begins anew, images and clock are not in step for a moment.
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
        told = fault if self._faults_in_a_row >= _BELIEVED_AFTER else ''
        return ImageAge(math.nan if fault == NO_CLOCK else max(0.0, age_s * 1e3), told)

    def _find_simulated_fault(self, taken_s: float, age_s: float) -> str:
        clock_fault = self._simulated.find_fault()
        if clock_fault == NO_CLOCK:
            return clock_fault
        if -SIMULATED_TOLERANCE_S <= age_s <= OLDEST_S:
            return ''
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
