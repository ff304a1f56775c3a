"""A recorded bag, whole or damaged: its topics, its messages, and what is missing."""

from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Callable, Collection, Iterable, Iterator, Sequence

from mtshare_ros.errors import RecordingError
from mtshare_ros.recording.bag_folder import (
    BagFolder,
    choose_files,
    count_lost,
    find_missing,
    folders_with_bags,
    list_files,
    OpenedFile,
)
from mtshare_ros.recording.bag_messages import CAMERA_INFO, IMAGE_TYPES
from mtshare_ros.recording.bag_parts import (
    BagMessage,
    BagTopic,
    CDR,
    Channel,
    Damage,
    explain_ros1,
    IndexEntry,
    is_ros1_bag,
    PACKED,
    ReadingError,
    SeekPoint,
    storage_of,
    StorageFile,
    WrongIndexError,
)
from mtshare_ros.recording.mcap_storage import McapFile
from mtshare_ros.recording.packed_files import PackedFile, unpack_message, Unpacker
from mtshare_ros.recording.remote_path import BagPath, RemotePath
from mtshare_ros.recording.sqlite3_storage import Sqlite3File

_KINDS: dict[str, Callable[[Path], StorageFile]] = {
    'mcap': McapFile, 'sqlite3': Sqlite3File,
}


class Bag:
    """
    A recorded bag: a rosbag2 folder, or one of its storage files alone.

    ``notices`` are messages for the user about how it is read where that is unusual; ``say`` gets
    each at once, because unpacking and reading without an index take long. ``damages`` say what is
    missing, and after reading also what could not be read; everything before the damage and in
    the other files was read. ``topics`` counts the messages that can be read, ``lost`` for each
    topic those that metadata.yaml counts and no file holds. Raises RecordingError for what is no
    bag, WrongIndexError for a remote one that cannot be read by indexes.
    """

    continuous = True
    counted = True

    def __init__(self, path: BagPath, say: Callable[[str], None] = lambda line: None) -> None:
        self.path = path
        self.notices: list[str] = []
        self._say = say
        self._unpacker: Unpacker | None = None
        try:
            folder = self._list()
            listed = [self._open(file) for file in folder.files]
            others = [self._open(file) for file in folder.others]
            self._files = choose_files(folder, listed, others, self._note)
            self._require_messages(folder)
        # nobody can close an object whose constructor failed, so unpacked files are removed here
        except BaseException:
            self.close()
            raise
        self._missing = find_missing(folder, listed, others, self._files)
        self.damages: list[Damage] = list(self._missing)
        self._note_reading(folder)
        channels: dict[Channel, None] = {}
        topics: Counter[tuple[str, str]] = Counter()
        for item in self._files:
            for channel, count in item.file.counts.items():
                channels[channel] = None
                topics[channel.topic, channel.message_type] += count
        self.channels: tuple[Channel, ...] = tuple(channels)
        self.topics = tuple(BagTopic(*names, count) for names, count in topics.items())
        self.storage = storage_of(self._files[0].path)
        self.distro = folder.distro or next(
            (item.file.distro for item in self._files if item.file.distro), '')
        starts = [item.file.start_ns for item in self._files if item.file.start_ns is not None]
        if folder.start_ns and folder.start_ns > 0:
            starts.append(folder.start_ns)
        self.start_ns = min(starts, default=0)
        # metadata.yaml does not count the messages of files that it does not list
        self.lost = count_lost(folder, [item for item in self._files if item in listed])

    def __enter__(self) -> 'Bag':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was unpacked."""
        if self._unpacker is not None:
            self._unpacker.close()

    def messages(
        self, names: Collection[str], start_s: float | None = None, end_s: float | None = None
    ) -> Iterator[BagMessage]:
        """Yield the messages of topics, from ``start_s`` to before ``end_s`` of the bag's time."""
        # every reading finds the damages inside the files again
        self.damages = list(self._missing)
        yield from self._read(names, self._all_from(start_s), end_s, self.damages)

    def messages_beside(
        self, names: Collection[str], start_s: float | None = None, end_s: float | None = None
    ) -> Iterator[BagMessage]:
        """Yield messages as ``messages`` does, which goes on; damages are left to that."""
        yield from self._read(names, self._all_from(start_s), end_s, [])

    def messages_from(self, names: Collection[str], point: SeekPoint) -> Iterator[BagMessage]:
        """Yield the messages of topics from a point on that their index has."""
        self.damages = list(self._missing)
        first, *others = self._files[point.file:]
        files = [(first, point.time_ns), *((item, None) for item in others)]
        yield from islice(self._read(names, files, None, self.damages), point.skip, None)

    def index(self, names: Collection[str]) -> Sequence[IndexEntry] | None:
        """
        Return the index of the messages of topics, in the order of ``messages``.

        Returns None where it is not certain, as for damaged and compressed files.
        """
        entries: list[IndexEntry] = []
        for number, item in enumerate(self._files):
            listed = None if self.damages else item.file.index(names)
            if listed is None:
                return None
            before, skip = None, 0
            for channel, time_ns in listed:
                skip = skip + 1 if time_ns == before else 0
                before = time_ns
                entries.append(IndexEntry(channel, time_ns, SeekPoint(number, time_ns, skip)))
        return entries

    def _all_from(self, start_s: float | None) -> list[tuple[OpenedFile, int | None]]:
        return [(item, self._at(start_s)) for item in self._files]

    def _read(
        self, names: Collection[str], files: Sequence[tuple[OpenedFile, int | None]],
        end_s: float | None, damages: list[Damage],
    ) -> Iterator[BagMessage]:
        """Yield the messages of topics of files, each with the time from which on it is read."""
        for item, start_ns in files:
            last_ns = None
            try:
                for message in item.file.messages(names, start_ns, self._at(end_s)):
                    last_ns = message.time_ns
                    yield _unpacked(message)
            # not raised: the files behind a damaged one may be whole
            except ReadingError as error:
                seconds = None if last_ns is None else (last_ns - self.start_ns) / 1e9
                damages.append(Damage(str(error), error.place, seconds))

    def _at(self, seconds: float | None) -> int | None:
        return None if seconds is None else self.start_ns + round(seconds * 1e9)

    def _list(self) -> BagFolder:
        if not self.path.exists():
            raise RecordingError(f'{self.path}: there is no such bag; give a rosbag2 folder, an '
                                 '.mcap or .db3 file, a video, or a folder of images')
        if self.path.is_file() and is_ros1_bag(self.path):
            raise RecordingError(explain_ros1(self.path))
        folder = list_files(self.path)
        if not folder.files and not folder.others and self.path.is_dir():
            for name in sorted(file.name for file in self.path.iterdir()):
                file = self.path / name
                if file.suffix == '.bag' and file.is_file() and is_ros1_bag(file):
                    raise RecordingError(explain_ros1(file))
        return folder

    def _open(self, path: BagPath) -> OpenedFile:
        if isinstance(path, RemotePath):
            return self._open_remote(path)
        kind = _KINDS[storage_of(path)]
        try:
            if path.suffix not in PACKED:
                return OpenedFile(path, kind(path))
            # not made earlier: bags without packed files need neither zstandard nor a folder
            if self._unpacker is None:
                self._unpacker = Unpacker()
                self._note(f'{self.path}: its compressed files are unpacked, one at a time, into '
                           f'{self._unpacker.folder}')
            return OpenedFile(path, PackedFile(path, self._unpacker, kind))
        except OSError as error:
            raise RecordingError(f'{path}: cannot be read: {error.strerror}; make it readable, '
                                 'or give another bag') from error

    def _open_remote(self, path: RemotePath) -> OpenedFile:
        if storage_of(path) != 'mcap' or path.suffix in PACKED:
            raise WrongIndexError(f'{path}: only .mcap files that are not packed are read in '
                                  'place; read a local copy of it')
        return OpenedFile(path, McapFile(path))

    def _require_messages(self, folder: BagFolder) -> None:
        if any(item.file.counts for item in self._files):
            return
        reasons = [f'{item.path.name}: {item.file.note}' for item in self._files if item.file.note]
        reasons += [str(damage) for damage in find_missing(folder, (), (), ())]
        reasons += [f'there is one in {place}' for place in folders_with_bags(self.path)]
        reason = '; '.join(reasons) or 'it holds no .mcap and no .db3 file'
        raise RecordingError(
            f'{self.path}: nothing can be read from it: {reason}; give a rosbag2 folder '
            '(with .mcap or .db3 files), such a file, a video, or a folder of images')

    def _note_reading(self, folder: BagFolder) -> None:
        if folder.fault:
            names = ', '.join(item.path.name for item in self._files)
            self._note(f'{self.path}: {folder.fault}; the files that are read: {names}')
        for item in self._files:
            if item.file.note:
                self._note(
                    f'{item.path}: read from the beginning without an index: {item.file.note}')

    def _note(self, line: str) -> None:
        self.notices.append(line)
        self._say(line)


def _unpacked(message: BagMessage) -> BagMessage:
    """Return a message without its compression; what cannot be unpacked stays as it is."""
    if message.channel.serialization != CDR:
        return message
    try:
        return replace(message, data=unpack_message(message.data))
    except ValueError:
        return message


def choose_image_topic(topics: Sequence[BagTopic], name: str | None) -> BagTopic:
    """Return the image topic of a name, None for the only one; raise RecordingError otherwise."""
    images = [topic for topic in topics if topic.message_type in IMAGE_TYPES]
    if not images:
        raise RecordingError(f'the bag has no topic with images; it has: {_list(topics)}')
    named = [topic for topic in images if topic.name == name]
    if named:
        return named[0]
    # a topic that was recorded with both image types is one choice for the user
    names = {topic.name for topic in images}
    if name is None and len(names) == 1:
        return images[0]
    problem = (f'the bag has no image topic {name!r}' if name is not None else
               f'the bag has {len(names)} image topics')
    raise RecordingError(f'{problem}; choose one with --image-topic: {_list(images)}')


def choose_calibration_topic(
    topics: Sequence[BagTopic], name: str | None, image_topic: str
) -> BagTopic | None:
    """
    Return the CameraInfo topic of a name; without a name, the only one, or the one of the images.

    That is named as image_transport does it. Returns None where there are several and none of them
    is named so. Raises RecordingError for a name that the bag does not have.
    """
    infos = {topic.name: topic for topic in topics if topic.message_type == CAMERA_INFO}
    if name is not None:
        if name not in infos:
            raise RecordingError(f'the bag has no camera_info topic {name!r}; it has: '
                                 f'{_list(infos.values())}')
        return infos[name]
    if len(infos) == 1:
        return next(iter(infos.values()))
    base = image_topic.removesuffix('/compressed')
    return infos.get(f'{base.rpartition("/")[0]}/camera_info')


def _list(topics: Iterable[BagTopic]) -> str:
    texts = [f'{topic.name} ({topic.message_type}, {topic.count} messages)' for topic in topics]
    return ', '.join(texts) or 'nothing'
