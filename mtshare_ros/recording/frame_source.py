"""Frames in their order, wherever they come from."""

from dataclasses import dataclass
from typing import Callable, Iterator, Protocol

from mtshare_ros.recording.perceiving import RecordedFrame


class Listener(Protocol):
    """Somebody who is told, a line each, what the frames do not show."""

    def skip(self, line: str) -> None:
        """Hear of a frame that cannot be read and is left out."""

    def note(self, line: str) -> None:
        """Hear of anything else that the user should know."""


@dataclass(frozen=True)
class FrameSource:
    """
    Frames in their order.

    ``count`` is how many there are, None where nobody knows. ``continuous`` says that they follow
    each other in time, ``live`` that they end only when somebody says so. ``read`` goes through
    them; what ends them too early is raised as RecordingError.
    """

    count: int | None
    continuous: bool
    read: Callable[[Listener], Iterator[RecordedFrame]]
    live: bool = False
