"""Locations of files and folders: absolute paths on this machine, or URLs, as texts."""

from collections.abc import Iterator
import os

from mtshare_ros.errors import RecordingError
from mtshare_ros.fleet.addresses import Address, check_address, is_address, without_scheme


def absolute(text: str, folder: str) -> str:
    """
    Return the absolute path or the URL that a text means, relative ones to a folder.

    Raises RecordingError for a text that can mean neither.
    """
    if is_address(text):
        check_address(text)
        return Address(text).canonical
    path = os.path.expanduser(without_scheme(text))
    if not path or '\0' in path:
        raise RecordingError(f'{text!r}: is no path')
    if is_address(folder) and not os.path.isabs(path):
        return f'{folder}/{path.rstrip("/").removeprefix("./")}'
    path = os.path.join(folder, path)
    # .. after a link leads to the folder of what the link means
    return os.path.realpath(path) if '..' in path.split('/') else os.path.abspath(path)


def parent_of(location: str) -> str:
    """Return the folder of a location."""
    return location.rpartition('/')[0]


def below(location: str, folder: str) -> bool:
    """Return whether a location is a folder or lies in it."""
    return location == folder or location.startswith(f'{folder.rstrip("/")}/')


def ancestors(location: str) -> Iterator[str]:
    """Yield the folders above a location, the nearest first."""
    while (location := parent_of(location)) and not location.endswith(':/'):
        yield location
