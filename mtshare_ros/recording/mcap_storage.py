"""Reading and writing mcap files; damaged ones are read up to the damage."""

from collections import Counter
from dataclasses import dataclass
import heapq
from io import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO, Collection, Iterator, Sequence

from mtshare_ros.errors import import_extra, MtshareError, RecordingError
from mtshare_ros.recording.bag_parts import (
    BagMessage,
    Channel,
    Definition,
    read_qos,
    ReadingError,
    StorageWriter,
    write_qos,
    WrongIndexError,
)
from mtshare_ros.recording.mcap_index import read_message_times
from mtshare_ros.recording.remote_path import BagPath, RemotePath


@dataclass
class _Span:
    """Consecutive messages of a file: a chunk, or ``count`` messages in the order of time."""

    start_ns: int
    end_ns: int
    offset: int
    count: int = 0
    channels: Collection[int] = ()


class McapFile:
    """
    An mcap file with or without chunks, summary and end.

    A chunk is used if it is whole and its checksum, where it has one, is right. Nothing behind a
    damaged chunk is used. Raises WrongIndexError for a remote file without an index.
    """

    def __init__(self, path: BagPath) -> None:
        self._path = path
        self._reading = import_extra('mcap.stream_reader', 'reading an mcap bag', 'bags')
        self._records = import_extra('mcap.records', 'reading an mcap bag', 'bags')
        self._schemas: dict[int, Any] = {}
        self._channels: dict[int, Channel] = {}
        self._spans: list[_Span] = []
        self._chunks: Sequence[Any] = ()
        self._fault: ReadingError | None = None
        self._numbers: Counter[int] = Counter()
        self.start_ns: int | None = None
        self.end_ns: int | None = None
        self.note = ''
        self.distro = ''
        with path.open('rb') as file:
            self._size = file.seek(0, SEEK_END)
            file.seek(0)
            self.note = self._use_index(file)
            if self.note and isinstance(path, RemotePath):
                raise WrongIndexError(f'{path}: {self.note}; read a local copy of it')
            if self.note:
                self._make_index(file)
        self.counts = Counter[Channel]()
        for number, channel in self._channels.items():
            self.counts[channel] += self._numbers[number]
        self._refuse_ros1()

    def messages(
        self, topics: Collection[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[BagMessage]:
        """Yield the messages of topics; raise ReadingError with the offset of a damaged record."""
        numbers = {key for key, channel in self._channels.items() if channel.topic in topics}
        spans = [
            span for span in self._spans
            if (not span.channels or not numbers.isdisjoint(span.channels))
            and (start_ns is None or span.end_ns >= start_ns)
            and (stop_ns is None or span.start_ns < stop_ns)
        ]
        found = 0
        with self._path.open('rb') as file:
            sources = [self._read(file, span) for span in spans]
            # without the message, because messages of equal times cannot be compared
            for time_ns, _, _, message in heapq.merge(*sources, key=lambda item: item[:3]):
                if (message is not None and message.channel_id in numbers
                        and (start_ns is None or time_ns >= start_ns)
                        and (stop_ns is None or time_ns < stop_ns)):
                    found += 1
                    yield BagMessage(
                        self._channels[message.channel_id], time_ns, message.data)
        # the wanted messages may all be before the damage
        if self._fault is not None and (
                stop_ns is None or self.end_ns is None or stop_ns > self.end_ns):
            raise self._fault
        if start_ns is None and stop_ns is None:
            self._check_count(found, sum(self._numbers[number] for number in numbers))

    def index(self, topics: Collection[str]) -> Sequence[tuple[Channel, int]] | None:
        """Return channels and times of the messages of topics, from the indexes of chunks."""
        numbers = {key for key, channel in self._channels.items() if channel.topic in topics}
        if self.note:
            return None
        found = read_message_times(self._path, self._chunks, numbers)
        if found is None or len(found) != sum(self._numbers[number] for number in numbers):
            return None
        return [(self._channels[number], time_ns) for number, time_ns in found]

    def _check_count(self, found: int, counted: int) -> None:
        if found < counted:
            raise ReadingError(f'{counted - found} of the {counted} messages that it counts are '
                               'not there', f'{self._path.name}, summary')

    def _read(self, file: BinaryIO, span: _Span) -> Iterator[tuple[int, int, int, Any]]:
        """
        Yield the messages of a span as (time, offset, number, message).

        The first item is the span's start without a message, so that merging spans by time reads
        each only when its turn has come.
        """
        yield span.start_ns, span.offset, -1, None
        offset, number = span.offset, 0
        records = self._reading.StreamReader(file, skip_magic=True, emit_chunks=True).records
        while number < max(span.count, 1):
            try:
                file.seek(offset)  # other spans are read from the same file in between
                found = self._messages_in(next(records))
            except MtshareError:  # what cannot be reached is not damaged
                raise
            except Exception as error:  # noqa: B902 - damaged bytes raise anything
                raise self._explain(error, offset) from error
            offset = file.tell()
            # a chunk holds messages in the order they were written
            for message in sorted(found, key=lambda item: item.log_time):
                yield message.log_time, span.offset, number, message
                number += 1
            if not span.count:
                return

    def _messages_in(self, record: Any) -> list[Any]:
        """Return the messages of a record; keep the channels and schemas in it."""
        inner = [record]
        if isinstance(record, self._records.Chunk):
            inner = self._reading.breakup_chunk(record, validate_crc=True)
        for item in inner:
            if isinstance(item, self._records.Schema):
                self._schemas[item.id] = item
            elif isinstance(item, self._records.Channel):
                self._channels.setdefault(item.id, self._describe(item))
        return [item for item in inner if isinstance(item, self._records.Message)
                and item.channel_id in self._channels]

    def _describe(self, record: Any) -> Channel:
        schema = self._schemas.get(record.schema_id)
        definition = Definition()
        if schema is not None and schema.data:
            definition = Definition(schema.encoding, schema.data.decode(errors='replace'))
        return Channel(
            record.topic, schema.name if schema is not None else '', record.message_encoding,
            definition, record.metadata.get('topic_type_hash', ''),
            read_qos(record.metadata.get('offered_qos_profiles', '')))

    def _use_index(self, file: BinaryIO) -> str:
        """Take channels and spans from the summary; return why it cannot be used, else nothing."""
        try:
            summary = import_extra('mcap.reader', 'reading an mcap bag', 'bags').SeekingReader(
                file).get_summary()
        except MtshareError:
            raise
        except Exception as error:  # noqa: B902 - damaged bytes raise anything
            return f'its summary cannot be read ({_reason_of(error)})'
        if summary is None or summary.statistics is None:
            return 'it has no summary'
        statistics = summary.statistics
        # messages outside chunks are not in the index, so a file of such messages is read whole
        complete = (statistics.chunk_count == len(summary.chunk_indexes)
                    and bool(statistics.chunk_count) == bool(statistics.message_count)
                    and set(statistics.channel_message_counts) <= set(summary.channels)
                    and all(channel.schema_id in {0, *summary.schemas}
                            for channel in summary.channels.values()))
        if not complete:
            return 'its summary is not complete'
        self._schemas.update(summary.schemas)
        self._channels = {
            key: self._describe(channel) for key, channel in summary.channels.items()}
        self._numbers.update(statistics.channel_message_counts)
        self._chunks = summary.chunk_indexes
        self._spans = [
            _Span(item.message_start_time, item.message_end_time, item.chunk_start_offset,
                  channels=tuple(item.message_index_offsets))
            for item in summary.chunk_indexes
        ]
        if statistics.message_count:
            self.start_ns, self.end_ns = statistics.message_start_time, statistics.message_end_time
        return ''

    def _make_index(self, file: BinaryIO) -> None:
        """Find channels and spans by reading the file up to its end or to the damage."""
        offset = 0
        file.seek(0)
        try:
            for record in self._reading.StreamReader(file, emit_chunks=True).records:
                messages = self._messages_in(record)
                self._numbers.update(message.channel_id for message in messages)
                times = [message.log_time for message in messages]
                if times:
                    self._add_span(times, offset, isinstance(record, self._records.Chunk))
                elif isinstance(record, self._records.Statistics):
                    self._check_count(sum(self._numbers.values()), record.message_count)
                offset = file.tell()
        except ReadingError as error:
            self._fault = error
        except Exception as error:  # noqa: B902 - damaged bytes raise anything
            self._fault = self._explain(error, offset)

    def _add_span(self, times: list[int], offset: int, chunk: bool) -> None:
        first, last = min(times), max(times)
        self.start_ns = first if self.start_ns is None else min(first, self.start_ns)
        self.end_ns = last if self.end_ns is None else max(last, self.end_ns)
        before = self._spans[-1] if self._spans else None
        # merging by time needs spans whose messages are in the order of time
        if chunk or before is None or not before.count or first < before.end_ns:
            self._spans.append(_Span(first, last, offset, 0 if chunk else 1))
        else:
            before.end_ns = last
            before.count += 1

    def _explain(self, error: Exception, offset: int) -> ReadingError:
        return ReadingError(
            _reason_of(error), f'{self._path.name}, byte {offset} of {self._size}')

    def _refuse_ros1(self) -> None:
        if any(channel.serialization == 'ros1' for channel in self._channels.values()):
            name = self._path.name.partition('.')[0]
            raise RecordingError(
                f'{self._path}: is a recording of ROS 1 (its messages have the format ros1, which '
                '"mcap convert" keeps), bags of ROS 2 are read; convert the .bag that it was made '
                f'from: pip install rosbags, rosbags-convert --src {name}.bag --dst {name}')


def _reason_of(error: Exception) -> str:
    return str(error) or 'the file ends too early'


class McapWriter(StorageWriter):
    """Writes an mcap file in chunks, not compressed."""

    def __init__(self, path: Path, storage: str, channels: Sequence[Channel]) -> None:
        super().__init__(path, storage, channels)
        writing = import_extra('mcap.writer', 'writing an mcap bag', 'bags')
        self._file = path.open('wb')
        self._writer = writing.Writer(self._file, compression=writing.CompressionType.NONE)
        self._writer.start(profile='ros2', library='mtshare_ros')
        self._schemas: dict[tuple[str, str, str], int] = {}
        self._numbers = {channel: self._register(channel) for channel in channels}

    def close(self) -> None:
        """Write the last chunk and the index."""
        self._writer.finish()
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def _append(self, channel: Channel, time_ns: int, data: bytes) -> None:
        self._writer.add_message(self._numbers[channel], time_ns, data, time_ns)

    def _register(self, channel: Channel) -> int:
        """Write the schema of a channel and the channel; return its number."""
        kind, definition = channel.message_type, channel.definition
        key = kind, definition.encoding, definition.text
        if key not in self._schemas:
            self._schemas[key] = self._writer.register_schema(
                kind, definition.encoding, definition.text.encode())
        about = {'offered_qos_profiles': write_qos(channel.qos)}
        if channel.type_hash:
            about['topic_type_hash'] = channel.type_hash
        number: int = self._writer.register_channel(
            channel.topic, channel.serialization, self._schemas[key], about)
        return number
