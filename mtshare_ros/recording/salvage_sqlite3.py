"""A sqlite3 storage file read row by row, without its indices."""

from contextlib import closing
from pathlib import Path
import sqlite3
from typing import Iterator

from mtshare_ros.recording.bag_parts import BagMessage, BagTopic, ReadingError

# Otherwise sqlite refuses a file that is shorter than its header says, good pages and all.
_ALLOW_TRUNCATED = 'PRAGMA writable_schema = ON'
_TOPICS = 'SELECT id, name, type FROM topics ORDER BY id'
# In the order of the rows: the index by time may be what is damaged.
_MESSAGES = 'SELECT id, topic_id, timestamp, data FROM messages NOT INDEXED ORDER BY id'


class Sqlite3File:
    """Reads the rows of a storage file up to the first page that is malformed or missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._topics: dict[int, BagTopic] = {}

    def topics(self) -> tuple[BagTopic, ...]:
        """Return the topics met so far."""
        return tuple(self._topics.values())

    def messages(self) -> Iterator[BagMessage]:
        """Read all messages; raise ReadingError with the last good row."""
        row = 0
        try:
            with closing(self._connect()) as database:
                database.execute(_ALLOW_TRUNCATED)
                self._read_topics(database)
                for number, topic, time_ns, data in database.execute(_MESSAGES):
                    yield BagMessage(self._topics[topic].name, time_ns, data)
                    row = number
        except (sqlite3.Error, KeyError, TypeError) as error:
            raise ReadingError(
                str(error), f'{self._path.name}, behind message row {row}') from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f'{self._path.resolve().as_uri()}?mode=ro&immutable=1', uri=True)

    def _read_topics(self, database: sqlite3.Connection) -> None:
        for number, name, message_type in database.execute(_TOPICS):
            self._topics[number] = BagTopic(name, message_type, 0)
