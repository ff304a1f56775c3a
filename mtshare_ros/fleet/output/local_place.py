"""An output folder of this machine, or one that it mounts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
import errno
import fcntl
import os
from pathlib import Path
import shutil
import uuid

from mtshare_ros.errors import PlaceError
from mtshare_ros.fleet.output.drafts import Draft, remove_drafts

DRAFTS = '.drafts'
"""The folder for files that are being written, in the output: moving them there copies nothing."""

_LOCK = '.lock'
_TEMPORARY = '.new-'

_ADVICE = {
    errno.ENOSPC: 'the disk is full: make room there',
    errno.EDQUOT: 'the quota is used up: make room there',
    errno.EROFS: 'it is mounted for reading only: mount it for writing, or give another --output',
    errno.EACCES: 'this user may not write there: change its permissions, or give another '
                  '--output',
    errno.EPERM: 'this user may not write there: change its permissions, or give another '
                 '--output',
    errno.ENAMETOOLONG: 'a path is too long: give an --output with a shorter path',
}
_GO_ON = 'the same command goes on after what is complete'


@dataclass(frozen=True)
class LocalPlace:
    """The folder ``text``, an absolute path; it is made when something is written."""

    text: str

    def exists(self, name: str) -> bool:
        """Return whether there is a file or a folder of that name."""
        return self._path(name).exists()

    def size(self, name: str) -> int | None:
        """Return the bytes of a file, None where there is none."""
        try:
            return self._path(name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def list(self, prefix: str = '') -> Mapping[str, int]:
        """Return the names and bytes of all files in a folder and the folders in it, sorted."""
        found: dict[str, int] = {}
        waiting = [prefix.rstrip('/')]
        with self._accessing(prefix, 'listed'):
            while waiting:
                folder = waiting.pop()
                for entry in _entries(self._path(folder)):
                    name = f'{folder}/{entry.name}' if folder else entry.name
                    if entry.is_dir():
                        waiting.append(name)
                    else:
                        # a worker may remove it meanwhile
                        with suppress(FileNotFoundError):
                            found[name] = entry.stat().st_size
        return dict(sorted(found.items()))

    def entries(self) -> frozenset[str]:
        """Return the names of the files and folders that are directly in the output."""
        with self._accessing('', 'listed'), suppress(FileNotFoundError):
            return frozenset(os.listdir(self.text))
        return frozenset()

    def read_bytes(self, name: str) -> bytes:
        """Return the contents of a file."""
        with self._accessing(name, 'read'):
            return self._path(name).read_bytes()

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a file, or replace it, in one step."""
        with self._replacing(name) as temporary:
            temporary.write_bytes(data)

    def put(self, local: Path, name: str) -> None:
        """Make a complete local file part of the output, in one step; it is moved or copied."""
        with self._replacing(name) as temporary:
            try:
                os.replace(local, temporary)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                shutil.copyfile(local, temporary)
                local.unlink()

    def draft(self, name: str) -> Draft:
        """Return a local file to write, which can be published under a name when it is whole."""
        with self._accessing(name, 'written'):
            return Draft(self._path(DRAFTS), name, lambda path: self.put(path, name))

    def remove_drafts(self) -> None:
        """Remove what killed processes left on this machine; others may be working."""
        with self._accessing(DRAFTS, 'removed'):
            remove_drafts(self._path(DRAFTS))

    def remove(self, name: str, *, recursive: bool = False) -> None:
        """Remove a file, or a folder with all it holds; it need not exist."""
        path = self._path(name)
        with self._accessing(name, 'removed'), suppress(FileNotFoundError):
            if recursive and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def rename(self, name: str, other: str) -> None:
        """Give a file or folder another name."""
        target = self._path(other)
        with self._accessing(other, 'written'):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(self._path(name), target)
            _sync(target.parent)

    def local_path(self, name: str) -> Path:
        """Return the path of a name."""
        return self._path(name)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other commands from writing here; raise PlaceError where one does already."""
        with self._accessing('', 'written'):
            os.makedirs(self.text, exist_ok=True)
            file = self._path(_LOCK).open('w')
        with file:
            try:
                # unlike a file that marks a lock, this one ends with the process
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise PlaceError(f'{self.text}: another command is writing there; wait for it, or '
                                 'give another --output') from error
            yield

    @contextmanager
    def _replacing(self, name: str) -> Iterator[Path]:
        """Provide a path to write to, which becomes the named file if nothing fails."""
        target = self._path(name)
        temporary = target.with_name(f'{_TEMPORARY}{uuid.uuid4().hex}')
        with self._accessing(name, 'written'):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                yield temporary
                # a power failure must not leave a name without its contents
                _sync(temporary)
                os.replace(temporary, target)
                _sync(target.parent)
            finally:
                temporary.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return Path(self.text, name)

    @contextmanager
    def _accessing(self, name: str, what: str) -> Iterator[None]:
        """Turn errors of the file system into PlaceError."""
        try:
            yield
        except OSError as error:
            path = self._path(name)
            advice = _ADVICE.get(error.errno or 0, 'check the disk, or give another --output')
            raise PlaceError(
                f'{path}: cannot be {what}: {error.strerror or error}; {advice}; {_GO_ON}'
            ) from error


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder but hidden files, nothing where it is not there."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith('.')]
    return []


def _sync(path: Path) -> None:
    """Wait until a file or the list of a folder's files is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
