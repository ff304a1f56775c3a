"""Files that are being written, and become part of an output in one step or not at all."""

from collections.abc import Callable
import fcntl
import os
from pathlib import Path
import shutil
from typing import IO
import uuid

_LOCK = '.lock'


class Draft:
    """
    A local file of a given name in a folder of its own, which its writer may fill with others.

    ``publish`` hands the file on and removes the folder, ``discard`` only removes it. While the
    process lives, the folder is locked, so that ``remove_drafts`` of another one keeps it.
    """

    def __init__(self, drafts: Path, name: str, hand_on: Callable[[Path], None]) -> None:
        self._hand_on = hand_on
        self._lock, self._folder = _new_folder(drafts)
        self.path = self._folder / name.rpartition('/')[2]

    def publish(self) -> None:
        """Make the file part of the output; raise PlaceError where that fails, it stays then."""
        self._hand_on(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove the file, if it is still there, and the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
        Path(self._lock.name).unlink(missing_ok=True)
        self._lock.close()


def remove_drafts(drafts: Path) -> None:
    """Remove the drafts of processes that have ended, whether or not others go on meanwhile."""
    for path in drafts.glob(f'*{_LOCK}') if drafts.is_dir() else ():
        lock = _lock(path)
        if lock is not None:
            shutil.rmtree(path.with_suffix(''), ignore_errors=True)
            path.unlink(missing_ok=True)
            lock.close()


def _new_folder(drafts: Path) -> tuple[IO[bytes], Path]:
    """Make a new folder and return the open file that locks it, and the folder."""
    drafts.mkdir(parents=True, exist_ok=True)
    while True:
        folder = drafts / uuid.uuid4().hex
        lock = _lock(folder.with_suffix(_LOCK))
        if lock is not None:
            folder.mkdir()
            return lock, folder


def _lock(path: Path) -> IO[bytes] | None:
    """Lock a file, made if it is not there; return None where another process has it."""
    file = path.open('ab')
    try:
        # unlike a file that marks a lock, this one ends with the process, even when it is killed
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # between opening and locking, another process may have removed it
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except OSError:
        pass
    file.close()
    return None
