"""Saying a thing once, not once a frame."""

import time
from typing import Callable

from rclpy.impl.rcutils_logger import RcutilsLogger


class Notices:
    """
    A logger that repeats a line only after a while, and a state only when it changed.

    Faults of single frames come at the rate of the camera; one line says as much as a thousand.
    """

    def __init__(
        self, logger: RcutilsLogger, repeat_after_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._repeat_after_s = repeat_after_s
        self._clock = clock
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

    def state(self, topic: str, text: str) -> None:
        """Inform about a state when it differs from the one said last; '' ends it silently."""
        if self._states.get(topic, '') != text:
            self._states[topic] = text
            if text:
                self._logger.info(text)

    def _is_due(self, topic: str) -> bool:
        now = self._clock()
        if now - self._said_at.get(topic, -float('inf')) < self._repeat_after_s:
            return False
        self._said_at[topic] = now
        return True
