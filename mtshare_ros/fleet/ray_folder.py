"""The temporary folder of a Ray on this machine: its sockets, its logs, and what workers print."""

from contextlib import contextmanager
from dataclasses import dataclass
import fcntl
from pathlib import Path
import shutil
import tempfile
from typing import Callable, Iterator

from mtshare_ros.errors import FleetError

_PREFIX = 'mtshare_ray_'
_LOCK = 'lock'
_LONGEST = 42
"""Characters: the path of a socket may have 107, and Ray appends 65 to that of the folder."""


@dataclass
class RayFolder:
    """A folder that is removed in the end, unless it is to be kept."""

    path: Path
    keep: bool = False

    @property
    def logs(self) -> Path:
        """Where Ray and the workers write."""
        return self.path / 'session_latest' / 'logs'


@contextmanager
def ray_folder(parent: Path | None, say: Callable[[str], None]) -> Iterator[RayFolder]:
    """
    Make a folder in ``parent``, by default in that of temporary files, and remove it in the end.

    The folders of earlier processes that were killed are removed first.

    Raises
    ------
    FleetError
        The path of ``parent`` is too long.

    """
    parent = _short(parent)
    _remove_abandoned(parent)
    folder = RayFolder(Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)))
    with (folder.path / '_').open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # a lock file that is not locked is one of a process that was killed
        lock = (folder.path / '_').rename(folder.path / _LOCK)
        try:
            yield folder
        finally:
            if folder.keep:
                lock.unlink()
                say(f'what the workers and Ray wrote is in {folder.logs}')
            else:
                shutil.rmtree(folder.path, ignore_errors=True)


def _short(parent: Path | None) -> Path:
    longest = _LONGEST - len(_PREFIX) - len('/12345678')
    if parent is None:
        parent = Path(tempfile.gettempdir()).resolve()
        return parent if len(str(parent)) <= longest else Path('/tmp')
    parent = parent.resolve()
    if len(str(parent)) > longest:
        raise FleetError(f'{parent}: the path is too long for the sockets of Ray; allowed are '
                         f'{longest} characters')
    return parent


def _remove_abandoned(parent: Path) -> None:
    for lock in parent.glob(f'{_PREFIX}*/{_LOCK}'):
        try:
            with lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:  # in use, of another user, or gone
            continue
