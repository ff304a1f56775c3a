"""Reading a bag that is complete, by way of rosbags and its indices."""

from pathlib import Path
from typing import Iterator

from mtshare_ros.recording.bag_parts import BagMessage, BagTopic, storage_files, storage_of
from mtshare_ros.recording.extras import require


class WholeBag:
    """A bag with its metadata and indices; messages come in the order of their times."""

    def __init__(self, path: Path) -> None:
        rosbag2 = require('rosbags.rosbag2', 'reading a bag', 'bags')
        self._reader = rosbag2.Reader(path)
        self._reader.open()
        self.storage = _storage(path)
        self.start_ns: int = self._reader.start_time
        self._connections = self._reader.connections
        self.topics = tuple(
            BagTopic(item.topic, item.msgtype, item.msgcount, item.msgdef.data,
                     tuple(item.ext.offered_qos_profiles))
            for item in self._connections
        )

    def messages(
        self, names: tuple[str, ...], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[BagMessage]:
        """Read the messages of some topics; raises whatever rosbags meets in a damaged file."""
        wanted = [item for item in self._connections if item.topic in names]
        if not wanted:  # rosbags takes none for all
            return
        for connection, time_ns, data in self._reader.messages(wanted, start_ns, stop_ns):
            yield BagMessage(connection.topic, time_ns, bytes(data))

    def close(self) -> None:
        """Close the files."""
        self._reader.close()


def _storage(path: Path) -> str:
    files = storage_files(path)
    return storage_of(files[0]) if files else 'sqlite3'
