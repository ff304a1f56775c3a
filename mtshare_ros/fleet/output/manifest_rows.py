"""One row of a fleet's manifest, and tables of them as Parquet files."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
import io
from typing import Any

from mtshare_ros.errors import import_extra

WHOLE = -1
"""The segment of rows about a whole recording."""

DONE, FAILED, DUPLICATE = 'done', 'failed', 'duplicate'
"""The states of rows."""

REMOVED = 'removed'
"""The state of rows that stand for the removal of earlier ones."""


def column(text: str, default: Any) -> Any:
    """Return a field with a default, and the text that docs/fleet.md has about it."""
    return field(default=default, metadata={'text': text})


@dataclass(frozen=True)
class ManifestRow:
    """What is known of a segment, or of a whole recording."""

    source: str = column('absolute path or URL of the recording', '')
    name: str = column('its name in the output', '')
    kind: str = column('`bag`, `video` or `images`', '')
    segment: int = column('number of the segment, -1 for the whole recording', WHOLE)
    segments: int = column('how many the recording has, -1 where that is not known', -1)
    first_image: int = column('number of its first image in the recording', 0)
    images: int = column('images in it, those included that cannot be decoded', 0)
    frames: int = column('computed images', 0)
    skipped: int = column('images that cannot be decoded', 0)
    state: str = column('`done`, `failed` or `duplicate`', DONE)
    reason: str = column('why it failed, or of what it is a duplicate', '')
    damage: str = column('what is damaged of the recording and left out', '')
    input_digest: str = column('digest of the files of the recording', '')
    input_version: str = column('text that changes with size or time of a file of it', '')
    model_digest: str = column('sha256 of the model', '')
    settings_digest: str = column('digest of all that the maps depend on, but the input', '')
    output: str = column('the file, relative to the output', '')
    output_bytes: int = column('its bytes', 0)
    input_bytes: int = column('bytes of the recording', 0)
    end_position: int = column('messages of the recording before the end of the segment', 0)
    metadata: str = column('JSON of the rosbag2 metadata of the file', '')
    summary: str = column('JSON of what the summary shows of it', '')
    statistics: str = column('JSON of milliseconds, tokens, resets, and what it was computed with',
                             '')
    notices: tuple[str, ...] = column('notices, a list of texts', ())
    seconds: float = column('time it took to compute', 0.0)
    worker: str = column('the worker that computed it', '')
    finished_at: datetime | None = column('when it was finished, in UTC', None)
    version: str = column('version of mtshare_ros', '')

    @property
    def key(self) -> tuple[str, int]:
        """What there is one row of."""
        return self.source, self.segment


COLUMNS = {item.name: item for item in fields(ManifestRow)}
"""The columns, in their order."""


def schema() -> Any:
    """Return the Arrow schema of manifests: plain types, which all readers of Parquet know."""
    arrow = import_extra('pyarrow', 'a manifest', 'fleet')
    # large, as texts of millions of rows together exceed 2 GB
    kinds: dict[Any, Any] = {
        str: arrow.large_string(), int: arrow.int64(), float: arrow.float64(),
        tuple[str, ...]: arrow.list_(arrow.string()),
        datetime | None: arrow.timestamp('us', 'UTC')}
    return arrow.schema([(name, kinds[item.type]) for name, item in COLUMNS.items()])


def table_of(rows: Iterable[ManifestRow]) -> Any:
    """Return rows as an Arrow table."""
    arrow = import_extra('pyarrow', 'a manifest', 'fleet')
    rows = list(rows)
    values = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    try:
        return arrow.table(values, schema=schema())
    except UnicodeEncodeError:
        # names of files in messages may be no UTF-8
        return arrow.table({name: list(map(_encodable, texts)) for name, texts in values.items()},
                           schema=schema())


def _encodable(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_encodable, value))
    return value.encode(errors='replace').decode() if isinstance(value, str) else value


def rows_of(table: Any) -> Iterator[ManifestRow]:
    """Yield the rows of an Arrow table."""
    for batch in table.to_batches(max_chunksize=10_000):
        values = [values.to_pylist() for values in batch.columns]
        notices = list(COLUMNS).index('notices')
        values[notices] = [tuple(texts) for texts in values[notices]]
        for row in zip(*values):
            yield ManifestRow(*row)


def parquet_bytes(table: Any, notes: Mapping[str, str]) -> bytes:
    """Return a table as the bytes of a Parquet file with notes in its metadata."""
    parquet = import_extra('pyarrow.parquet', 'writing a manifest', 'fleet')
    buffer = io.BytesIO()
    # without Arrow's own schema, so that other readers see plain texts
    with parquet.ParquetWriter(buffer, table.schema, compression='zstd',
                               store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(dict(notes))
    return buffer.getvalue()


@dataclass(frozen=True)
class StoredTable:
    """A table and the notes that were stored with it."""

    table: Any
    notes: Mapping[str, str]


def read_parquet(data: bytes) -> StoredTable:
    """
    Return the table in the bytes of a Parquet file.

    Columns that an older version did not write get their defaults. Raises ValueError where the
    bytes are no such file.
    """
    arrow = import_extra('pyarrow', 'reading a manifest', 'fleet')
    parquet = import_extra('pyarrow.parquet', 'reading a manifest', 'fleet')
    try:
        table = parquet.read_table(arrow.BufferReader(data))
        notes = {key.decode(): value.decode()
                 for key, value in (table.schema.metadata or {}).items()}
        return StoredTable(_completed(table), notes)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(' '.join(str(error).split()) or type(error).__name__) from error


def _completed(table: Any) -> Any:
    """Return a table with all columns, in their order and types."""
    arrow = import_extra('pyarrow', 'reading a manifest', 'fleet')
    if not {'source', 'segment'} <= set(table.column_names):
        raise ValueError('the columns source and segment are missing')
    defaults = asdict(ManifestRow())
    columns = [
        table[kind.name].cast(kind.type) if kind.name in table.column_names
        else arrow.repeat(arrow.scalar(defaults[kind.name], kind.type), len(table))
        for kind in schema()]
    return arrow.table(columns, schema=schema())
