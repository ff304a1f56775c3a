"""Noticing that no pose comes where one is asked for."""

import time
from typing import Callable

from mtshare_ros.motion.sensor_motion import Lookup
from mtshare_ros.nodes.notices import Notices

PATIENCE_S = 1.0
"""How long poses may be missing before anything is said: one that is late is no news."""


class PoseWatch:
    """
    Says once that the poses of a camera are missing, and once that they are there again.

    The thread that computes calls ``note``; the executor's reads ``fault``.
    """

    def __init__(
        self, notices: Notices, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._notices = notices
        self._clock = clock
        self._missing_since_s: float | None = None
        self.fault = ''
        """Why poses have been missing for a while, or an empty text."""

    def note(self, found: Lookup | None) -> None:
        """Note what was found for an image; None: nobody was asked."""
        if found is None or found.motion is not None:
            self._end()
            return
        if self._missing_since_s is None:
            self._missing_since_s = self._clock()
        if self._clock() - self._missing_since_s < PATIENCE_S:
            return
        first, self.fault = not self.fault, f'{found.reason}; the images decide'
        if first:
            self._notices.state('poses', f'no pose of the camera: {self.fault}', warning=True)

    def _end(self) -> None:
        if self.fault:
            self._notices.state('poses', 'poses of the camera again')
        self._missing_since_s, self.fault = None, ''
