"""Reading and writing sqlite3 files; damaged ones are read row by row, up to the damage."""

from collections import Counter
from contextlib import closing
from pathlib import Path
import sqlite3
from typing import Any, Collection, Iterator, Sequence

from mtshare_ros.recording.bag_parts import (
    BagMessage,
    CDR,
    Channel,
    Definition,
    read_qos,
    ReadingError,
    StorageWriter,
    write_qos,
)
from mtshare_ros.recording.write_ahead_log import open_with_log, sqlite_errors, WriteAheadLog

# Without it sqlite refuses to read anything of a file that is shorter than its header says.
_ALLOW_TRUNCATED = 'PRAGMA writable_schema = ON'
_BY_TIME = 'messages {where} ORDER BY timestamp, id'
# Without the index by time, which may be damaged.
_BY_ROW = 'messages NOT INDEXED {where} ORDER BY id'
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
# a rollback journal of a transaction that did not end; after the end it is deleted or zeroed
_JOURNAL_START = b'\xd9\xd5\x05\xf9\x20\xa1\x63\xd7'


class Sqlite3File:
    """
    A database, with the messages of its write-ahead log; nothing is written beside it.

    Rows are read up to the first malformed or missing page.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = WriteAheadLog.beside(path)
        self._errors: tuple[type[BaseException], ...] = (
            *sqlite_errors(), KeyError, TypeError, ValueError)
        self._channels: dict[int, Channel] = {}
        self._order = _BY_TIME
        self._orphans = 0
        self.counts: Counter[Channel] = Counter()
        self.start_ns: int | None = None
        self.end_ns: int | None = None
        self.note = ''
        self.distro = ''
        try:
            with closing(self._connect()) as database:
                self._read_topics(database)
                self._read_counts(database)
        except self._errors as error:
            self.note = f'its rows cannot be counted ({error})'
            self._order = _BY_ROW
            self._count_rows()

    def messages(
        self, topics: Collection[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[BagMessage]:
        """Yield the messages of topics; raise ReadingError with the last readable row."""
        conditions = [] if start_ns is None else [f'timestamp >= {start_ns}']
        conditions += [] if stop_ns is None else [f'timestamp < {stop_ns}']
        numbers = [key for key, channel in self._channels.items() if channel.topic in topics]
        conditions.append(f'topic_id IN ({", ".join(map(str, numbers))})')
        found = 0
        for number, time_ns, data in self._rows('data', f'WHERE {" AND ".join(conditions)}'):
            found += 1
            yield BagMessage(self._channels[number], time_ns, data)
        counted = sum(count for channel, count in self.counts.items() if channel.topic in topics)
        if start_ns is None and stop_ns is None and found < counted:
            raise ReadingError(f'{counted - found} of {counted} messages are not in its index',
                               f'{self._path.name}, index')
        if stop_ns is None or self.end_ns is None or stop_ns > self.end_ns:
            self._check_ending()

    def index(self, topics: Collection[str]) -> Sequence[tuple[Channel, int]] | None:
        """Return channels and times of the messages of topics, without reading their data."""
        numbers = [key for key, channel in self._channels.items() if channel.topic in topics]
        where = f'WHERE topic_id IN ({", ".join(map(str, numbers))})'
        counted = sum(count for channel, count in self.counts.items() if channel.topic in topics)
        try:
            found = [(self._channels[number], time_ns)
                     for number, time_ns, _ in self._rows('id', where)]
            self._check_ending()
        except ReadingError:
            return None
        return found if len(found) == counted and not self.note else None

    def _connect(self) -> Any:
        database = open_with_log(self._path, self._log)
        database.execute(_ALLOW_TRUNCATED)
        return database

    def _rows(self, column: str, where: str) -> Iterator[tuple[int, int, Any]]:
        """Yield (number of the topic, time, column); raise ReadingError at a damaged row."""
        row = 0
        table = self._order.format(where=where)
        try:
            with closing(self._connect()) as database:
                self._read_topics(database)
                for values in database.execute(
                        f'SELECT topic_id, timestamp, {column}, id FROM {table}'):
                    # columns of sqlite have no fixed types, so damaged rows may hold anything
                    if not (isinstance(values[1], int) and isinstance(values[2], (bytes, int))):
                        raise TypeError('the next row is malformed')
                    yield values[:3]
                    row = values[3]
        except self._errors as error:
            raise ReadingError(
                str(error), f'{self._path.name}, behind message row {row}') from error

    def _read_topics(self, database: Any) -> None:
        """Read the channels; older versions of rosbag2 have fewer tables and columns."""
        tables = {name for name, in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'")}
        columns = [row[1] for row in database.execute('PRAGMA table_info(topics)')]
        definitions = {}
        if 'message_definitions' in tables:
            definitions = {name: Definition(encoding, text) for name, encoding, text in
                           database.execute('SELECT topic_type, encoding, '
                                            'encoded_message_definition FROM message_definitions')}
        if 'schema' in tables:
            found = [distro for distro, in database.execute('SELECT ros_distro FROM schema')]
            self.distro = found[0] if found else ''
        for values in database.execute('SELECT * FROM topics ORDER BY id'):
            row = dict(zip(columns, values))
            self._channels[row['id']] = Channel(
                row['name'], row['type'], row.get('serialization_format', CDR),
                definitions.get(row['type'], Definition()),
                row.get('type_description_hash') or '',
                read_qos(row.get('offered_qos_profiles', '')))

    def _read_counts(self, database: Any) -> None:
        self.counts = Counter(dict.fromkeys(self._channels.values(), 0))
        for number, count in database.execute(
                'SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id'):
            self._count(number, count)
        (self.start_ns, self.end_ns), = database.execute(
            'SELECT MIN(timestamp), MAX(timestamp) FROM messages')

    def _count_rows(self) -> None:
        """Count the rows up to the first that cannot be read."""
        times = []
        self.counts.clear()
        self._orphans = 0
        try:
            # the length only, so that no image is loaded to count it
            for number, time_ns, _ in self._rows('LENGTH(data)', ''):
                self._count(number, 1)
                times.append(time_ns)
        except ReadingError:
            pass  # ``messages`` raises it again, if messages behind the damage are wanted
        for channel in self._channels.values():
            # topics without messages are listed, too
            self.counts[channel] += 0
        if times:
            self.start_ns, self.end_ns = min(times), max(times)

    def _count(self, number: int, count: int) -> None:
        if number in self._channels:
            self.counts[self._channels[number]] += count
        else:
            self._orphans += count

    def _check_ending(self) -> None:
        """Raise ReadingError where messages may be missing although every row can be read."""
        if self._orphans:
            raise ReadingError(
                f'{self._orphans} messages belong to no topic', f'{self._path.name}, topics')
        if self._log is not None and self._log.unfinished:
            raise ReadingError(
                'the recorder was stopped within a transaction, which is lost',
                self._log.path.name)
        # sqlite puts the journal beside the file that a link points to
        real = self._path.resolve()
        journal = real.with_name(f'{real.name}-journal')
        if journal.is_file():
            with journal.open('rb') as file:
                if file.read(len(_JOURNAL_START)) == _JOURNAL_START:
                    raise ReadingError(
                        'the recorder was stopped while it wrote, the last rows may be lost',
                        journal.name)


class Sqlite3Writer(StorageWriter):
    """Writes a database in one transaction."""

    def __init__(self, path: Path, storage: str, channels: Sequence[Channel]) -> None:
        super().__init__(path, storage, channels)
        self._database = sqlite3.connect(path)
        self._database.executescript(_TABLES)
        self._database.execute(
            'INSERT INTO schema VALUES (?, ?)', (_SCHEMA_VERSION, 'mtshare_ros'))
        self._numbers = {channel: number for number, channel in enumerate(channels, start=1)}
        self._add_definitions(channels)
        for channel, number in self._numbers.items():
            self._database.execute('INSERT INTO topics VALUES (?, ?, ?, ?, ?, ?)', (
                number, channel.topic, channel.message_type, channel.serialization,
                write_qos(channel.qos), channel.type_hash))

    def close(self) -> None:
        """Commit everything."""
        self._database.commit()
        self._database.close()

    def abandon(self) -> None:
        """Close the file without what was not committed."""
        self._database.close()

    def _append(self, channel: Channel, time_ns: int, data: bytes) -> None:
        self._database.execute(
            'INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)',
            (self._numbers[channel], time_ns, data))

    def _add_definitions(self, channels: Sequence[Channel]) -> None:
        defined: dict[str, Channel] = {}
        for channel in channels:
            if channel.definition.text:
                defined.setdefault(channel.message_type, channel)
        for kind, channel in defined.items():
            self._database.execute(
                'INSERT INTO message_definitions(topic_type, encoding, encoded_message_definition,'
                ' type_description_hash) VALUES (?, ?, ?, ?)',
                (kind, channel.definition.encoding, channel.definition.text, channel.type_hash))
