"""What a recorded bag consists of, however its files are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Protocol

STORAGES = {'mcap': '.mcap', 'sqlite3': '.db3'}
"""The storages of rosbag2 and the endings of their files."""


@dataclass(frozen=True)
class BagTopic:
    """
    One recorded topic.

    ``count`` messages lie in the bag. ``definition`` is the text that defines their type, empty
    where the bag holds none, and ``qos`` the profiles the topic was offered with, as rosbags has
    them.
    """

    name: str
    message_type: str
    count: int
    definition: str = ''
    qos: tuple[Any, ...] = ()


@dataclass(frozen=True)
class BagMessage:
    """One recorded message: when it was recorded, and its CDR bytes."""

    topic: str
    time_ns: int
    data: bytes


@dataclass(frozen=True)
class Damage:
    """
    Where a bag cannot be read any further.

    ``time_s`` is that of the last good message, counted from the first one, None where there is
    no good one; ``place`` says where in which file, as far as that is known.
    """

    reason: str
    time_s: float | None
    place: str

    def __str__(self) -> str:
        when = 'from its beginning' if self.time_s is None else f'after {self.time_s:.3f} s'
        return f'damaged {when} ({self.place}): {self.reason}'


class ReadingError(Exception):
    """A file cannot be read any further; ``place`` says where."""

    def __init__(self, reason: str, place: str) -> None:
        super().__init__(reason)
        self.place = place


class BagReader(Protocol):
    """A way to read a bag; times are in ns since the epoch."""

    storage: str
    topics: tuple[BagTopic, ...]
    start_ns: int

    def messages(
        self, names: tuple[str, ...], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[BagMessage]:
        """Read the messages of some topics, from ``start_ns`` on and before ``stop_ns``."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...


def storage_files(path: Path) -> list[Path]:
    """Return the storage files of a bag, folder or file, in the order they were recorded."""
    if path.is_file():
        return [path] if path.suffix in STORAGES.values() else []
    for ending in STORAGES.values():
        found = sorted(path.glob(f'*{ending}'), key=_number)
        if found:
            return found
    return []


def storage_of(path: Path) -> str:
    """Return the storage of a file by its ending."""
    return next(name for name, ending in STORAGES.items() if ending == path.suffix)


def _number(path: Path) -> tuple[int, str]:
    """Sort bag_2 before bag_10, as rosbag2 counts its files."""
    text = path.stem.rpartition('_')[2]
    return (int(text) if text.isdecimal() else -1, path.name)
