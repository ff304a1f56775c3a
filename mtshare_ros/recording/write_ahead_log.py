"""
The write-ahead log that a killed recorder left beside a database, read without writing.

sqlite itself reads a log only where it may write beside the database, and may move the log into
the database; recordings are not changed here. https://sqlite.org/walformat.html
"""

from dataclasses import dataclass
from functools import lru_cache
import os
from pathlib import Path
import sqlite3
import struct
from typing import Any, BinaryIO

import numpy as np

from mtshare_ros.errors import import_extra

_HEADER, _FRAME = struct.Struct('>IIIIIIII'), struct.Struct('>IIIIII')
_LITTLE_ENDIAN, _BIG_ENDIAN = 0x377f0682, 0x377f0683
_WORD = 0xffffffff


@dataclass
class WriteAheadLog:
    """
    The committed pages of a log.

    ``pages`` has the offset of each page in the log's file, by its number in the database;
    ``page_count`` is the number of pages of the database. ``unfinished`` says that the log ends
    within a transaction, which is lost. ``file_system`` names sqlite's file system for it.
    """

    path: Path
    page_size: int
    pages: dict[int, int]
    page_count: int
    unfinished: bool
    file_system: str = ''

    @classmethod
    def beside(cls, database: Path) -> 'WriteAheadLog | None':
        """Read the log of a database; None where there is none."""
        # sqlite puts the log beside the file that a link points to
        real = database.resolve()
        path = real.with_name(f'{real.name}-wal')
        if not path.is_file() or path.stat().st_size < _HEADER.size:
            return None
        with path.open('rb') as file:
            return _read_log(path, file)


def open_with_log(database: Path, log: WriteAheadLog | None) -> Any:
    """Return a read-only connection, of sqlite3 or apsw, that also shows what the log holds."""
    if log is None or not log.pages:
        # immutable: sqlite locks nothing and looks for no log beside the file
        return sqlite3.connect(f'{database.resolve().as_uri()}?mode=ro&immutable=1', uri=True)
    apsw = import_extra('apsw', f'reading the write-ahead log {log.path}', 'bags')
    log.file_system = log.file_system or _register(apsw, database, log)
    return apsw.Connection(
        'file:database?immutable=1', vfs=log.file_system,
        flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def sqlite_errors() -> tuple[type[BaseException], ...]:
    """Return the exceptions that connections of ``open_with_log`` raise."""
    try:
        apsw = import_extra('apsw', 'reading a write-ahead log', 'bags')
    except Exception:  # noqa: B902 - without apsw only sqlite3 is used
        return (sqlite3.Error,)
    return (sqlite3.Error, apsw.Error)


def _read_log(path: Path, file: BinaryIO) -> WriteAheadLog:
    header = file.read(_HEADER.size)
    magic, _, page_size, _, *salts, first, second = _HEADER.unpack(header)
    log = WriteAheadLog(path, page_size, {}, 0, False)
    order = {_LITTLE_ENDIAN: '<u4', _BIG_ENDIAN: '>u4'}.get(magic)
    if order is None or _checksum(header[:24], order, (0, 0)) != (first, second):
        log.unfinished = True
        return log
    sums, pending = (first, second), dict[int, int]()
    while True:
        head = file.read(_FRAME.size)
        place, page = file.tell(), file.read(page_size)
        if len(head) < _FRAME.size or list(_FRAME.unpack(head)[2:4]) != salts:
            # the end of the log, or frames of an older one that was overwritten
            log.unfinished = _holds_frames(file, page_size, salts)
            break
        number, count, _, _, *expected = _FRAME.unpack(head)
        if len(page) < page_size:
            log.unfinished = True
            break
        # of the header, only number and count are in the check sum, which continues that before
        sums = _checksum(head[:8] + page, order, sums)
        if list(sums) != expected:
            log.unfinished = True
            break
        pending[number] = place
        # only the frame that commits a transaction has the size of the database
        if count:
            log.pages.update(pending)
            log.page_count = count
            pending.clear()
    log.unfinished = log.unfinished or bool(pending)
    return log


def _holds_frames(file: BinaryIO, page_size: int, salts: list[int]) -> bool:
    """Return whether frames of this log follow behind a damaged one."""
    while len(head := file.read(_FRAME.size)) == _FRAME.size:
        if list(_FRAME.unpack(head)[2:4]) == salts:
            return True
        file.seek(page_size, os.SEEK_CUR)
    return False


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    """
    Return the two check sums of a log after more bytes, given those before.

    For each pair of words (a, b): s0 += a + s1, s1 += b + s0, all modulo 2**32. That is a linear
    recurrence, so one product with the powers of its matrix handles all pairs at once.
    """
    words = np.frombuffer(data, order).astype(np.uint64).reshape(-1, 2)
    steps = np.stack([words[:, 0], words[:, 0] + words[:, 1]], axis=1)
    powers = _powers(len(words))
    # sums of uint64 overflow, but modulo 2**64, which leaves the lower 32 bits right
    total = powers[-1] @ np.array(sums, np.uint64)
    total += np.einsum('nij,nj->i', powers[-2::-1], steps)
    return int(total[0]) & _WORD, int(total[1]) & _WORD


@lru_cache(maxsize=8)
def _powers(count: int) -> np.ndarray:
    """Return (count + 1, 2, 2) uint64: the matrix of a pair to the powers 0 to count."""
    powers = np.empty((count + 1, 2, 2), np.uint64)
    powers[0] = np.eye(2)
    # s0 becomes s0 + s1 + a, and s1 becomes s1 + (s0 + s1 + a) + b
    step = np.array([[1, 1], [1, 2]], np.uint64)
    for number in range(count):
        powers[number + 1] = (step @ powers[number]) & np.uint64(_WORD)
    return powers


def _register(apsw: Any, database: Path, log: WriteAheadLog) -> str:
    """Make a file system for sqlite that shows the database with the pages of its log."""
    # defined here, because the base classes exist only where apsw is installed
    class File(apsw.VFSFile):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self._database = database.open('rb')
            self._log = log.path.open('rb')

        def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - names of sqlite
            # sqlite never reads across the border of a page
            page, start = divmod(offset, log.page_size)
            file, place = self._database, offset
            if page + 1 in log.pages:
                file, place = self._log, log.pages[page + 1] + start
            file.seek(place)
            return file.read(amount)

        def xFileSize(self) -> int:  # noqa: N802
            return log.page_count * log.page_size

        def xFileControl(self, *about: int) -> bool:  # noqa: N802
            return False

        def xSectorSize(self) -> int:  # noqa: N802
            return 0

        def xDeviceCharacteristics(self) -> int:  # noqa: N802
            return 0

        def xClose(self) -> None:  # noqa: N802
            self._database.close()
            self._log.close()

    class FileSystem(apsw.VFS):  # type: ignore[misc, name-defined]
        def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802
            # temporary files of sqlite have no name
            return File() if name is not None else super().xOpen(name, flags)

        def xFullPathname(self, name: str) -> str:  # noqa: N802
            return name

    name = f'mtshare-{len(_FILE_SYSTEMS)}'
    _FILE_SYSTEMS[name] = FileSystem(name, '')
    return name


_FILE_SYSTEMS: dict[str, Any] = {}
"""The file systems made so far, kept because sqlite only has their names and uses them later."""
