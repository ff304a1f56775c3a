"""The file that a worker makes of one segment: a file of a bag, or a shard of columns."""

from contextlib import contextmanager, suppress
from dataclasses import dataclass
import sqlite3
from typing import Any, Iterator, Protocol, Sequence

from mtshare_ros.errors import PlaceError, RecordingError
from mtshare_ros.fleet.output.drafts import Draft
from mtshare_ros.fleet.shards.shard_writer import ShardWriter
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.recording.bag_parts import Channel, StorageWriter
from mtshare_ros.recording.frames import RecordedFrame
from mtshare_ros.recording.segmented_bag import writer_of


@dataclass(frozen=True)
class PublishedFile:
    """
    The file of a segment that is whole.

    ``name`` is relative to the output, empty where there is no file; ``metadata`` is that of
    rosbag2, empty for a shard.
    """

    name: str = ''
    size: int = 0
    metadata: dict[str, Any] | None = None


class SegmentFile(Protocol):
    """Takes the messages and frames of a segment; raises PlaceError where that is impossible."""

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Take a message, recorded at a time in ns since the epoch."""

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Take a frame."""

    def publish(self) -> PublishedFile:
        """Finish the file and give it its name; a file with nothing in it is thrown away."""

    def discard(self) -> None:
        """Throw the file away."""


class _WrittenFile:
    """A file that ``_writer`` makes of a draft, to be published as ``name``."""

    _writer: StorageWriter | ShardWriter

    def __init__(self, draft: Draft, name: str) -> None:
        self._draft, self._name = draft, name

    def publish(self) -> PublishedFile:
        """Finish the file and give it its name."""
        with _writing(self._draft):
            self._writer.close()
        if not self._writer.count:
            self._draft.discard()
            return PublishedFile()
        size = self._draft.path.stat().st_size
        self._draft.publish()
        return PublishedFile(self._name, size, self._metadata())

    def discard(self) -> None:
        """Throw the file away."""
        # an error here would hide the one that led here
        with suppress(Exception):
            self._writer.abandon()
        self._draft.discard()

    def _metadata(self) -> dict[str, Any] | None:
        return None


class BagFile(_WrittenFile):
    """A segment as one file of a bag."""

    _writer: StorageWriter

    def __init__(
        self, draft: Draft, name: str, storage: str, channels: Sequence[Channel]
    ) -> None:
        super().__init__(draft, name)
        with _writing(draft):
            self._writer = writer_of(storage)(draft.path, storage, channels)

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Write a message."""
        with _writing(self._draft):
            self._writer.write(channel, time_ns, data)

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Do nothing: the messages of the frame are written."""

    def _metadata(self) -> dict[str, Any]:
        return self._writer.metadata()


class ShardFile(_WrittenFile):
    """A segment as one shard of columns."""

    _writer: ShardWriter

    def __init__(self, draft: Draft, name: str, writer: ShardWriter) -> None:
        super().__init__(draft, name)
        self._writer = writer

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Do nothing: a shard holds frames."""

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Append a frame."""
        with _writing(self._draft):
            self._writer.see(frame, prediction)


class NoFile:
    """A segment of which only statistics are kept."""

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Do nothing."""

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Do nothing."""

    def publish(self) -> PublishedFile:
        """Return that there is no file."""
        return PublishedFile()

    def discard(self) -> None:
        """Do nothing."""


@contextmanager
def _writing(draft: Draft) -> Iterator[None]:
    """Turn errors of the file system, the database and the shard's writer into PlaceError."""
    try:
        yield
    except RecordingError as error:
        raise PlaceError(str(error)) from error
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, 'strerror', None) or error
        raise PlaceError(
            f'{draft.path}: cannot be written: {reason}; make room, or give another --output; '
            'the same command goes on where this one ended') from error
