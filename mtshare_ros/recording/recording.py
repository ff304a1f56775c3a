"""What a recording offers, be it a bag, a video or a folder of images."""

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Collection, Iterator, Protocol, Sequence

from mtshare_ros.recording.bag_parts import (
    BagMessage,
    BagTopic,
    Channel,
    Damage,
    IndexEntry,
    Place,
)


class Recording(Protocol):
    """
    Recorded messages, among them images.

    ``topics`` counts the messages that can be read, ``lost`` for each topic those that should be
    there and are not. ``storage`` is the one that a new bag of it has unless another is wanted.
    ``damages`` say what is missing, and after reading also what could not be read; ``notices`` are
    messages for the user about how it is read. ``continuous`` says that its images follow each
    other in time.
    """

    path: Path
    storage: str
    distro: str
    start_ns: int
    continuous: bool
    channels: tuple[Channel, ...]
    damages: list[Damage]
    lost: Counter[str]
    notices: list[str]

    @property
    def topics(self) -> Sequence[BagTopic]:
        """The topics, each with the number of its messages."""

    def messages(
        self, names: Collection[str], start_s: float | None = None, end_s: float | None = None
    ) -> Iterator[BagMessage]:
        """Yield the messages of topics, from ``start_s`` to before ``end_s`` of its time."""

    def messages_from(self, names: Collection[str], place: Place) -> Iterator[BagMessage]:
        """
        Yield the messages of topics from a place on that their index has.

        Raises WrongIndexError before the first message where the index proves wrong.
        """

    def index(self, names: Collection[str]) -> Sequence[IndexEntry] | None:
        """
        Return the index of the messages of topics, in the order of ``messages``.

        Returns None where it is not certain, as in damaged files.
        """

    def close(self) -> None:
        """Remove and close what reading needed."""

    def __enter__(self) -> 'Recording': ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
