"""What folders hold, on this machine or behind an address, without reading the files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import os
from typing import Any

from mtshare_ros.errors import RecordingError
from mtshare_ros.fleet.addresses import Address, reaching
from mtshare_ros.fleet.locations import parent_of
from mtshare_ros.fleet.output.layout import PART

Tree = dict[str, list['ListedFile']]
"""The files that are directly in each folder, by the folder's location."""

_CONTENT_TAGS = ('md5Hash', 'content_md5')
"""Checksums of contents, under the names that Google's and Azure's file systems have for them."""

_TAGS = ('ETag', 'etag', 'generation', 'LastModified', 'last_modified', 'updated', 'mtime',
         'created', 'Last-Modified')
"""What changes with the contents of a file, the surest first."""


@dataclass(frozen=True)
class ListedFile:
    """
    A file: its absolute path or URL, its bytes, and a text that changes with its contents.

    ``content`` says that files with equal tags have equal contents, wherever they are.
    """

    location: str
    size: int
    tag: str
    content: bool = False

    @property
    def name(self) -> str:
        """The last part of the location."""
        return self.location.rpartition('/')[2]


def is_shown(name: str) -> bool:
    """Return whether a file or folder is neither hidden nor an unfinished bag."""
    return not name.startswith('.') and not name.endswith(PART)


def list_folder(root: str) -> Tree:
    """
    Return the shown files of a local folder and of the folders in it, links followed.

    Raises RecordingError for a folder that cannot be read.
    """
    tree: Tree = {}
    visited: set[tuple[int, int]] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(folder)
            # a link may lead back to a folder above
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            tree[folder], inner = _read_folder(folder)
        except OSError as error:
            raise RecordingError(f'{folder}: cannot be read: {error.strerror}; change its '
                                 'permissions, or give the folders beside it') from error
        waiting += inner
    return tree


def _read_folder(folder: str) -> tuple[list[ListedFile], list[str]]:
    """Return the shown files and folders that are directly in a local folder."""
    files, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_shown(entry.name):
                continue
            if entry.is_dir():
                folders.append(f'{folder.rstrip("/")}/{entry.name}')
            elif entry.is_file():
                files.append(_listed(f'{folder.rstrip("/")}/{entry.name}', entry.stat()))
    return files, folders


def list_directly(folder: str) -> list[ListedFile]:
    """Return the shown files that are directly in a local folder."""
    return _read_folder(folder)[0]


def list_file(path: str) -> ListedFile:
    """Return a local file."""
    return _listed(path, os.stat(path))


def _listed(path: str, status: os.stat_result) -> ListedFile:
    return ListedFile(path, status.st_size, str(status.st_mtime_ns))


def list_address(address: Address, *, direct: bool = False) -> list[ListedFile]:
    """
    Return all files below an address, or the file that it names; empty where there is nothing.

    With ``direct``, only those directly in the folder. An object store answers with a thousand
    files for each request.
    """
    with reaching(address.url, 'listed'):
        system, path = address.system, address.path
        try:
            found = {path: system.info(path)} if is_web(address.url) else system.find(
                path, detail=True, maxdepth=1 if direct else None)
        except FileNotFoundError:
            return []
        return [_remote(system, path, info or system.info(path)) for path, info in found.items()
                if not path.endswith('/') and info.get('type') != 'directory']


def is_web(url: str) -> bool:
    """Return whether a URL is one of the web, where files are known only by their addresses."""
    # fsspec would read whole files in search of links to others
    return url.startswith(('http://', 'https://'))


def _remote(system: Any, path: str, info: Mapping[str, Any]) -> ListedFile:
    location = system.unstrip_protocol(path)
    content = next((str(info[key]) for key in _CONTENT_TAGS if info.get(key)), '')
    if not content and location.startswith('s3://'):
        content = str(info.get('ETag') or '')
    tag = next((str(info[key]) for key in _TAGS if info.get(key)), '')
    return ListedFile(location, int(info.get('size') or 0), content or tag, bool(content))


def tree_of(root: str, files: Iterable[ListedFile]) -> Tree:
    """Return the shown ones of files below a root by their folders."""
    tree: Tree = {}
    for file in files:
        inner = file.location[len(root):].strip('/').split('/')
        if all(map(is_shown, inner)):
            tree.setdefault(parent_of(file.location), []).append(file)
    return tree
