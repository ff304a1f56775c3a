"""The texts that name sources: paths, globs, addresses, lists of them, manifests."""

from collections.abc import Iterator, Sequence
import csv
from dataclasses import dataclass
import io
import json
import os
import re

from mtshare_ros.errors import import_extra, MtshareError, RecordingError
from mtshare_ros.fleet.addresses import Address, is_address, reaching
from mtshare_ros.fleet.locations import absolute, parent_of

LIST = '.txt'
MANIFESTS = ('.parquet', '.csv', '.jsonl')
COLUMN = 'source'
"""The column of manifests that has the sources."""

_MAGIC = re.compile(r'[*?[]')


@dataclass(frozen=True)
class Wanted:
    """
    A file, a folder or a glob that was asked for: an absolute path or a URL.

    ``origin`` says for messages where it was asked for, empty for the command line.
    """

    location: str
    is_pattern: bool
    origin: str = ''


class Expansion:
    """
    What a sequence of texts asks for, lists and manifests read.

    ``wanted`` is without repetitions; ``faults`` has a sentence for each text that is wrong.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.wanted: dict[Wanted, None] = {}
        self.faults: list[str] = []
        self._read: set[str] = set()
        for text in texts:
            self._add(text, os.getcwd(), '')

    def _add(self, text: str, folder: str, origin: str, *, literal: bool = False) -> None:
        try:
            location = absolute(text, folder)
        except RecordingError as error:
            self.faults.append(f'{error}{origin}')
            return
        is_pattern = not literal and is_glob(location)
        if not is_pattern and location.endswith((LIST, *MANIFESTS)) and _is_file(location):
            self._open(location, origin)
        else:
            self.wanted[Wanted(location, is_pattern, origin)] = None

    def _open(self, location: str, origin: str) -> None:
        """Add the sources in a list or a manifest."""
        # a list may name itself
        if location in self._read:
            return
        self._read.add(location)
        literal = not location.endswith(LIST)
        try:
            texts = list(dict.fromkeys(_read_texts(location)))
        except MtshareError as error:
            self.faults.append(f'{error}{origin}')
            return
        if not texts:
            self.faults.append(f'{location}{origin}: names no sources')
        for text in texts:
            self._add(text, parent_of(location), f' (from {location})', literal=literal)


def is_glob(location: str) -> bool:
    """Return whether a location has wildcards, and is not the name of a file that exists."""
    if not _MAGIC.search(location):
        return False
    return is_address(location) or not os.path.lexists(location)


def fixed_folder(pattern: str) -> str:
    """Return the folder above the first wildcard of a pattern."""
    magic = _MAGIC.search(pattern)
    return parent_of(pattern[:magic.start()]) if magic else pattern


def _is_file(location: str) -> bool:
    return is_address(location) or os.path.isfile(location)


def _read_texts(location: str) -> Iterator[str]:
    """Yield the sources in a list or a manifest; raise RecordingError where it is none."""
    data = _read(location)
    try:
        if location.endswith(LIST):
            yield from _lines(data)
        elif location.endswith('.parquet'):
            yield from _parquet(data)
        else:
            # Excel begins a file with a byte order mark
            rows = csv.DictReader(io.StringIO(data.decode('utf-8-sig'))) if location.endswith(
                '.csv') else map(json.loads, _lines(data))
            yield from (str(row[COLUMN]) for row in rows if row[COLUMN])
    except MtshareError:
        raise
    except (KeyError, TypeError) as error:
        raise RecordingError(f'{location}: has no column {COLUMN!r}; allowed are manifests with a '
                             'column of that name, one recording in each row') from error
    except ValueError as error:
        raise RecordingError(f'{location}: cannot be read: {error}') from error


def _read(location: str) -> bytes:
    if is_address(location):
        address = Address(location)
        try:
            with reaching(location, 'read'):
                return bytes(address.system.cat_file(address.path))
        except FileNotFoundError as error:
            raise RecordingError(f'{location}: there is no such file') from error
    try:
        with open(location, 'rb') as file:
            return file.read()
    except OSError as error:
        raise RecordingError(f'{location}: cannot be read: {error.strerror}') from error


def _lines(data: bytes) -> Iterator[str]:
    for line in data.decode('utf-8-sig').splitlines():
        if (line := line.strip()) and not line.startswith('#'):
            yield line


def _parquet(data: bytes) -> Iterator[str]:
    """Yield the sources in the bytes of a Parquet file, each once."""
    parquet = import_extra('pyarrow.parquet', 'reading a manifest', 'fleet')
    arrow = import_extra('pyarrow', 'reading a manifest', 'fleet')
    with parquet.ParquetFile(arrow.BufferReader(data)) as file:
        if COLUMN not in file.schema_arrow.names:
            raise KeyError(COLUMN)
        column = file.read([COLUMN])[COLUMN]
        yield from filter(None, column.unique().to_pylist())
