"""Writing a bag in segments, each of which is safe once it is closed."""

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
"""The name of its file in the folder of the unfinished bag."""


@dataclass
class Journal:
    """
    The finished segments of a bag that is being written.

    ``identity`` says from what and how it is made. ``position`` counts the messages that were
    taken from the input, ``frames`` the images of them that were computed, ``skipped`` those that
    could not be read. ``segments`` holds for each its file and its rosbag2 metadata.
    """

    identity: dict[str, Any]
    position: int = 0
    frames: int = 0
    skipped: int = 0
    segments: list[dict[str, Any]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it in one step: a kill in the middle leaves the former one."""
        draft = path.with_suffix('.draft')
        draft.write_text(json.dumps(asdict(self)), encoding='utf-8')
        os.replace(draft, path)


def load_journal(path: Path) -> Journal:
    """Read a journal; raise RecordingError where it is none."""
    try:
        values = json.loads(path.read_text(encoding='utf-8'))
        return Journal(**{item.name: values[item.name] for item in fields(Journal)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            f'{path}: is no journal of an unfinished bag ({error!r}); remove {path.parent}, or '
            'give another OUT') from error


def check_identity(journal: Journal, wanted: Mapping[str, Any], folder: Path) -> None:
    """
    Raise RecordingError, naming the first difference, where another command made it.

    What rounds differently counts as another one, such as another number of threads.
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


class SegmentedBag:
    """
    A bag under construction, in the folder ``<target>.part`` beside its target.

    rosbag2 bags may have several files; each is one segment here. What the last closed segment
    holds survives a kill; ``journal`` tells what that is. The folder takes the target's name when
    everything is written, so a bag with that name is always whole. Raises RecordingError where
    the folder has another identity, unless ``renew`` allows to throw that away.
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
            self._lock = _lock(self.folder)
        try:
            self.journal = self._load(identity, renew)
        except RecordingError:
            self._lock.close()
            raise
        self._remove_leftovers()
        self._writer: StorageWriter | None = None

    @property
    def is_open(self) -> bool:
        """Whether a segment is being written."""
        return self._writer is not None

    def begin(self, channels: Sequence[Channel]) -> None:
        """Begin a segment with these channels."""
        name = f'{self._target.name}_{len(self.journal.segments)}{STORAGES[self._storage]}'
        with self._writing():
            self._writer = _WRITERS[self._storage](
                self._bag / name, self._storage, channels)

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Write one message, recorded at a time in ns since the epoch."""
        if self._writer is not None:
            with self._writing():
                self._writer.write(channel, time_ns, data)

    def end(self, *, position: int, frames: int, skipped: int) -> None:
        """Close the segment; what it holds is safe from now on."""
        writer, self._writer = self._writer, None
        with self._writing():
            if writer is not None:
                self._keep(writer)
            self.journal.position, self.journal.frames = position, frames
            self.journal.skipped = skipped
            self.journal.save(self._journal_path)

    def _keep(self, writer: StorageWriter) -> None:
        """Make a file whole, unless nothing was written into it."""
        writer.close()
        if writer.count:
            self.journal.segments.append(
                {'file': writer.path.name, 'metadata': writer.metadata()})
        else:
            writer.path.unlink()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Say where it is where something cannot be written."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, 'strerror', None) or error
            raise RecordingError(
                f'{self.folder}: cannot be written: {reason}; make room, or give another OUT; '
                'the same command goes on behind what is safe') from error

    def abandon(self) -> None:
        """Give up the segment at hand, if there is one; frames in closed ones stay for later."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(Exception):
                writer.abandon()
        self._lock.close()
        if not self.journal.frames:
            shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self) -> None:
        """Make the bag whole and give it its name."""
        text = yaml.safe_dump({_INFORMATION: _merge(self.journal.segments)}, sort_keys=False)
        with self._writing():
            (self._bag / 'metadata.yaml').write_text(text, encoding='utf-8')
            if self._target.exists():
                shutil.rmtree(self._target)
            self._bag.replace(self._target)
        self._lock.close()
        shutil.rmtree(self.folder)

    @property
    def _journal_path(self) -> Path:
        return self.folder / JOURNAL

    def _load(self, identity: Mapping[str, Any], renew: bool) -> Journal:
        """Return the journal to go on with: a new one where none fits what lies there."""
        path = self._journal_path
        if path.exists():
            journal = load_journal(path)
            if renew and journal.identity != identity:
                return Journal(dict(identity))
            check_identity(journal, identity, self.folder)
            if all((self._bag / segment['file']).exists() for segment in journal.segments):
                return journal
        return Journal(dict(identity))

    def _remove_leftovers(self) -> None:
        """Remove what a killed run began and did not close."""
        known = {segment['file'] for segment in self.journal.segments}
        for path in self._bag.iterdir():
            if path.name not in known:
                path.unlink()


def part_folder(target: Path) -> Path:
    """Return where a bag lies while it is not finished."""
    return target.with_name(f'{target.name}.part')


def _lock(folder: Path) -> Any:
    """Lock an unfinished bag; raise RecordingError where another process writes it."""
    file = (folder / 'lock').open('w')
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise RecordingError(f'{folder}: another process is writing this bag; wait for it, or '
                             'give another OUT') from error
    return file


def _merge(segments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the metadata of a bag of several files from those of each."""
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
