"""Writing the storage files of a bag: mcap and sqlite3, with the definitions that are given."""

from pathlib import Path
import sqlite3
from typing import Protocol

from mtshare_ros.recording.bag_parts import Channel
from mtshare_ros.recording.extras import require
from mtshare_ros.recording.qualities import write_qos

_SCHEMA_VERSION = 4
_TABLES = """
CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);
CREATE TABLE metadata(
    id INTEGER PRIMARY KEY, metadata_version INTEGER NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE topics(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
    serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL,
    type_description_hash TEXT NOT NULL);
CREATE TABLE message_definitions(
    id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL, encoding TEXT NOT NULL,
    encoded_message_definition TEXT NOT NULL, type_description_hash TEXT NOT NULL);
CREATE TABLE messages(
    id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    data BLOB NOT NULL);
CREATE INDEX timestamp_idx ON messages (timestamp ASC);
"""


class StorageWriter(Protocol):
    """A storage file that is being written."""

    def __init__(self, path: Path) -> None: ...

    def add(self, channel: Channel) -> None:
        """Announce a channel, before its first message."""
        ...

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Write a message, recorded at a time in ns since the epoch."""
        ...

    def close(self) -> None:
        """Make the file whole."""
        ...

    def abandon(self) -> None:
        """Close a file that nobody will read."""
        ...


class McapWriter:
    """Writes an mcap file in chunks, not compressed."""

    def __init__(self, path: Path) -> None:
        writing = require('mcap.writer', 'writing an mcap bag', 'bags')
        self._file = path.open('wb')
        self._writer = writing.Writer(self._file, compression=writing.CompressionType.NONE)
        self._writer.start(profile='ros2', library='mtshare_ros')
        self._schemas: dict[tuple[str, str, str], int] = {}
        self._numbers: dict[Channel, int] = {}

    def add(self, channel: Channel) -> None:
        """Announce a channel."""
        kind, definition = channel.message_type, channel.definition
        key = kind, definition.encoding, definition.text
        if key not in self._schemas:
            self._schemas[key] = self._writer.register_schema(
                kind, definition.encoding, definition.text.encode())
        about = {'offered_qos_profiles': write_qos(channel.qos)}
        if channel.type_hash:
            about['topic_type_hash'] = channel.type_hash
        self._numbers[channel] = self._writer.register_channel(
            channel.topic, channel.serialization, self._schemas[key], about)

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Write a message."""
        self._writer.add_message(self._numbers[channel], time_ns, data, time_ns)

    def close(self) -> None:
        """Write what is left, and the index."""
        self._writer.finish()
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is."""
        self._file.close()


class Sqlite3Writer:
    """Writes a database in one transaction."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)
        self._database.executescript(_TABLES)
        self._database.execute(
            'INSERT INTO schema VALUES (?, ?)', (_SCHEMA_VERSION, 'mtshare_ros'))
        self._types: set[str] = set()
        self._numbers: dict[Channel, int] = {}

    def add(self, channel: Channel) -> None:
        """Announce a channel."""
        kind, definition = channel.message_type, channel.definition
        if definition.text and kind not in self._types:
            self._types.add(kind)
            self._database.execute(
                'INSERT INTO message_definitions(topic_type, encoding, encoded_message_definition,'
                ' type_description_hash) VALUES (?, ?, ?, ?)',
                (kind, definition.encoding, definition.text, channel.type_hash))
        self._numbers[channel] = len(self._numbers) + 1
        self._database.execute('INSERT INTO topics VALUES (?, ?, ?, ?, ?, ?)', (
            self._numbers[channel], channel.topic, kind, channel.serialization,
            write_qos(channel.qos), channel.type_hash))

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Write a message."""
        self._database.execute(
            'INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)',
            (self._numbers[channel], time_ns, data))

    def close(self) -> None:
        """Commit everything."""
        self._database.commit()
        self._database.close()

    def abandon(self) -> None:
        """Close the file without what was not committed."""
        self._database.close()


WRITERS: dict[str, type[StorageWriter]] = {'mcap': McapWriter, 'sqlite3': Sqlite3Writer}
"""The writers of the storages."""
