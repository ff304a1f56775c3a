"""Log lines once, not once for every frame."""

import threading
import time
from typing import Callable

from rclpy.impl.rcutils_logger import RcutilsLogger

MOST_SUBJECTS = 20
"""Different faults logged at a time; a publisher may send a new one with every message."""


class Notices:
    """
    A logger that repeats a line only after a while, and logs a state only when it changes.

    Otherwise a fault of every frame would be logged at the rate of the camera. Several threads may
    use one object.
    """

    def __init__(
        self, logger: RcutilsLogger, repeat_after_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._repeat_after_s = repeat_after_s
        self._clock = clock
        self._lock = threading.Lock()
        self._logged_at: dict[str, float] = {}
        self._states: dict[str, str] = {}

    def warn(self, subject: str, text: str) -> None:
        """Log a warning, at most once in ``repeat_after_s`` for each subject."""
        if self._is_due(subject):
            self._logger.warning(text)

    def error(self, subject: str, text: str) -> None:
        """Log an error, at most once in ``repeat_after_s`` for each subject."""
        if self._is_due(subject):
            self._logger.error(text)

    def state(self, subject: str, text: str, *, warning: bool = False) -> None:
        """Log the state of a subject when it has changed; an empty text is not logged."""
        if self._states.get(subject, '') == text:
            return
        self._states[subject] = text
        # Two calls, because rclpy allows only one severity for each line of code.
        if text and warning:
            self._logger.warning(text)
        elif text:
            self._logger.info(text)

    def _is_due(self, subject: str) -> bool:
        with self._lock:
            return self._note(subject)

    def _note(self, subject: str) -> bool:
        now = self._clock()
        self._logged_at = {
            known: logged_at for known, logged_at in self._logged_at.items()
            if now - logged_at < self._repeat_after_s
        }
        if subject in self._logged_at or len(self._logged_at) > MOST_SUBJECTS:
            return False
        # Kept even if it is one too many: then the line below is logged once, not every time.
        self._logged_at[subject] = now
        if len(self._logged_at) <= MOST_SUBJECTS:
            return True
        self._logger.warning(
            f'more than {MOST_SUBJECTS} different faults within {self._repeat_after_s:.0f} s: '
            f'further ones are dropped from the log, the diagnostics count them'
        )
        return False
