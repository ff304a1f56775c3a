"""A new bag, written in segments; an interruption loses no segment that is complete."""

from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
import fcntl
import json
import os
from pathlib import Path
import shutil
import sqlite3
from typing import Any, Iterator, Mapping, Sequence

import yaml

from mtshare_ros.errors import RecordingError
from mtshare_ros.recording.bag_parts import Channel, STORAGES, StorageWriter
from mtshare_ros.recording.mcap_storage import McapWriter
from mtshare_ros.recording.sqlite3_storage import Sqlite3Writer

JOURNAL = 'journal.json'
"""The name of the journal's file in the folder of the unfinished bag."""


@dataclass
class Journal:
    """
    The complete segments of a bag that is being written.

    ``identity`` says from what and how the bag is made. ``position`` is the number of messages of
    the input in these segments, ``frames`` that of the computed images, ``skipped`` that of
    images that could not be read. ``segments`` has the file and the rosbag2 metadata of each.
    """

    identity: dict[str, Any]
    position: int = 0
    frames: int = 0
    skipped: int = 0
    segments: list[dict[str, Any]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Replace its file in one step, so that a kill leaves the old or the new one."""
        draft = path.with_suffix('.draft')
        draft.write_text(json.dumps(asdict(self)), encoding='utf-8')
        os.replace(draft, path)


def load_journal(path: Path) -> Journal:
    """Read a journal; raise RecordingError for a file that is none."""
    try:
        values = json.loads(path.read_text(encoding='utf-8'))
        return Journal(**{item.name: values[item.name] for item in fields(Journal)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            f'{path}: is no journal of an unfinished bag ({error!r}); remove {path.parent}, or '
            'give another OUT') from error


def check_identity(journal: Journal, wanted: Mapping[str, Any], folder: Path) -> None:
    """
    Raise RecordingError, naming the first difference, where another command wrote the journal.

    A command whose results are rounded differently, say on other threads, counts as another.
    """
    for name, value in wanted.items():
        before = journal.identity.get(name)
        if before != value:
            raise RecordingError(
                f'{folder} is the unfinished bag of another command: {name} was {before!r}, now '
                f'it is {value!r}; repeat that command as and where it was begun, or begin anew '
                'with --overwrite'
            )


_WRITERS: dict[str, type[McapWriter | Sqlite3Writer]] = {
    'mcap': McapWriter, 'sqlite3': Sqlite3Writer}
_INFORMATION = 'rosbag2_bagfile_information'


def writer_of(storage: str) -> type[McapWriter | Sqlite3Writer]:
    """Return the class that writes files of a storage, one of STORAGES."""
    return _WRITERS[storage]


def file_name(bag: str, number: int, storage: str) -> str:
    """Return the name of the file of a segment; one in which nothing is written has no file."""
    return f'{bag}_{number}{STORAGES[storage]}'


def write_metadata(folder: Path, files: Sequence[Mapping[str, Any]]) -> None:
    """
    Write the metadata.yaml of a bag in a folder.

    ``files`` are in the order of recording, each with its name, ``file``, and what its writer
    returned as ``metadata``, which may name it otherwise.
    """
    text = yaml.safe_dump({_INFORMATION: _merge(files)}, sort_keys=False)
    (folder / 'metadata.yaml').write_text(text, encoding='utf-8')


class SegmentedBag:
    """
    An unfinished bag in the folder ``<target>.part`` beside its target.

    Each segment is one file of the bag; the complete ones, listed in ``journal``, survive a kill.
    The bag gets the target's name when everything is written, so a bag of that name is always
    complete. Raises RecordingError where the folder is that of another command, unless ``renew``
    says that it may be thrown away.
    """

    def __init__(
        self, target: Path, storage: str, identity: Mapping[str, Any], *,
        renew: bool = False,
    ) -> None:
        self._target = target
        self._storage = storage
        self.folder = part_folder(target)
        self._bag = self.folder / 'bag'
        with self._writing():
            self._bag.mkdir(parents=True, exist_ok=True)
            # locked before the journal is read, as another process may be writing it
            self._lock = _lock(self.folder)
        try:
            self.journal = self._load(identity, renew)
        except RecordingError:
            self._lock.close()
            raise
        # what a killed run began and did not complete
        known = {segment['file'] for segment in self.journal.segments}
        for path in self._bag.iterdir():
            if path.name not in known:
                path.unlink()
        self._writer: StorageWriter | None = None

    def begin(self, number: int, channels: Sequence[Channel]) -> None:
        """Begin segment ``number`` of the bag with these channels."""
        name = file_name(self._target.name, number, self._storage)
        with self._writing():
            self._writer = writer_of(self._storage)(self._bag / name, self._storage, channels)

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Write one message, recorded at a time in ns since the epoch."""
        if self._writer is not None:
            with self._writing():
                self._writer.write(channel, time_ns, data)

    def end(self, *, position: int, frames: int, skipped: int) -> None:
        """Complete the segment and write the journal; from then on an interruption keeps it."""
        writer, self._writer = self._writer, None
        with self._writing():
            if writer is not None:
                self._keep(writer)
            self.journal.position, self.journal.frames = position, frames
            self.journal.skipped = skipped
            # the journal comes last: the files that it lists must be complete
            self.journal.save(self._journal_path)

    def _keep(self, writer: StorageWriter) -> None:
        """Finish a file and add it to the journal; remove it if nothing was written into it."""
        writer.close()
        if writer.count:
            self.journal.segments.append(
                {'file': writer.path.name, 'metadata': writer.metadata()})
        else:
            writer.path.unlink()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn errors of the file system and the database into RecordingError."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, 'strerror', None) or error
            raise RecordingError(
                f'{self.folder}: cannot be written: {reason}; make room, or give another OUT; '
                'the same command goes on after the last complete file') from error

    def drop(self) -> None:
        """Throw the open segment away, if there is one."""
        writer, self._writer = self._writer, None
        if writer is not None:
            # the file is thrown away, and an error here would hide the one that led here
            with suppress(Exception):
                writer.abandon()

    def abandon(self) -> None:
        """End without a bag; a later run goes on with the complete segments."""
        self.drop()
        self._lock.close()
        if not self.journal.frames:
            shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self) -> None:
        """Write metadata.yaml and give the bag its name."""
        with self._writing():
            write_metadata(self._bag, self.journal.segments)
            # a folder cannot replace one that is not empty
            if self._target.exists():
                shutil.rmtree(self._target)
            self._bag.replace(self._target)
        self._lock.close()
        shutil.rmtree(self.folder)

    @property
    def _journal_path(self) -> Path:
        return self.folder / JOURNAL

    def _load(self, identity: Mapping[str, Any], renew: bool) -> Journal:
        """Return the journal of the folder, a new one where there is none with all its files."""
        path = self._journal_path
        if path.exists():
            journal = load_journal(path)
            if renew and journal.identity != identity:
                return Journal(dict(identity))
            check_identity(journal, identity, self.folder)
            if all((self._bag / segment['file']).exists() for segment in journal.segments):
                return journal
        return Journal(dict(identity))


def part_folder(target: Path) -> Path:
    """Return the folder of an unfinished bag."""
    return target.with_name(f'{target.name}.part')


def _lock(folder: Path) -> Any:
    """Lock an unfinished bag; raise RecordingError where another process has locked it."""
    file = (folder / 'lock').open('w')
    try:
        # unlike a file that marks a lock, this one ends with the process, even when it is killed
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise RecordingError(f'{folder}: another process is writing this bag; wait for it, or '
                             'give another OUT') from error
    return file


def _merge(segments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the metadata of a bag from those of its files."""
    parts = [segment['metadata'] for segment in segments]
    starts = [part['starting_time']['nanoseconds_since_epoch'] for part in parts]
    ends = [start + part['duration']['nanoseconds'] for start, part in zip(starts, parts)]
    names = [segment['file'] for segment in segments]
    return {
        **parts[0],
        'relative_file_paths': names,
        'starting_time': {'nanoseconds_since_epoch': min(starts)},
        'duration': {'nanoseconds': max(ends) - min(starts)},
        'message_count': sum(part['message_count'] for part in parts),
        'topics_with_message_count': _merge_topics(parts),
        'files': [{**part['files'][0], 'path': name} for part, name in zip(parts, names)],
    }


def _merge_topics(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    counts: dict[str, int] = {}
    topics: dict[str, dict[str, Any]] = {}
    for part in parts:
        for entry in part['topics_with_message_count']:
            name = entry['topic_metadata']['name']
            counts[name] = counts.get(name, 0) + entry['message_count']
            topics.setdefault(name, entry)
    return [{**entry, 'message_count': counts[name]} for name, entry in topics.items()]
