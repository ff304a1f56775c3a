"""Reading what is left of a bag without relying on its indices, which a damaged one may lack."""

from pathlib import Path
from typing import Callable, Iterator, Protocol, Sequence

from mtshare_ros.recording.bag_parts import BagMessage, BagTopic, ReadingError, storage_of
from mtshare_ros.recording.salvage_mcap import McapFile
from mtshare_ros.recording.salvage_sqlite3 import Sqlite3File


class StorageFile(Protocol):
    """A storage file that is read from its beginning to its end, or to where that fails."""

    def topics(self) -> tuple[BagTopic, ...]:
        """Return the topics met so far, without counts."""
        ...

    def messages(self) -> Iterator[BagMessage]:
        """Read all messages in the order they lie in the file; raise ReadingError at damage."""
        ...


_KINDS: dict[str, Callable[[Path], StorageFile]] = {
    'mcap': McapFile, 'sqlite3': Sqlite3File,
}


class SalvagedBag:
    """
    The good part of the files of a bag, one after the other, up to the first damage.

    Opening it reads all of it once, because only reading tells which topics there are.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.storage = storage_of(files[0])
        self._files: list[StorageFile] = [_KINDS[self.storage](path) for path in files]
        self._counts: dict[str, int] = {}
        self.start_ns = 0
        try:
            for message in self._all():
                self.start_ns = self.start_ns or message.time_ns
                self._counts[message.topic] = self._counts.get(message.topic, 0) + 1
        except ReadingError:
            pass  # reading it again meets the same, and says so where it matters
        self.topics = self._topics()

    def messages(
        self, names: tuple[str, ...], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[BagMessage]:
        """Read the messages of some topics; raises ReadingError where the damage is."""
        for message in self._all():
            early = start_ns is not None and message.time_ns < start_ns
            late = stop_ns is not None and message.time_ns >= stop_ns
            if message.topic in names and not early and not late:
                yield message

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""

    def _all(self) -> Iterator[BagMessage]:
        for file in self._files:
            yield from file.messages()

    def _topics(self) -> tuple[BagTopic, ...]:
        known = {topic.name: topic for file in self._files for topic in file.topics()}
        return tuple(
            BagTopic(name, topic.message_type, self._counts.get(name, 0), topic.definition)
            for name, topic in known.items()
        )
