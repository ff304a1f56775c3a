"""The manifest of a fleet: what became of every segment, and where it is."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
import time
from typing import Any
import uuid

import numpy as np

from mtshare_ros.errors import import_extra, PlaceError
from mtshare_ros.fleet.output.layout import MANIFEST, PARTS
from mtshare_ros.fleet.output.manifest_rows import (
    ManifestRow,
    parquet_bytes,
    read_parquet,
    REMOVED,
    rows_of,
    schema,
    StoredTable,
    table_of,
)
from mtshare_ros.fleet.output.places import Place

_ENDING = '.parquet'
_READERS = 16
_MOST_PARTS = 256

_WRITTEN, _IDENTITY, _NAMED, _MERGED = 'written_ns', 'part', 'named', 'merged'
"""Notes of files: when a part was written, which it is, whether its name was given; the parts
that the merged file contains."""


def part_name(name: str) -> str:
    """Return the name of a part's file in the output."""
    return f'{PARTS}/{name}{_ENDING}'


def write_part(place: Place, name: str, rows: Iterable[ManifestRow]) -> None:
    """Write rows as a part of a given name, which replaces an earlier one of that name."""
    _write(place, part_name(name), table_of(rows), time.time_ns(), named=True)


def read_part(place: Place, name: str) -> tuple[ManifestRow, ...]:
    """Return the rows of a part, none where there is none or it is damaged."""
    file = part_name(name)
    if place.size(file) is None:
        return ()
    try:
        return tuple(rows_of(read_parquet(place.read_bytes(file)).table))
    except ValueError:
        return ()


class Manifest:
    """
    The rows of a fleet, one for each segment and for each recording as a whole.

    A new row replaces the one of the same source and segment. Rows are kept when ``flush`` has
    returned. ``load`` reads those of earlier runs; ``damaged`` then has a sentence for each file
    that could not be read.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        # rows that were read or merged, sorted, each key once; where those of a source are
        self._table: Any = schema().empty_table()
        self._slices: dict[str, tuple[int, int]] = {}
        # rows that were added since: those that are written, and all of them to be found
        self._flushed: list[Any] = []
        self._rows: dict[str, dict[int, ManifestRow]] = defaultdict(dict)
        self._waiting: dict[tuple[str, int], ManifestRow] = {}
        # files of parts, and which they are; those that are in the merged file already; those
        # that workers may be writing again
        self._parts: dict[str, str] = {}
        self._stale: dict[str, str] = {}
        self._named: set[str] = set()
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
                continue
            if part.notes.get(_NAMED) == str(True):
                manifest._named.add(name)
            if (identity := part.notes.get(_IDENTITY, '')) in merged:
                manifest._stale[name] = identity
            else:
                parts.append((int(part.notes.get(_WRITTEN, 0)), name, part))
        for written_ns, name, part in sorted(parts, key=lambda item: item[:2]):
            manifest._parts[name] = part.notes.get(_IDENTITY, '')
            manifest._last_ns = max(manifest._last_ns, written_ns)
            tables.append(part.table)
        manifest._merge(tables)
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
            self.add(ManifestRow(source=source, segment=segment, state=REMOVED))

    def flush(self) -> None:
        """Write the rows that were added since the last time."""
        if not self._waiting:
            return
        # later than all before, also where the clock was set back
        self._last_ns = max(time.time_ns(), self._last_ns + 1)
        name = part_name(f'{self._last_ns}-{uuid.uuid4().hex[:8]}')
        table = table_of(self._waiting.values())
        self._parts[name] = _write(self._place, name, table, self._last_ns)
        self._flushed.append(table)
        self._waiting.clear()
        if len(self._parts) >= _MOST_PARTS:
            self._compact(keep=self._named)

    def compact(self) -> None:
        """
        Write all rows into one file, and remove the parts that were loaded or flushed.

        Workers must not write parts of the same names meanwhile.
        """
        self._compact(keep=frozenset())

    def _compact(self, keep: Collection[str]) -> None:
        """Write all rows into one file, and remove the parts that it contains, but some."""
        self._merge([*self._flushed, table_of(self._waiting.values())])
        contained = {**self._stale, **self._parts}
        notes = {_MERGED: ','.join(filter(None, contained.values()))}
        self._place.write_bytes(MANIFEST, parquet_bytes(self._table, notes))
        self._flushed.clear()
        self._rows.clear()
        self._waiting.clear()
        # those that stay, or that a kill leaves, are in the notes, and not read again
        self._stale, self._parts = contained, {}
        for name in [name for name in contained if name not in keep]:
            self._place.remove(name)
            del self._stale[name]

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
                if rows[segment].state != REMOVED}

    def names(self) -> dict[str, str]:
        """Return the names of recordings by their locations."""
        starts = np.array([start for start, _ in self._slices.values()], np.int64)
        names = dict(zip(self._slices, self._table['name'].take(starts).to_pylist()))
        for source, rows in self._rows.items():
            names.update((source, row.name) for row in rows.values() if row.state != REMOVED)
        return names

    def _merge(self, tables: Sequence[Any]) -> None:
        """Put tables, from the oldest to the newest, over the one that is kept."""
        arrow = import_extra('pyarrow', 'a manifest', 'fleet')
        compute = import_extra('pyarrow.compute', 'a manifest', 'fleet')
        self._table = _newest(arrow.concat_tables([self._table, *tables]))
        self._slices, start = {}, 0
        # in the order of the table, which is sorted by them
        for item in compute.value_counts(self._table['source']).to_pylist():
            self._slices[item['values']] = (start, start + item['counts'])
            start += item['counts']


def _newest(table: Any) -> Any:
    """Return the last row of each source and segment, sorted by them, removed ones left out."""
    arrow = import_extra('pyarrow', 'a manifest', 'fleet')
    compute = import_extra('pyarrow.compute', 'a manifest', 'fleet')
    sources, segments = _ranks(table['source']), table['segment'].to_numpy()
    # the sort is stable, so the newest of equal keys is the last
    order = np.lexsort((segments, sources))
    changes = (np.diff(sources[order]) != 0) | (np.diff(segments[order]) != 0)
    rows = order[np.append(changes, True)] if len(order) else order
    # nothing is copied where nothing changes
    if not np.array_equal(rows, np.arange(len(table))):
        table = table.take(arrow.array(rows))
    kept = compute.not_equal(table['state'], REMOVED)
    return table if compute.all(kept, min_count=0).as_py() else table.filter(kept)


def _ranks(texts: Any) -> np.ndarray:
    """Return a number for each text, which sorts as the text does."""
    arrow = import_extra('pyarrow', 'a manifest', 'fleet')
    compute = import_extra('pyarrow.compute', 'a manifest', 'fleet')
    encoded = arrow.concat_arrays(
        texts.chunks or [arrow.array([], texts.type)]).dictionary_encode()
    ranks = np.empty(len(encoded.dictionary), np.int64)
    ranks[compute.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(ranks))
    return ranks[encoded.indices.to_numpy()]


def _write(
    place: Place, name: str, table: Any, written_ns: int, *, named: bool = False
) -> str:
    """Write a part and return which it is."""
    identity = uuid.uuid4().hex
    notes = {_WRITTEN: str(written_ns), _IDENTITY: identity, _NAMED: str(named)}
    place.write_bytes(name, parquet_bytes(table, notes))
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
