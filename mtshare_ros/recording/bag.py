"""Opening a bag and reading it as far as it is good."""

from pathlib import Path
from types import TracebackType
from typing import Iterator

from mtshare_ros.errors import MtshareError, RecordingError
from mtshare_ros.recording.bag_parts import (
    BagMessage,
    BagReader,
    BagTopic,
    Damage,
    ReadingError,
    storage_files,
)
from mtshare_ros.recording.salvage import SalvagedBag
from mtshare_ros.recording.whole_bag import WholeBag


class Bag:
    """
    A recorded bag: a rosbag2 folder, or one of its storage files alone.

    ``notice`` says why it is read without its index, and is empty where it is not. ``damage`` is
    set by reading: everything before it was handed out, nothing behind it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: Damage | None = None
        self.notice = ''
        self._reader = self._open()

    def __enter__(self) -> 'Bag':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader.close()

    @property
    def topics(self) -> tuple[BagTopic, ...]:
        """The recorded topics."""
        return self._reader.topics

    @property
    def storage(self) -> str:
        """The storage of its files: mcap or sqlite3."""
        return self._reader.storage

    @property
    def start_ns(self) -> int:
        """When its first message was recorded, in ns since the epoch."""
        return self._reader.start_ns

    def messages(
        self, names: tuple[str, ...], start_s: float | None = None, end_s: float | None = None
    ) -> Iterator[BagMessage]:
        """Read the messages of some topics, from and before seconds after the bag's beginning."""
        self.damage, last_ns = None, None
        try:
            for message in self._reader.messages(names, self._at(start_s), self._at(end_s)):
                last_ns = message.time_ns
                yield message
        except Exception as error:  # noqa: B902 - whatever the libraries meet in bad bytes
            self.damage = self._describe(error, last_ns)

    def _at(self, seconds: float | None) -> int | None:
        return None if seconds is None else self.start_ns + round(seconds * 1e9)

    def _describe(self, error: Exception, last_ns: int | None) -> Damage:
        place = error.place if isinstance(error, ReadingError) else self.path.name
        reason = str(error) or type(error).__name__
        seconds = None if last_ns is None else (last_ns - self.start_ns) / 1e9
        return Damage(reason, seconds, place)

    def _open(self) -> BagReader:
        """Open it with its index, otherwise without; raise RecordingError for what is no bag."""
        if not self.path.exists():
            raise RecordingError(f'{self.path}: there is no such bag; give a rosbag2 folder, or '
                                 'an .mcap or .db3 file')
        try:
            return WholeBag(self.path)
        except MtshareError:
            raise
        except Exception as error:  # noqa: B902 - whatever the libraries meet in bad bytes
            self.notice = f'{self.path}: read from the beginning without an index: {error}'
            return self._open_damaged(error)

    def _open_damaged(self, error: Exception) -> BagReader:
        files = storage_files(self.path)
        found = SalvagedBag(files) if files else None
        if found is None or not found.topics:
            raise RecordingError(
                f'{self.path}: nothing can be read from it: {error}; give a rosbag2 folder '
                '(with .mcap or .db3 files), or such a file'
            ) from error
        return found
