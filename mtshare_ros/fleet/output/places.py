"""Where a fleet writes: a folder of this machine, or one that fsspec reaches."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
import os
from pathlib import Path
from typing import Protocol

from mtshare_ros.fleet.addresses import is_address
from mtshare_ros.fleet.locations import absolute
from mtshare_ros.fleet.output.drafts import Draft
from mtshare_ros.fleet.output.local_place import LocalPlace
from mtshare_ros.fleet.output.remote_place import RemotePlace


class Place(Protocol):
    """
    An output folder; picklable, as workers write into it.

    Names of files are relative to it. A file appears whole or not at all, whatever is killed.
    Where reading or writing fails, methods raise PlaceError, which says what to do.
    """

    @property
    def text(self) -> str:
        """Its absolute path or URL."""

    def exists(self, name: str) -> bool:
        """Return whether there is a file or a folder of that name."""

    def size(self, name: str) -> int | None:
        """Return the bytes of a file, None where there is none."""

    def list(self, prefix: str = '') -> Mapping[str, int]:
        """Return the names and bytes of all files in a folder and the folders in it, sorted."""

    def entries(self) -> frozenset[str]:
        """Return the names of the files and folders that are directly in the output."""

    def read_bytes(self, name: str) -> bytes:
        """Return the contents of a file."""

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a file, or replace it, in one step."""

    def put(self, local: Path, name: str) -> None:
        """Make a complete local file part of the output, in one step; it is moved or copied."""

    def draft(self, name: str) -> Draft:
        """Return a local file to write, which can be published under a name when it is whole."""

    def remove_drafts(self) -> None:
        """Remove what killed processes left on this machine; others may be working."""

    def remove(self, name: str, *, recursive: bool = False) -> None:
        """Remove a file, or a folder with all it holds; it need not exist."""

    def rename(self, name: str, other: str) -> None:
        """Give a file or folder another name; only for places with a ``local_path``."""

    def local_path(self, name: str) -> Path | None:
        """Return the path of a name, None for a place that is not a folder of this machine."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other commands from writing here, as far as the place allows that."""


def open_place(text: str) -> Place:
    """
    Return the place that a path or an address names; a folder need not exist.

    Raises RecordingError for an address that fsspec does not know, MissingExtraError where the
    package of its file system is not installed.
    """
    location = absolute(text, os.getcwd())
    return RemotePlace(location) if is_address(location) else LocalPlace(location)
