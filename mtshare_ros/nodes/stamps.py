"""How old an image is by its stamp, and whether the stamp can be believed."""

from dataclasses import dataclass
import math

from builtin_interfaces.msg import Time as Stamp
from rclpy.clock import Clock

from mtshare_ros.messages.continuity import nanoseconds_of

FUTURE_TOLERANCE_S = 0.1
"""How far clocks of two machines may be apart before the node says so."""
OLDEST_S = 60.0
"""Age above which stamps are taken to come from another clock."""


@dataclass(frozen=True)
class ImageAge:
    """Milliseconds since the stamp, not negative, NaN where unknown; and what is odd about it."""

    milliseconds: float
    fault: str = ''


def measure_age(stamp: Stamp, clock: Clock) -> ImageAge:
    """Return the age of an image by a clock, the node's own: it follows simulated time."""
    taken = nanoseconds_of(stamp)
    if taken == 0:
        return ImageAge(math.nan, 'the images have no stamps (0.0 s): their age is not known')
    age_s = (clock.now().nanoseconds - taken) / 1e9
    return ImageAge(max(0.0, age_s * 1e3), _find_fault(age_s))


def _find_fault(age_s: float) -> str:
    if age_s < -FUTURE_TOLERANCE_S:
        return ("the images have stamps ahead of this node's clock, their ages count as 0; "
                'synchronise the clocks of both machines')
    if age_s > OLDEST_S:
        return (f"the stamps of the images are more than {OLDEST_S:.0f} s behind this node's "
                f'clock; where they come from a bag or a simulator, set use_sim_time and have it '
                f'publish /clock')
    return ''
