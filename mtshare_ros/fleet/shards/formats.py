"""The formats of shards, which are files of rows for learning: one for each segment."""

from pathlib import Path

from mtshare_ros.errors import ConfigError
from mtshare_ros.fleet.shards.parquet_shards import ParquetShard
from mtshare_ros.fleet.shards.shard_writer import ShardContext, ShardWriter
from mtshare_ros.fleet.shards.webdataset_shards import WebDatasetShard

FORMATS = {'parquet': '.parquet', 'webdataset': '.tar'}
"""The formats and the endings of their files."""

_WRITERS: dict[str, type[ShardWriter]] = {
    'parquet': ParquetShard, 'webdataset': WebDatasetShard}


def open_shard(name: str, path: Path, context: ShardContext) -> ShardWriter:
    """Return a writer of a new file in the format of a name; raise ConfigError for another."""
    if name not in _WRITERS:
        raise ConfigError(f'there is no format {name!r} of shards; allowed: {", ".join(FORMATS)}')
    return _WRITERS[name](path, context)
