"""What a recorded bag consists of, however its files are read."""

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Collection, Iterator, Protocol, Sequence

from mtshare_ros.errors import import_extra

STORAGES = {'mcap': '.mcap', 'sqlite3': '.db3'}
"""The storages of rosbag2 and the endings of their files."""

PACKED = ('.zstd', '.zst')
"""Endings that file compression adds: that of rosbag2, and that of the command zstd."""

BAG_VERSION = 8
"""The newest version of metadata.yaml that Humble reads."""

CDR = 'cdr'
"""The serialization of ROS 2, and the only one that is read and written."""


@dataclass(frozen=True)
class Definition:
    """The text that defines a message type, as a bag holds it; empty where it holds none."""

    encoding: str = ''
    text: str = ''


@dataclass(frozen=True)
class Channel:
    """
    Messages of one topic and type, as one publisher or recorder left them.

    ``qos`` are the profiles the topic was offered with, as rosbags has them; ``type_hash`` is
    empty where the bag does not tell.
    """

    topic: str
    message_type: str
    serialization: str = CDR
    definition: Definition = Definition()
    type_hash: str = ''
    qos: tuple[Any, ...] = ()


@dataclass(frozen=True)
class BagTopic:
    """One recorded topic, of which the bag holds ``count`` messages."""

    name: str
    message_type: str
    count: int


@dataclass(frozen=True)
class BagMessage:
    """One recorded message: where it came, when it was recorded, and its bytes."""

    channel: Channel
    time_ns: int
    data: bytes

    @property
    def topic(self) -> str:
        """The name of its topic."""
        return self.channel.topic


@dataclass(frozen=True)
class Damage:
    """
    Why a bag does not give all that was recorded.

    ``place`` says from where on a file cannot be read, and is empty where something else is
    missing. ``time_s`` is that of its last good message, counted from the beginning of the bag,
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


class ReadingError(Exception):
    """A file cannot be read any further; ``place`` says where."""

    def __init__(self, reason: str, place: str) -> None:
        super().__init__(reason)
        self.place = place


class StorageFile(Protocol):
    """
    One file of a bag.

    ``counts`` are the messages of its channels, the first and last of which were recorded at
    ``start_ns`` and ``end_ns`` since the epoch, None without messages. ``note`` says why it is
    read without its index, and is empty where it is not; ``distro`` names the ROS that recorded
    it, as far as it is known.
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
        Read the messages of topics, recorded from ``start_ns`` on and before ``stop_ns``.

        They come in the order of their times; ReadingError ends what can be read.
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


def wanted(time_ns: int, start_ns: int | None, stop_ns: int | None) -> bool:
    """Tell whether a time is not before a start, and before a stop, where there are any."""
    return (start_ns is None or time_ns >= start_ns) and (stop_ns is None or time_ns < stop_ns)


def storage_of(path: Path) -> str:
    """Return the storage of a file by its ending, packed or not; empty for other files."""
    name = path.stem if path.suffix in PACKED else path.name
    return next((kind for kind, ending in STORAGES.items() if name.endswith(ending)), '')


def read_qos(profiles: Any) -> tuple[Any, ...]:
    """Return the profiles of a text or list of any version, none for what cannot be read."""
    metadata = import_extra('rosbags.rosbag2.metadata', 'reading a bag', 'bags')
    try:
        return tuple(metadata.parse_qos(profiles))
    except Exception:  # noqa: B902 - maps and times go on without them
        return ()


def write_qos(profiles: Sequence[Any]) -> str:
    """Return the text that every ROS 2 since Humble reads."""
    text: str = import_extra('rosbags.rosbag2.metadata', 'writing a bag', 'bags').dump_qos_v8(
        list(profiles))
    return text


def reliable_qos(*, latched: bool) -> Any:
    """Return a reliable profile that keeps the last message."""
    kinds = import_extra('rosbags.interfaces', 'writing a bag', 'bags')
    endless = kinds.QosTime(0, 0)
    durability = kinds.QosDurability
    return kinds.Qos(
        kinds.QosHistory.KEEP_LAST, 1, kinds.QosReliability.RELIABLE,
        durability.TRANSIENT_LOCAL if latched else durability.VOLATILE,
        endless, endless, kinds.QosLiveliness.AUTOMATIC, endless, False)


_MAGIC = b'#ROSBAG V'


def is_ros1_bag(path: Path) -> bool:
    """Tell whether a file is a bag of ROS 1, whatever its name."""
    with path.open('rb') as file:
        return file.read(len(_MAGIC)) == _MAGIC


def explain_ros1(path: Path) -> str:
    """Return the text of an error: what a bag of ROS 1 is, and how to go on with it."""
    name = path.name.partition('.')[0]
    return (f'{path}: is a recording of ROS 1 (it begins with #ROSBAG), bags of ROS 2 are read; '
            f'convert it: pip install rosbags, rosbags-convert --src {path.name} --dst {name}')


def explain_ros1_messages(path: Path) -> str:
    """Return the text of an error about an mcap file whose messages are those of ROS 1."""
    name = path.name.partition('.')[0]
    return (f'{path}: is a recording of ROS 1 (its messages have the format ros1, which "mcap '
            'convert" keeps), bags of ROS 2 are read; convert the .bag that it was made from: pip '
            f'install rosbags, rosbags-convert --src {name}.bag --dst {name}')
