"""The times of messages in an mcap file, from the indexes behind its chunks."""

from io import BytesIO
from typing import Any, Collection, Sequence

from mtshare_ros.errors import import_extra
from mtshare_ros.recording.remote_path import BagPath, read_ranges


def read_message_times(
    path: BagPath, chunks: Sequence[Any], channels: Collection[int]
) -> list[tuple[int, int]] | None:
    """
    Return (channel, time in ns) of the messages of channels, in the order of their times.

    Messages of equal times are in the order in which they were written. ``chunks`` are the chunk
    indexes of the summary. Returns None where an index is missing, or contradicts them.
    """
    # a chunk may have messages and no index of them
    if any(not chunk.message_index_offsets and chunk.message_end_time for chunk in chunks):
        return None
    wanted = [chunk for chunk in chunks
              if not set(channels).isdisjoint(chunk.message_index_offsets)]
    found: list[tuple[int, int, int, int]] = []
    parts = read_ranges(path, [_range_of_index(chunk) for chunk in wanted])
    for chunk, data in zip(wanted, parts):
        try:
            entries = _read_index(data, chunk)
        except Exception:  # noqa: B902 - damaged bytes raise anything
            return None
        # reading takes chunks by these times, so a message outside would come out of order
        if not all(chunk.message_start_time <= time_ns <= chunk.message_end_time
                   for time_ns, _, _, _ in entries):
            return None
        found += [entry for entry in entries if entry[3] in channels]
    return [(channel, time_ns) for time_ns, _, _, channel in sorted(found)]


def _range_of_index(chunk: Any) -> tuple[int, int]:
    start = chunk.chunk_start_offset + chunk.chunk_length
    return start, start + chunk.message_index_length


def _read_index(data: bytes, chunk: Any) -> list[tuple[int, int, int, int]]:
    """Return (time, offset of the chunk, offset in it, channel) of a chunk's messages."""
    records = import_extra('mcap.records', 'reading an mcap bag', 'bags')
    streams = import_extra('mcap.data_stream', 'reading an mcap bag', 'bags')
    kinds = import_extra('mcap.opcode', 'reading an mcap bag', 'bags').Opcode
    stream = streams.ReadDataStream(BytesIO(data))
    entries = []
    while stream.count < chunk.message_index_length:
        kind, length = stream.read1(), stream.read8()
        if kind != kinds.MESSAGE_INDEX:
            stream.read(length)
            continue
        index = records.MessageIndex.read(stream)
        entries += [(time_ns, chunk.chunk_start_offset, offset, index.channel_id)
                    for time_ns, offset in index.records]
    return entries
