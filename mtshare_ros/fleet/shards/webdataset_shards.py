"""A segment as a tar file for WebDataset: pictures as files, and all else of a row as JSON."""

import json
from pathlib import Path
from typing import Any

from mtshare_ros.errors import import_extra
from mtshare_ros.fleet.shards.columns import FILE
from mtshare_ros.fleet.shards.shard_writer import ShardContext, ShardWriter


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
