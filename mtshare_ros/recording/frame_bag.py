"""Videos and folders of images, read as bags that have one topic with images."""

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Collection, Iterator, Sequence

import numpy as np

from mtshare_ros.errors import RecordingError
from mtshare_ros.recording.bag_messages import IMAGE, MessageTypes
from mtshare_ros.recording.bag_parts import (
    BagMessage,
    BagTopic,
    Channel,
    Damage,
    IndexEntry,
    SeekPoint,
    WrongIndexError,
)
from mtshare_ros.recording.frame_sources import IMAGE_PERIOD_NS, ImageFiles
from mtshare_ros.recording.frames import RecordedFrame
from mtshare_ros.recording.video_index import read_frame_times
from mtshare_ros.recording.video_source import decode, length_of, open_container

TOPIC, FRAME_ID = '/image', 'camera'
"""The topic of the images, and the frame_id in their headers."""


class _Skipped:
    """Collects what is skipped while frames are read."""

    def __init__(self, note: Callable[[str], None]) -> None:
        # the method of a Listener
        self.note = note
        self._lines: list[str] = []

    def skip(self, line: str) -> None:
        self._lines.append(line)

    def take(self) -> list[str]:
        """Return what was skipped since the last call."""
        lines, self._lines = self._lines, []
        return lines


class FrameBag(ABC):
    """
    Frames as the messages of a bag: sensor_msgs/Image in rgb8, recorded when they were taken.

    What cannot be decoded is a message without data, which says why. ``count`` is the number of
    frames, which may be wrong where ``counted`` is not set.
    """

    storage = 'mcap'
    distro = ''
    start_ns = 0
    continuous: bool
    counted: bool

    def __init__(self, path: Path, count: int, say: Callable[[str], None]) -> None:
        self.path = path
        self.notices: list[str] = []
        self.damages: list[Damage] = []
        self.lost: Counter[str] = Counter()
        self._say = say
        self._types = MessageTypes()
        self._channel = self._types.channel(TOPIC, IMAGE)
        self.channels: tuple[Channel, ...] = (self._channel,)
        self.topics: tuple[BagTopic, ...] = (BagTopic(TOPIC, IMAGE, count),)

    def __enter__(self) -> 'FrameBag':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - of every kind
        """Do nothing: every reading closes what it opens."""

    def messages(
        self, names: Collection[str], start_s: float | None = None, end_s: float | None = None
    ) -> Iterator[BagMessage]:
        """Yield the images, from ``start_s`` to before ``end_s``, if their topic is wanted."""
        for message in self.messages_from(names, SeekPoint()):
            if end_s is not None and message.time_ns >= round(end_s * 1e9):
                return
            if start_s is None or message.time_ns >= round(start_s * 1e9):
                yield message

    def messages_from(self, names: Collection[str], point: SeekPoint) -> Iterator[BagMessage]:
        """Yield the images from a point of the index on; raise WrongIndexError."""
        self.damages = []
        if TOPIC in names:
            yield from self._read(point)

    def index(self, names: Collection[str]) -> Sequence[IndexEntry] | None:
        """Return the index of the images, None where it is not certain."""
        return self._index() if TOPIC in names else ()

    @abstractmethod
    def _read(self, point: SeekPoint) -> Iterator[BagMessage]:
        """Yield the images from a point on."""

    @abstractmethod
    def _index(self) -> Sequence[IndexEntry] | None:
        """Return the index of the images, None where it is not certain."""

    def _message(self, frame: RecordedFrame) -> BagMessage:
        types = self._types.store.types
        stamp = types['builtin_interfaces/msg/Time'](*divmod(frame.time_ns, 10**9))
        header = types['std_msgs/msg/Header'](stamp, FRAME_ID)
        picture = frame.picture if isinstance(frame.picture, np.ndarray) else frame.picture.rgb()
        return BagMessage(self._channel, frame.time_ns, self._types.write(
            self._types.image(picture, 'rgb8', header)))

    def _note(self, line: str) -> None:
        if line not in self.notices:
            self.notices.append(line)
            self._say(line)


class VideoBag(FrameBag):
    """The frames of a video file; raises RecordingError where it cannot be opened."""

    continuous = True
    # headers count packets that hold no frames, and some do not count at all
    counted = False

    def __init__(self, path: Path, say: Callable[[str], None] = lambda line: None) -> None:
        with self._open(path) as container:
            super().__init__(path, container.streams.video[0].frames, say)

    def _read(self, point: SeekPoint) -> Iterator[BagMessage]:
        skipped = _Skipped(self._note)
        last_ns = None
        try:
            for frame in decode(self._open(self.path), 'the video', skipped, point.time_ns):
                if last_ns is None:
                    self._require(point, frame.time_ns)
                # files of bags hold no times before the epoch
                last_ns = max(frame.time_ns, 0)
                yield from self._without_data(skipped.take(), last_ns)
                yield self._message(replace(frame, time_ns=last_ns))
        except WrongIndexError:
            raise
        except RecordingError as error:
            self.damages.append(Damage(str(error)))
        if last_ns is None:
            self._require(point, None)
        yield from self._without_data(skipped.take(), last_ns or 0)

    def _require(self, point: SeekPoint, first_ns: int | None) -> None:
        """Raise WrongIndexError unless reading begins with the frame of a point."""
        if point.time_ns is not None and first_ns != point.time_ns:
            raise WrongIndexError(
                f'{self.path}: its frame at {point.time_ns / 1e9:.3f} s cannot be decoded from '
                'the key frame before it; read it from its beginning')

    def _without_data(self, faults: Sequence[str], time_ns: int) -> Iterator[BagMessage]:
        for fault in faults:
            yield BagMessage(self._channel, time_ns, b'', fault)

    def _index(self) -> Sequence[IndexEntry] | None:
        with self._open(self.path) as container:
            times = read_frame_times(container, length_of(container))
        if times is None:
            return None
        return [IndexEntry(self._channel, time_ns, SeekPoint(0, time_ns)) for time_ns in times]

    def _open(self, path: Path) -> Any:
        # without "file:", FFmpeg would take a path with a colon for another protocol
        return open_container(f'file:{path}', str(path))


class ImageBag(FrameBag):
    """
    The images directly inside a folder, in natural order, or one image file.

    Raises RecordingError where there are none.
    """

    continuous = False
    counted = True

    def __init__(self, path: Path, say: Callable[[str], None] = lambda line: None) -> None:
        self._files = ImageFiles([path])
        super().__init__(path, len(self._files.names), say)

    def _read(self, point: SeekPoint) -> Iterator[BagMessage]:
        skipped = _Skipped(self._note)
        number = point.skip
        for frame in self._files.read(skipped, number):
            yield from self._without_data(skipped.take(), number)
            yield self._message(frame)
            number = frame.number + 1
        yield from self._without_data(skipped.take(), number)

    def _without_data(self, faults: Sequence[str], number: int) -> Iterator[BagMessage]:
        for place, fault in enumerate(faults, start=number):
            yield BagMessage(self._channel, place * IMAGE_PERIOD_NS, b'', fault)

    def _index(self) -> Sequence[IndexEntry] | None:
        return [IndexEntry(self._channel, number * IMAGE_PERIOD_NS, SeekPoint(skip=number))
                for number in range(len(self._files.names))]
