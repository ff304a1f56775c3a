"""The manifest of a fleet: what became of every segment, and where it is."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import time
from typing import Any
import uuid

from mtshare_ros.errors import import_extra, PlaceError
from mtshare_ros.fleet.manifest_rows import (
    ManifestRow,
    parquet_bytes,
    read_parquet,
    rows_of,
    schema,
    StoredTable,
    table_of,
)
from mtshare_ros.fleet.places import Place

MANIFEST = 'manifest.parquet'
PARTS = 'manifest'
"""The folder of rows that were written since ``MANIFEST``."""

_ENDING = '.parquet'
_READERS = 16
_MOST_PARTS = 256

_WRITTEN, _IDENTITY, _MERGED = 'written_ns', 'part', 'merged'
"""Notes of the files: when it was written, which it is, and which ones it contains."""


def part_name(name: str) -> str:
    """Return the name of a part's file in the output."""
    return f'{PARTS}/{name}{_ENDING}'


def write_part(place: Place, name: str, rows: Iterable[ManifestRow]) -> None:
    """Write rows as a part of a given name, which replaces an earlier one of that name."""
    _write(place, part_name(name), rows, time.time_ns())


def read_part(place: Place, name: str) -> tuple[ManifestRow, ...]:
    """Return the rows of a part, none where there is none or it is damaged."""
    file = part_name(name)
    if place.size(file) is None:
        return ()
    try:
        return tuple(rows_of(read_parquet(place.read_bytes(file)).table))
    except ValueError:
        return ()


@dataclass(frozen=True)
class Totals:
    """Sums over a manifest: recordings by what became of them, segments, images, bytes."""

    recordings: int = 0
    segments: int = 0
    frames: int = 0
    skipped: int = 0
    output_bytes: int = 0
    seconds: float = 0.0
    failed: int = 0
    duplicates: int = 0


class Manifest:
    """
    The rows of a fleet, one for each segment and for each recording as a whole.

    A new row replaces the one of the same source and segment. Rows are kept when ``flush`` has
    returned. ``load`` reads those of earlier runs; ``damaged`` then has a sentence for each file
    that could not be read.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        # rows that were read or merged, sorted, each key once; None before the first
        self._table: Any = None
        self._slices: dict[str, tuple[int, int]] = {}
        self._rows: dict[str, dict[int, ManifestRow]] = defaultdict(dict)
        self._waiting: dict[tuple[str, int], ManifestRow] = {}
        # files of parts, and what they are
        self._parts: dict[str, str] = {}
        self._stale: list[str] = []
        self._last_ns = 0
        self.damaged: tuple[str, ...] = ()

    @classmethod
    def load(cls, place: Place, say: Callable[[str], None] = lambda line: None) -> 'Manifest':
        """
        Read the manifest of a place, empty where there is none.

        A damaged part is named and left out: its segments are computed again. Raises PlaceError
        where the merged file is damaged.
        """
        manifest = cls(place)
        tables = []
        merged: set[str] = set()
        if place.size(MANIFEST) is not None:
            whole = _read_whole(place)
            tables.append(whole.table)
            merged = set(filter(None, whole.notes.get(_MERGED, '').split(',')))
        parts = []
        for name, part in _read_parts(place):
            if isinstance(part, str):
                manifest.damaged += (f'{place.text}/{name}: is damaged ({part}); it is left out, '
                                     'and its segments are computed again',)
            elif part.notes.get(_IDENTITY) in merged:
                manifest._stale.append(name)
            else:
                parts.append((int(part.notes.get(_WRITTEN, 0)), name, part))
        for written_ns, name, part in sorted(parts, key=lambda item: item[:2]):
            manifest._parts[name] = part.notes.get(_IDENTITY, '')
            manifest._last_ns = max(manifest._last_ns, written_ns)
            tables.append(part.table)
        manifest._set_table(tables)
        for line in manifest.damaged:
            say(line)
        return manifest

    def add(self, row: ManifestRow) -> None:
        """Add a row, or replace the one of its source and segment."""
        self._rows[row.source][row.segment] = row
        self._waiting[row.key] = row

    def remove(self, source: str, segments: Iterable[int]) -> None:
        """Forget rows, say of segments of a recording that has changed."""
        for segment in segments:
            self.add(ManifestRow(source=source, segment=segment, state='removed'))

    def flush(self) -> None:
        """Write the rows that were added since the last time."""
        if not self._waiting:
            return
        # later than all before, also where the clock was set back
        self._last_ns = max(time.time_ns(), self._last_ns + 1)
        name = part_name(f'{self._last_ns}-{uuid.uuid4().hex[:8]}')
        self._parts[name] = _write(self._place, name, self._waiting.values(), self._last_ns)
        self._waiting.clear()
        if len(self._parts) >= _MOST_PARTS:
            self.compact()

    def compact(self) -> None:
        """
        Write all rows into one file, and remove the parts that were loaded or flushed.

        Parts that others wrote meanwhile stay as they are.
        """
        self._clear_stale()
        rows = [row for rows in self._rows.values() for row in rows.values()]
        self._set_table([self._table, table_of(rows)] if self._table is not None
                        else [table_of(rows)])
        self._rows.clear()
        notes = {_MERGED: ','.join(filter(None, self._parts.values()))}
        self._place.write_bytes(MANIFEST, parquet_bytes(self._table, notes))
        self._waiting.clear()
        # parts that a kill leaves are in the notes, and not read again
        self._stale, self._parts = list(self._parts), {}
        self._clear_stale()

    def rows(self) -> Iterator[ManifestRow]:
        """Yield all rows, sorted by source and segment."""
        for source in sorted({*self._slices, *self._rows}):
            yield from self.of(source).values()

    def of(self, source: str) -> dict[int, ManifestRow]:
        """Return the rows about a recording by segment, in their order."""
        start, stop = self._slices.get(source, (0, 0))
        rows = {row.segment: row for row in rows_of(self._table.slice(start, stop - start))
                } if stop > start else {}
        rows.update(self._rows.get(source, {}))
        return {segment: rows[segment] for segment in sorted(rows)
                if rows[segment].state != 'removed'}

    def done(self, source: str, digest: str, settings_digest: str) -> dict[int, ManifestRow]:
        """Return the done segments of a recording with these contents and settings."""
        return {segment: row for segment, row in self.of(source).items()
                if segment >= 0 and row.state == 'done' and row.input_digest == digest
                and row.settings_digest == settings_digest}

    def failed(self) -> tuple[ManifestRow, ...]:
        """Return the rows of what failed."""
        return tuple(row for row in self.rows() if row.state == 'failed')

    def names(self) -> dict[str, str]:
        """Return the names of recordings by their locations."""
        names: dict[str, str] = {}
        if self._table is not None:
            starts = [start for start, _ in self._slices.values()]
            taken = self._table['name'].take(_indices(starts)).to_pylist()
            names.update(zip(self._slices, taken))
        for source, rows in self._rows.items():
            names.update((source, row.name) for row in rows.values() if row.name)
        return {source: name for source, name in names.items() if name}

    def totals(self) -> Totals:
        """Return sums over all rows."""
        rows = list(self.rows())
        segments = [row for row in rows if row.segment >= 0 and row.state == 'done']
        return Totals(
            recordings=len({row.source for row in rows}), segments=len(segments),
            frames=sum(row.frames for row in segments),
            skipped=sum(row.skipped for row in segments),
            output_bytes=sum(row.output_bytes for row in segments),
            seconds=sum(row.seconds for row in segments),
            failed=len({row.source for row in rows if row.state == 'failed'}),
            duplicates=len({row.source for row in rows if row.state == 'duplicate'}))

    def _set_table(self, tables: list[Any]) -> None:
        """Keep the newest row of each key, of tables from the oldest to the newest."""
        arrow = import_extra('pyarrow', 'a manifest', 'fleet')
        self._table = _newest(arrow.concat_tables([schema().empty_table(), *tables]))
        sources = self._table['source'].combine_chunks().dictionary_encode() if len(
            self._table) else None
        self._slices = {}
        if sources is not None:
            counts = arrow.compute.value_counts(self._table['source'])
            start = 0
            # sorted, so equal sources follow each other
            for item in counts.to_pylist():
                self._slices[item['values']] = (start, start + item['counts'])
                start += item['counts']

    def _clear_stale(self) -> None:
        for name in self._stale:
            self._place.remove(name)
        self._stale = []


def _indices(values: list[int]) -> Any:
    arrow = import_extra('pyarrow', 'a manifest', 'fleet')
    return arrow.array(values, arrow.int64())


def _newest(table: Any) -> Any:
    """Return the last row of each source and segment, sorted by them, removed ones left out."""
    arrow = import_extra('pyarrow', 'a manifest', 'fleet')
    compute = import_extra('pyarrow.compute', 'a manifest', 'fleet')
    keys = arrow.table({'source': table['source'], 'segment': table['segment'],
                        'row': arrow.array(range(len(table)), arrow.int64())})
    last = keys.group_by(['source', 'segment']).aggregate([('row', 'max')])
    last = last.sort_by([('source', 'ascending'), ('segment', 'ascending')])
    newest = table.take(last['row_max'])
    return newest.filter(compute.not_equal(newest['state'], 'removed')).combine_chunks()


def _write(place: Place, name: str, rows: Iterable[ManifestRow], written_ns: int) -> str:
    """Write a part and return which it is."""
    identity = uuid.uuid4().hex
    notes = {_WRITTEN: str(written_ns), _IDENTITY: identity}
    place.write_bytes(name, parquet_bytes(table_of(rows), notes))
    return identity


def _read_whole(place: Place) -> StoredTable:
    try:
        return read_parquet(place.read_bytes(MANIFEST))
    except ValueError as error:
        raise PlaceError(
            f'{place.text}/{MANIFEST}: is damaged ({error}); put back a copy of it, or remove it: '
            'then everything is computed again') from error


def _read_parts(place: Place) -> Iterator[tuple[str, StoredTable | str]]:
    """Yield the parts, or what is wrong with them."""
    def read(name: str) -> StoredTable | str:
        try:
            return read_parquet(place.read_bytes(name))
        except ValueError as error:
            return str(error)

    names = [name for name in place.list(PARTS) if name.endswith(_ENDING)]
    with ThreadPoolExecutor(_READERS) as pool:
        yield from zip(names, pool.map(read, names))
