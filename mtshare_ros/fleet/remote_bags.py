"""Bags behind addresses that are read in place: of a segment only the bytes that it needs."""

from collections.abc import Iterator, Mapping, Sequence
import io
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Literal

from mtshare_ros.fleet.addresses import Address
from mtshare_ros.fleet.fetching import find_again
from mtshare_ros.fleet.range_reader import Range, RangeReader
from mtshare_ros.fleet.sources.listings import is_web, ListedFile, parent_of
from mtshare_ros.fleet.sources.sources import Source
from mtshare_ros.recording.bag_parts import PACKED, storage_of
from mtshare_ros.recording.remote_path import RemotePath

SMALLEST = 2**25
"""
Bytes from which on a bag is read in place.

Of fewer bytes a copy arrives within about a second, in one request. To open a bag in place takes
each worker that long, and to cut it is of no use where there are other recordings to compute.
"""

_AHEAD = 2**16
"""Bytes read at once of the blocks, as records of mcap begin with a few bytes each."""


def may_be_read_in_place(source: Source) -> bool:
    """Return whether a source is large, and a bag of mcap files as far as its address tells."""
    name = PurePosixPath(source.location)
    # servers of the web may ignore ranges, and tell no version of a file
    return (source.kind == 'bag' and not source.is_local and not is_web(source.location)
            and source.bytes >= SMALLEST
            # the ending of a folder says nothing
            and storage_of(name) in ('', 'mcap') and name.suffix not in PACKED
            and Address(source.location).answers_at_once)


def open_in_place(source: Source) -> 'ListedPath':
    """
    Return the path of a remote bag, whose files are those that are listed now.

    Raises RecordingError where it is not there any more, or has changed since it was found.
    """
    files = {file.location: file for file in find_again(source).files}
    return ListedPath(source.location, files, RangeReader())


class ListedPath(RemotePath):
    """A file or folder of a listing; only what is in its files is asked of the store."""

    def __init__(
        self, location: str, files: Mapping[str, ListedFile], reader: RangeReader
    ) -> None:
        super().__init__(location)
        self._files, self._reader = files, reader

    def __truediv__(self, name: str) -> 'ListedPath':
        return self._at(f'{self.location}/{name}')

    def exists(self) -> bool:
        """Return whether it is in the listing."""
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        """Return whether it is a file."""
        return self.location in self._files

    def is_dir(self) -> bool:
        """Return whether files are in it."""
        return any(map(self._holds, self._files))

    def iterdir(self) -> Iterator['ListedPath']:
        """Yield the files directly in this folder."""
        return map(self._at, filter(self._holds, self._files))

    def open(self, mode: Literal['rb']) -> BinaryIO:
        """Return a file object."""
        return io.BufferedReader(_RawFile(self._files[self.location], self._reader), _AHEAD)

    def read_text(self, encoding: str) -> str:
        """Return the text of a file; raise FileNotFoundError where there is none."""
        if not self.is_file():
            raise FileNotFoundError(self.location)
        file = self._files[self.location]
        return self._reader.read(file, 0, file.size).decode(encoding)

    def read_ranges(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """Yield the bytes of many ranges."""
        return self._reader.read_ranges(self._files[self.location], ranges)

    def _at(self, location: str) -> 'ListedPath':
        return ListedPath(location, self._files, self._reader)

    def _holds(self, location: str) -> bool:
        return parent_of(location) == self.location


class _RawFile(io.RawIOBase):
    """The bytes of a remote file, at a position that can be changed."""

    def __init__(self, file: ListedFile, reader: RangeReader) -> None:
        self._file, self._reader = file, reader
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}
        self._position = max(start[whence] + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._reader.read(self._file, self._position, self._position + len(buffer))
        buffer[:len(data)] = data
        self._position += len(data)
        return len(data)
