"""Being told to stop, without an exception in the middle of a line."""

import signal
from types import FrameType
from typing import Any


class StopRequest:
    """
    Notes SIGINT and SIGTERM while it is entered; ``requested`` says whether one came.

    A second one changes nothing: what is being ended ends within seconds.
    """

    def __init__(self) -> None:
        self.requested = False
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> 'StopRequest':
        for number in (signal.SIGINT, signal.SIGTERM):
            self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
