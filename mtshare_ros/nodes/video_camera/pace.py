"""When the frames of a recording are shown."""

import time
from typing import Callable

_LONGEST_LAG_S = 1.0
"""What is made up for by leaving frames out; after a longer pause the recording goes on."""


_LONE_S = 0.5
"""How long a recording of one frame is, which has no rate."""


class VideoPace:
    """
    Tells when the frames of a recording are due, one after the other, and which to leave out.

    ``rate_hz`` replaces the times of the recording; 0.0 keeps them. ``lags`` counts how often
    the frames came so late that the recording was put off.
    """

    def __init__(self, rate_hz: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate_hz = rate_hz
        self._clock = clock
        self._number = 0
        self._follows_s: float | None = None
        self._begin_s = 0.0
        self._last_s = self._period_s = 0.0
        self._due_s = self._shown_s = -float('inf')
        self.lags = 0

    def begin_anew(self) -> None:
        """Let the next frame, which is the first of the recording, follow the last one."""
        self._follows_s = self._due_s + (self._period_s or _LONE_S)
        self._number, self._last_s = 0, 0.0

    def wait_s(self, time_s: float) -> float:
        """Return how long the frame at a time of the recording has to wait; 0.0 for a late one."""
        if self._rate_hz > 0:
            time_s, self._period_s = self._number / self._rate_hz, 1 / self._rate_hz
        if self._number == 0:
            first_s = self._clock() if self._follows_s is None else self._follows_s
            self._begin_s = first_s - time_s
        else:
            self._period_s = time_s - self._last_s
        self._number += 1
        self._last_s, self._due_s = time_s, self._begin_s + time_s
        lag_s = self._clock() - self._due_s
        if lag_s > _LONGEST_LAG_S:
            self._begin_s += lag_s
            self._due_s += lag_s
            self.lags += 1
        return max(self._due_s - self._clock(), 0.0)

    def is_shown(self) -> bool:
        """
        Return whether the frame that is due is shown.

        One that is late is left out where the last one was shown less than a period ago: the
        recording catches up, and where decoding is too slow for it, every frame is shown.
        """
        now_s = self._clock()
        late = now_s - self._due_s > self._period_s
        if late and now_s - self._shown_s < self._period_s:
            return False
        self._shown_s = now_s
        return True
