"""Saying a thing once, not once a frame."""

import threading
import time
from typing import Callable

from rclpy.impl.rcutils_logger import RcutilsLogger

MOST_SUBJECTS = 20
"""Different faults told at a time; a publisher can make every message wrong in another way."""


class Notices:
    """
    A logger that repeats a line only after a while, and a state only when it changed.

    Faults of single frames come at the rate of the camera; one line says as much as a thousand.
    Several threads may tell theirs.
    """

    def __init__(
        self, logger: RcutilsLogger, repeat_after_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._repeat_after_s = repeat_after_s
        self._clock = clock
        self._lock = threading.Lock()
        self._said_at: dict[str, float] = {}
        self._states: dict[str, str] = {}

    def warn(self, topic: str, text: str) -> None:
        """Warn about one subject, at most once in a while for each subject."""
        if self._is_due(topic):
            self._logger.warning(text)

    def error(self, topic: str, text: str) -> None:
        """Report an error of one subject, at most once in a while for each subject."""
        if self._is_due(topic):
            self._logger.error(text)

    def state(self, topic: str, text: str, *, warning: bool = False) -> None:
        """Tell a state when it differs from the one said last; '' ends it silently."""
        if self._states.get(topic, '') == text:
            return
        self._states[topic] = text
        # rclpy holds every line of code to one severity.
        if text and warning:
            self._logger.warning(text)
        elif text:
            self._logger.info(text)

    def _is_due(self, topic: str) -> bool:
        with self._lock:
            return self._note(topic)

    def _note(self, topic: str) -> bool:
        now = self._clock()
        self._said_at = {
            subject: said_at for subject, said_at in self._said_at.items()
            if now - said_at < self._repeat_after_s
        }
        if topic in self._said_at or len(self._said_at) > MOST_SUBJECTS:
            return False
        self._said_at[topic] = now
        if len(self._said_at) <= MOST_SUBJECTS:
            return True
        self._logger.warning(
            f'more than {MOST_SUBJECTS} different faults within {self._repeat_after_s:.0f} s: '
            f'further ones are dropped from the log, the diagnostics count them'
        )
        return False
