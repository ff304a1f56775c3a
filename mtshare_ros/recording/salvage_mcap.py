"""An mcap file read record by record, by way of the library mcap."""

from pathlib import Path
from typing import Any, BinaryIO, Iterator

from mtshare_ros.recording.bag_parts import BagMessage, BagTopic, ReadingError
from mtshare_ros.recording.extras import require


class McapFile:
    """
    Reads an mcap file from its beginning.

    A chunk counts as good when it is whole and its checksum, where it has one, is right; what
    lies behind a bad one is not looked for.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = require('mcap.stream_reader', 'reading a damaged mcap bag', 'bags')
        self._records = require('mcap.records', 'reading a damaged mcap bag', 'bags')
        self._schemas: dict[int, Any] = {}
        self._channels: dict[int, Any] = {}

    def topics(self) -> tuple[BagTopic, ...]:
        """Return the topics met so far."""
        return tuple(
            BagTopic(channel.topic, schema.name, 0, schema.data.decode(errors='replace'))
            for channel in self._channels.values()
            if (schema := self._schemas.get(channel.schema_id)) is not None
        )

    def messages(self) -> Iterator[BagMessage]:
        """Read all messages; raise ReadingError with the offset of the first bad record."""
        with self._path.open('rb') as file:
            for record in self._good_records(file):
                message = self._take(record)
                if message is not None:
                    yield message

    def _good_records(self, file: BinaryIO) -> Iterator[Any]:
        offset = 0
        try:
            for record in self._reading.StreamReader(file, emit_chunks=True).records:
                yield from self._unpacked(record)
                offset = file.tell()
        except Exception as error:  # noqa: B902 - damage has many faces, none of them is ours
            reason = str(error) or 'the file ends too early'
            raise ReadingError(
                reason, f'{self._path.name}, byte {offset} of {self._path.stat().st_size}'
            ) from error

    def _unpacked(self, record: Any) -> list[Any]:
        if isinstance(record, self._records.Chunk):
            unpacked: list[Any] = self._reading.breakup_chunk(record, validate_crc=True)
            return unpacked
        return [record]

    def _take(self, record: Any) -> BagMessage | None:
        """Note what a record says of topics; return its message, if it holds one."""
        if isinstance(record, self._records.Schema):
            self._schemas[record.id] = record
        elif isinstance(record, self._records.Channel):
            self._channels[record.id] = record
        elif isinstance(record, self._records.Message) and record.channel_id in self._channels:
            topic = self._channels[record.channel_id].topic
            return BagMessage(topic, record.log_time, record.data)
        return None
