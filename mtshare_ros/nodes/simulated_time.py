"""Whether simulated time is asked for, and whether it passes."""

import time
from typing import Callable

from rclpy.clock import ROSClock

_STILL_AFTER_S = 2.0

NO_CLOCK = (
    'use_sim_time is true, but nothing was received on /clock: start what publishes it (a '
    'simulator, or ros2 bag play with --clock), or set use_sim_time to false'
)
STANDS_STILL = (
    'use_sim_time is true, and /clock stands still: the simulator or the bag that publishes it is '
    'paused or has ended'
)


class SimulatedTime:
    """Watches the clock of a node, which ``use_sim_time`` lets follow the topic /clock."""

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
        """Return why simulated time does not pass, or an empty text; to be asked repeatedly."""
        reading, now_s = self._clock.now().nanoseconds, self._steady_clock()
        if reading != self._reading:
            self._reading, self._moved_s = reading, now_s
        if not self.is_active:
            return ''
        if reading == 0:
            return NO_CLOCK
        return STANDS_STILL if now_s - self._moved_s > _STILL_AFTER_S else ''
