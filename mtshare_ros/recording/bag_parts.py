"""What a recorded bag consists of, however its files are read."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Collection, Iterator, Protocol

STORAGES = {'mcap': '.mcap', 'sqlite3': '.db3'}
"""The storages of rosbag2 and the endings of their files."""

PACKED = ('.zstd', '.zst')
"""Endings that file compression adds: that of rosbag2, and that of the command zstd."""

CDR = 'cdr'
"""The serialization of ROS 2, and the only one that is read and written."""


@dataclass(frozen=True)
class Definition:
    """The text that defines a message type, as a bag holds it; empty where it holds none."""

    encoding: str = ''
    text: str = ''


@dataclass(frozen=True)
class Channel:
    """
    Messages of one topic and type, as one publisher or recorder left them.

    ``qos`` are the profiles the topic was offered with, as rosbags has them; ``type_hash`` is
    empty where the bag does not tell.
    """

    topic: str
    message_type: str
    serialization: str = CDR
    definition: Definition = Definition()
    type_hash: str = ''
    qos: tuple[Any, ...] = ()


@dataclass(frozen=True)
class BagTopic:
    """One recorded topic, of which the bag holds ``count`` messages."""

    name: str
    message_type: str
    count: int


@dataclass(frozen=True)
class BagMessage:
    """One recorded message: where it came, when it was recorded, and its bytes."""

    channel: Channel
    time_ns: int
    data: bytes

    @property
    def topic(self) -> str:
        """The name of its topic."""
        return self.channel.topic


@dataclass(frozen=True)
class Damage:
    """
    Why a bag does not give all that was recorded.

    ``place`` says from where on a file cannot be read, and is empty where something else is
    missing. ``time_s`` is that of its last good message, counted from the beginning of the bag,
    None where there is none.
    """

    reason: str
    place: str = ''
    time_s: float | None = None

    def __str__(self) -> str:
        if not self.place:
            return self.reason
        when = 'from its beginning' if self.time_s is None else f'after {self.time_s:.3f} s'
        return f'damaged {when} ({self.place}): {self.reason}'


class ReadingError(Exception):
    """A file cannot be read any further; ``place`` says where."""

    def __init__(self, reason: str, place: str) -> None:
        super().__init__(reason)
        self.place = place


class StorageFile(Protocol):
    """
    One file of a bag.

    ``counts`` are the messages of its channels, the first and last of which were recorded at
    ``start_ns`` and ``end_ns`` since the epoch, None without messages. ``note`` says why it is
    read without its index, and is empty where it is not; ``distro`` names the ROS that recorded
    it, as far as it is known.
    """

    counts: Counter[Channel]
    start_ns: int | None
    end_ns: int | None
    note: str
    distro: str

    def messages(
        self, topics: Collection[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[BagMessage]:
        """
        Read the messages of topics, recorded from ``start_ns`` on and before ``stop_ns``.

        They come in the order of their times; ReadingError ends what can be read.
        """
        ...


def wanted(time_ns: int, start_ns: int | None, stop_ns: int | None) -> bool:
    """Tell whether a time is not before a start, and before a stop, where there are any."""
    return (start_ns is None or time_ns >= start_ns) and (stop_ns is None or time_ns < stop_ns)


def storage_of(path: Path) -> str:
    """Return the storage of a file by its ending, packed or not; empty for other files."""
    name = path.stem if path.suffix in PACKED else path.name
    return next((kind for kind, ending in STORAGES.items() if name.endswith(ending)), '')
