"""Writing one file of a bag, with what metadata.yaml says of it."""

from collections import Counter
from pathlib import Path
from typing import Any, Sequence

from mtshare_ros.recording.bag_parts import Channel
from mtshare_ros.recording.qualities import write_qos
from mtshare_ros.recording.storage_writers import WRITERS

BAG_VERSION = 8  # the newest whose metadata Humble reads


class SegmentWriter:
    """A storage file under construction."""

    def __init__(self, path: Path, storage: str, channels: Sequence[Channel]) -> None:
        self.path = path
        self._storage = storage
        self._channels = channels
        self._counts: Counter[Channel] = Counter()
        self._times: tuple[int, int] | None = None
        self._writer = WRITERS[storage](path)
        for channel in channels:
            self._writer.add(channel)

    @property
    def count(self) -> int:
        """How many messages were written."""
        return sum(self._counts.values())

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Write one message, recorded at a time in ns since the epoch."""
        self._writer.write(channel, time_ns, data)
        self._counts[channel] += 1
        first, last = self._times or (time_ns, time_ns)
        self._times = min(first, time_ns), max(last, time_ns)

    def close(self) -> None:
        """Make the file whole."""
        self._writer.close()

    def abandon(self) -> None:
        """Close a file that nobody will read."""
        self._writer.abandon()

    def metadata(self) -> dict[str, Any]:
        """Return what rosbag2 calls the information of a bag with this file alone."""
        first, last = self._times or (0, 0)
        span = {'starting_time': {'nanoseconds_since_epoch': first},
                'duration': {'nanoseconds': last - first}, 'message_count': self.count}
        return {
            'version': BAG_VERSION, 'storage_identifier': self._storage,
            'relative_file_paths': [self.path.name], **span,
            'topics_with_message_count': [
                {'topic_metadata': _describe(channel), 'message_count': self._counts[channel]}
                for channel in self._channels],
            'compression_format': '', 'compression_mode': '',
            'files': [{'path': self.path.name, **span}],
            'custom_data': None, 'ros_distro': 'mtshare_ros',
        }


def _describe(channel: Channel) -> dict[str, str]:
    return {
        'name': channel.topic, 'type': channel.message_type,
        'serialization_format': channel.serialization,
        'offered_qos_profiles': write_qos(channel.qos),
        'type_description_hash': channel.type_hash,
    }
