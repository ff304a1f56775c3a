"""What a bag consists of: channels, messages, damages, and the files of either storage."""

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Collection, Iterator, NamedTuple, Protocol, Sequence

from mtshare_ros.errors import import_extra, RecordingError
from mtshare_ros.recording.remote_path import BagPath, RemotePath

STORAGES = {'mcap': '.mcap', 'sqlite3': '.db3'}
"""The storages of rosbag2 and the endings of their files."""

PACKED = ('.zstd', '.zst')
"""Endings of compressed files: that of rosbag2, and that of the command zstd."""

BAG_VERSION = 8
"""The newest version of metadata.yaml that Humble reads."""

CDR = 'cdr'
"""The serialization of ROS 2; no other is read or written."""


@dataclass(frozen=True)
class Definition:
    """The text that defines a message type, as it is in a bag; empty where the bag has none."""

    encoding: str = ''
    text: str = ''


@dataclass(frozen=True)
class Channel:
    """
    The messages of one topic and type from one publisher or recorder.

    ``qos`` holds the profiles the topic was offered with, as objects of rosbags; ``type_hash`` is
    empty where the bag has none.
    """

    topic: str
    message_type: str
    serialization: str = CDR
    definition: Definition = Definition()
    type_hash: str = ''
    qos: tuple[Any, ...] = ()


@dataclass(frozen=True)
class BagTopic:
    """One recorded topic, with ``count`` messages in the bag."""

    name: str
    message_type: str
    count: int


@dataclass(frozen=True)
class BagMessage:
    """
    One recorded message: its channel, the time it was recorded, and its bytes.

    ``fault`` says why an image has none, empty for any other message.
    """

    channel: Channel
    time_ns: int
    data: bytes
    fault: str = ''

    @property
    def topic(self) -> str:
        """The name of its topic."""
        return self.channel.topic


@dataclass(frozen=True)
class Damage:
    """
    A reason why some of what was recorded cannot be read.

    ``place`` is the place from which on a file cannot be read, empty for any other reason.
    ``time_s`` is the time of the last message before it, in seconds from the beginning of the bag,
    None where there is none.
    """

    reason: str
    place: str = ''
    time_s: float | None = None

    def __str__(self) -> str:
        if not self.place:
            return self.reason
        when = 'from its beginning' if self.time_s is None else f'after {self.time_s:.3f} s'
        return f'damaged {when} ({self.place}): {self.reason}'


class SeekPoint(NamedTuple):
    """
    Where to begin reading: behind ``skip`` messages of those from ``time_ns`` on in a file.

    ``file`` is the number of the file in the recording, ``time_ns`` a time at which a message was
    recorded, None for the file's beginning.
    """

    file: int = 0
    time_ns: int | None = None
    skip: int = 0


class IndexEntry(NamedTuple):
    """What an index says of a message: its channel, its time, and where reading begins with it."""

    channel: Channel
    time_ns: int
    point: SeekPoint


class WrongIndexError(RecordingError):
    """A recording does not hold what its index says, so it must be read from its beginning."""


class ReadingError(Exception):
    """A file cannot be read beyond ``place``."""

    def __init__(self, reason: str, place: str) -> None:
        super().__init__(reason)
        self.place = place


class StorageFile(Protocol):
    """
    One file of a bag that is read.

    ``counts`` has the number of messages of each channel. The first was recorded at ``start_ns``,
    the last at ``end_ns`` since the epoch, None without messages. ``note`` is the reason why its
    index is not used, empty where it is; ``distro`` the ROS distribution that recorded it, empty
    where it is unknown.
    """

    counts: Counter[Channel]
    start_ns: int | None
    end_ns: int | None
    note: str
    distro: str

    def messages(
        self, topics: Collection[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[BagMessage]:
        """
        Yield the messages of topics that were recorded from ``start_ns`` to before ``stop_ns``.

        They come in the order of their times. Raises ReadingError where the rest cannot be read.
        """
        ...

    def index(self, topics: Collection[str]) -> Sequence[tuple[Channel, int]] | None:
        """
        Return channels and times of the messages of topics, in the order of ``messages``.

        Returns None where this cannot be told for certain without reading the messages.
        """
        ...


class StorageWriter(ABC):
    """
    A storage file that is being written: one segment of a new bag.

    ``count`` is the number of messages in it.
    """

    def __init__(self, path: Path, storage: str, channels: Sequence[Channel]) -> None:
        self.path = path
        self.count = 0
        self._storage = storage
        self._counts: Counter[Channel] = Counter(dict.fromkeys(channels, 0))
        self._times: tuple[int, int] | None = None

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Write a message, recorded at a time in ns since the epoch."""
        self._append(channel, time_ns, data)
        self.count += 1
        self._counts[channel] += 1
        first, last = self._times or (time_ns, time_ns)
        self._times = min(first, time_ns), max(last, time_ns)

    def metadata(self) -> dict[str, Any]:
        """Return the metadata that rosbag2 would write for a bag with this file alone."""
        first, last = self._times or (0, 0)
        span = {'starting_time': {'nanoseconds_since_epoch': first},
                'duration': {'nanoseconds': last - first}, 'message_count': self.count}
        topics = [{'topic_metadata': {
            'name': channel.topic, 'type': channel.message_type,
            'serialization_format': channel.serialization,
            'offered_qos_profiles': write_qos(channel.qos),
            'type_description_hash': channel.type_hash,
        }, 'message_count': count} for channel, count in self._counts.items()]
        return {
            'version': BAG_VERSION, 'storage_identifier': self._storage,
            'relative_file_paths': [self.path.name], **span, 'topics_with_message_count': topics,
            'compression_format': '', 'compression_mode': '',
            'files': [{'path': self.path.name, **span}],
            'custom_data': None, 'ros_distro': 'mtshare_ros',
        }

    @abstractmethod
    def close(self) -> None:
        """Finish the file."""

    @abstractmethod
    def abandon(self) -> None:
        """Close a file that is thrown away."""

    @abstractmethod
    def _append(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Put a message into the file."""


def storage_of(path: PurePath | RemotePath) -> str:
    """Return the storage of a file, compressed or not, by its ending; empty for other files."""
    name = path.stem if path.suffix in PACKED else path.name
    return next((kind for kind, ending in STORAGES.items() if name.endswith(ending)), '')


def read_qos(profiles: Any) -> tuple[Any, ...]:
    """Return the profiles in the text or list of any rosbag2 version, none for a malformed one."""
    metadata = import_extra('rosbags.rosbag2.metadata', 'reading a bag', 'bags')
    try:
        return tuple(metadata.parse_qos(profiles))
    except Exception:  # noqa: B902 - messages can be read without them
        return ()


def write_qos(profiles: Sequence[Any]) -> str:
    """Return profiles as the text that every ROS 2 since Humble reads."""
    text: str = import_extra('rosbags.rosbag2.metadata', 'writing a bag', 'bags').dump_qos_v8(
        list(profiles))
    return text


def reliable_qos(*, latched: bool) -> Any:
    """Return a reliable profile that keeps the last message, for late subscribers if latched."""
    kinds = import_extra('rosbags.interfaces', 'writing a bag', 'bags')
    # ROS takes 0 s as not given, which is endless
    endless = kinds.QosTime(0, 0)
    durability = kinds.QosDurability
    return kinds.Qos(
        kinds.QosHistory.KEEP_LAST, 1, kinds.QosReliability.RELIABLE,
        durability.TRANSIENT_LOCAL if latched else durability.VOLATILE,
        endless, endless, kinds.QosLiveliness.AUTOMATIC, endless, False)


def is_ros1_bag(path: BagPath) -> bool:
    """Return whether a file is a bag of ROS 1, whatever its name."""
    magic = b'#ROSBAG V'
    with path.open('rb') as file:
        return file.read(len(magic)) == magic


def explain_ros1(path: BagPath) -> str:
    """Return the error message for a bag of ROS 1."""
    name = path.name.partition('.')[0]
    return (f'{path}: is a recording of ROS 1 (it begins with #ROSBAG), bags of ROS 2 are read; '
            f'convert it: pip install rosbags, rosbags-convert --src {path.name} --dst {name}')

