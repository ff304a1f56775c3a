"""The files of a bag that is not on this machine, of which only what is needed is read."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal


class RemotePath(ABC):
    """
    A file or folder elsewhere, with those members of pathlib.Path that reading a bag needs.

    A bag is read in place only by the indexes of its files, as anything else would read all of
    it. ``location`` is its address, whose parts are divided by slashes. What cannot be read raises
    RecordingError, which says nothing about the bag itself.
    """

    def __init__(self, location: str) -> None:
        self.location = location
        self._last = PurePosixPath(location.rpartition('/')[2])

    def __str__(self) -> str:
        return self.location

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self._last.name

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return self._last.stem

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return self._last.suffix

    @abstractmethod
    def __truediv__(self, name: str) -> 'RemotePath':
        """Return what has a name in this folder."""

    @abstractmethod
    def exists(self) -> bool:
        """Return whether it is there."""

    @abstractmethod
    def is_file(self) -> bool:
        """Return whether it is a file."""

    @abstractmethod
    def is_dir(self) -> bool:
        """Return whether it is a folder."""

    @abstractmethod
    def iterdir(self) -> Iterator['RemotePath']:
        """Yield what is directly in this folder."""

    @abstractmethod
    def open(self, mode: Literal['rb']) -> BinaryIO:
        """Return a file object, which can seek and reads some bytes ahead."""

    @abstractmethod
    def read_text(self, encoding: str) -> str:
        """Return the text of a small file; raise FileNotFoundError where there is none."""

    @abstractmethod
    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        """Yield the bytes of many (start, end), reading a number of them at a time."""


BagPath = Path | RemotePath
"""Where a bag or one of its files is."""


def read_ranges(path: BagPath, ranges: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    """Yield the bytes of a file from ``start`` to before ``end``, for each pair of them."""
    if isinstance(path, RemotePath):
        yield from path.read_ranges(ranges)
        return
    with path.open('rb') as file:
        for start, end in ranges:
            file.seek(start)
            yield file.read(end - start)
