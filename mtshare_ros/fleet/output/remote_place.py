"""An output folder behind an address, reached by fsspec."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
import os
from pathlib import Path
import tempfile

from mtshare_ros.errors import PlaceError
from mtshare_ros.fleet.addresses import Address, reaching
from mtshare_ros.fleet.output.drafts import Draft, remove_drafts


@dataclass(frozen=True)
class RemotePlace:
    """
    The folder at ``text``, a URL.

    Files are uploaded under their final names: in an object store, an upload appears when it is
    complete, and not at all when it is cut off, whereas a rename would copy every byte once more.
    """

    text: str

    def exists(self, name: str) -> bool:
        """Return whether there is a file or a folder of that name."""
        at = Address(self.text) / name
        with reaching(at.url, 'found', PlaceError):
            return bool(at.system.exists(at.path))

    def size(self, name: str) -> int | None:
        """Return the bytes of a file, None where there is none."""
        at = Address(self.text) / name
        with reaching(at.url, 'found', PlaceError), suppress(FileNotFoundError):
            return int(at.system.size(at.path))
        return None

    def list(self, prefix: str = '') -> Mapping[str, int]:
        """Return the names and bytes of all files in a folder and the folders in it, sorted."""
        at = Address(self.text) / prefix
        root = Address(self.text).path.rstrip('/')
        found: Mapping[str, Mapping[str, int]] = {}
        with reaching(at.url, 'listed', PlaceError), suppress(FileNotFoundError):
            found = at.system.find(at.path, detail=True)
        return {path[len(root):].lstrip('/'): int(info.get('size') or 0)
                for path, info in sorted(found.items()) if not path.endswith('/')}

    def entries(self) -> frozenset[str]:
        """Return the names of the files and folders that are directly in the output."""
        at = Address(self.text)
        with reaching(at.url, 'listed', PlaceError), suppress(FileNotFoundError):
            return frozenset(path.rstrip('/').rpartition('/')[2]
                             for path in at.system.ls(at.path, detail=False))
        return frozenset()

    def read_bytes(self, name: str) -> bytes:
        """Return the contents of a file."""
        at = Address(self.text) / name
        try:
            with reaching(at.url, 'read', PlaceError):
                return bytes(at.system.cat_file(at.path))
        except FileNotFoundError as error:
            raise PlaceError(f'{at.url}: there is no such file') from error

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a file, or replace it, in one step."""
        at = Address(self.text) / name
        with _writing(at):
            at.system.pipe_file(at.path, data)

    def put(self, local: Path, name: str) -> None:
        """Upload a complete local file in one step."""
        at = Address(self.text) / name
        with _writing(at):
            at.system.put_file(str(local), at.path)

    def draft(self, name: str) -> Draft:
        """Return a local file to write, which can be published under a name when it is whole."""
        try:
            return Draft(_drafts(), name, lambda path: self.put(path, name))
        except OSError as error:
            raise PlaceError(f'{_drafts()}: cannot be written: {error.strerror}; set TMPDIR to a '
                             'folder with more space') from error

    def remove_drafts(self) -> None:
        """Remove what killed processes left on this machine; others may be working."""
        remove_drafts(_drafts())

    def remove(self, name: str, *, recursive: bool = False) -> None:
        """Remove a file, or a folder with all it holds; it need not exist."""
        at = Address(self.text) / name
        with reaching(at.url, 'removed', PlaceError), suppress(FileNotFoundError):
            at.system.rm(at.path, recursive=recursive)

    def rename(self, name: str, other: str) -> None:
        """Raise PlaceError: it would copy every byte."""
        raise PlaceError(f'{self.text}: {name} is not renamed there; write {other} at once')

    def local_path(self, name: str) -> None:
        """Return None, as nothing of it is on this machine."""

    @contextmanager
    def lock(self) -> Iterator[None]:
        """
        Do nothing, as object stores have no locks.

        Two commands that write to one place compute the same files twice, but none is mixed up:
        each is uploaded as a whole.
        """
        yield


@contextmanager
def _writing(at: Address) -> Iterator[None]:
    try:
        with reaching(at.url, 'written', PlaceError):
            yield
    except FileNotFoundError as error:
        raise PlaceError(f'{at.url}: cannot be written: there is no such bucket or folder; create '
                         'it, or give another --output') from error


def _drafts() -> Path:
    """Return the folder for files that are not uploaded yet."""
    return Path(tempfile.gettempdir(), f'mtshare-drafts-{os.getuid()}')
