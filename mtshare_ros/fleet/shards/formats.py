"""
The formats of shards: Parquet files, and tar files for WebDataset.

Their rows are the same, see ``columns``.
"""

import json
from pathlib import Path
from typing import Any

from mtshare_ros.errors import ConfigError, import_extra
from mtshare_ros.fleet.shards.columns import Column, FILE
from mtshare_ros.fleet.shards.shard_writer import ShardContext, ShardWriter

SHARD_FORMATS = {'parquet': '.parquet', 'webdataset': '.tar'}
"""The formats and the endings of their files."""

ROW_GROUP = 64
"""Rows that are read at once; at 240x320 they have about 25 MB."""

ABOUT = 'mtshare_ros'
"""The key of the file's metadata that holds ``ShardContext.about`` as JSON."""


class ParquetShard(ShardWriter):
    """Writes a Parquet file; a group of rows is kept in memory until it is complete."""

    def __init__(self, path: Path, context: ShardContext) -> None:
        self._arrow = import_extra('pyarrow', 'writing Parquet files', 'fleet')
        parquet = import_extra('pyarrow.parquet', 'writing Parquet files', 'fleet')
        super().__init__(path, context)
        about = json.dumps(context.about(), sort_keys=True)
        self._schema = self._arrow.schema(map(self._field, self.columns), {ABOUT: about})
        self._rows: list[dict[str, Any]] = []
        # a picture does not become smaller, and nobody asks for the smallest one
        packed = {column.name: 'zstd' for column in self.columns if column.ending == 'npy'}
        self._writer = parquet.ParquetWriter(
            self._file, self._schema, compression=packed or 'none',
            use_dictionary=[column.name for column in self.columns if column.kind == 'text'],
            write_statistics=[column.name for column in self.columns if column.kind != FILE])

    def close(self) -> None:
        """Write the last group of rows and finish the file."""
        with self._writing():
            self._write_group()
        super().close()

    def _add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == ROW_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        if self._rows:
            self._writer.write_table(self._arrow.Table.from_pylist(self._rows, self._schema))
            self._rows.clear()

    def _end(self) -> None:
        self._writer.close()

    def _field(self, column: Column) -> Any:
        facts = {'description': column.text, 'unit': column.unit, 'encoding': column.ending}
        return self._arrow.field(
            column.name, self._type(column.kind), column.optional,
            {name: value for name, value in facts.items() if value})

    def _type(self, kind: str) -> Any:
        arrow = self._arrow
        real = arrow.float64()
        types = {
            'text': arrow.string(), 'integer': arrow.int64(), 'real': real, FILE: arrow.binary(),
            'camera': arrow.struct([(name, real) for name in ('fx', 'fy', 'cx', 'cy')]),
            'pose': arrow.struct([('parent', arrow.string()), ('position', arrow.list_(real)),
                                  ('quaternion', arrow.list_(real))]),
        }
        return types[kind]


class WebDatasetShard(ShardWriter):
    """
    Writes a tar file with ``<key>.<column>.png`` (or npy) and ``<key>.json`` for each row.

    The JSON files also name the classes, the model and the version, because a tar file has no
    place for what all rows have in common. Equal rows make equal bytes.
    """

    def __init__(self, path: Path, context: ShardContext) -> None:
        webdataset = import_extra('webdataset', 'writing tar files for WebDataset', 'fleet')
        super().__init__(path, context)
        about = context.about()
        self._common = {'labels': [label['name'] for label in about['labels']],
                        'model': about['model'], 'version': about['version']}
        # of the formats of tar, PAX has names of any length and in any alphabet
        self._writer = webdataset.TarWriter(
            self._file, user='', group='', mtime=0, encoder=False, format='PAX_FORMAT')

    def _add(self, row: dict[str, Any]) -> None:
        files = {f'{column.name}.{column.ending}': row.pop(column.name)
                 for column in self.columns if column.kind == FILE}
        facts = json.dumps({**row, **self._common}, sort_keys=True, allow_nan=False)
        self._writer.write({'__key__': row['key'], **files, 'json': facts.encode()})

    def _end(self) -> None:
        self._writer.close()


_WRITERS: dict[str, type[ShardWriter]] = {
    'parquet': ParquetShard, 'webdataset': WebDatasetShard}


def open_shard(name: str, path: Path, context: ShardContext) -> ShardWriter:
    """Return a writer of a new file in the format of a name; raise ConfigError for another."""
    if name not in _WRITERS:
        raise ConfigError(f'there is no format {name!r} of shards; allowed: '
                          f'{", ".join(SHARD_FORMATS)}')
    return _WRITERS[name](path, context)
