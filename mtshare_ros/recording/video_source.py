"""Video files, cameras of this computer and streams as frames, decoded by PyAV."""

import errno
from pathlib import Path
import re
from typing import Any, Callable, Iterator
from urllib.parse import urlsplit

import numpy as np

from mtshare_ros.errors import import_extra, RecordingError
from mtshare_ros.image_files import turn_upright
from mtshare_ros.recording.bag_parts import WrongIndexError
from mtshare_ros.recording.frames import FrameSource, Listener, RecordedFrame
from mtshare_ros.recording.video_index import packets_from

_LONGEST_ENDING_S = 1.0
"""How much shorter a video may be than its header says, as that is rounded or of the sound."""

_CLOCK = re.compile(r'(\d+):(\d+):(\d+\.?\d*)')
"""The length of a stream in the metadata of Matroska files."""

_ORIENTATIONS = {
    (1, 0, 0, 1): 1, (-1, 0, 0, 1): 2, (-1, 0, 0, -1): 3, (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5, (0, 1, -1, 0): 6, (0, -1, -1, 0): 7, (0, -1, 1, 0): 8,
}
"""EXIF orientations by the signs of a, b, c, d: (x, y) is shown at (a x + c y, b x + d y)."""

_DEVICE = re.compile(r'/dev/video\d+')
_ADDRESS = re.compile(r'[a-z][a-z0-9+.-]+://', re.IGNORECASE)

_TIMEOUT_S = 10.0
"""How long a stream may take to answer, or to send its next frames."""

_ADVICE = {
    errno.EBUSY: 'another program uses it',
    errno.EACCES: 'this user may not read it: sudo usermod -aG video $USER, then log in again',
    errno.ENOTTY: 'it is no camera',
}
"""What errors of the operating system mean for a camera, and what to do."""


def open_video(path: Path) -> FrameSource:
    """Return the frames of a video file; raise RecordingError where it cannot be opened."""
    name = str(path)
    # without "file:", FFmpeg would take a path with a colon for another protocol
    container = open_container(f'file:{path}', name)
    # FFmpeg has 0 where the header does not tell it
    count = container.streams.video[0].frames or None
    return FrameSource(count, True, lambda listener: decode(container, name, listener))


def open_camera(device: str) -> FrameSource:
    """Return the frames of a camera of this computer, such as /dev/video0."""
    name = f'camera {device}'
    container = open_container(device, name, 'v4l2', advise=_advise)
    return FrameSource(
        None, True, lambda listener: decode(container, name, listener), live=True)


def open_stream(address: str) -> FrameSource:
    """Return the frames at an address; it is live unless it is a file with a length."""
    name = without_password(address)
    container = open_container(address, name, timeout_s=_TIMEOUT_S)
    return FrameSource(
        None, True, lambda listener: decode(container, name, listener),
        live=container.duration is None)


def device_of(name: str) -> str | None:
    """Return the device of a number or of /dev/video<number>, None for anything else."""
    # a file or folder may have a number as its name
    if name.isdecimal() and not Path(name).exists():
        return f'/dev/video{int(name)}'
    return name if _DEVICE.fullmatch(name) else None


def is_address(name: str) -> bool:
    """Return whether a name is the address of a stream, such as rtsp://host/path."""
    return _ADDRESS.match(name) is not None


def without_password(address: str) -> str:
    """Return an address with its password replaced by ***, as messages may show it."""
    parts = urlsplit(address)
    if parts.password is None:
        return address
    return address.replace(f':{parts.password}@', ':***@', 1)


def _advise(number: int) -> str:
    if number == errno.ENOENT:
        found = ', '.join(sorted(map(str, Path('/dev').glob('video*'))))
        return f'; there is {found}' if found else '; no camera is plugged in'
    return f'; {_ADVICE[number]}' if number in _ADVICE else ''


def open_container(
    address: str, name: str, kind: str | None = None, *, timeout_s: float | None = None,
    advise: Callable[[int], str] = lambda number: '',
) -> Any:
    """
    Open the video at an address of FFmpeg, called ``name`` in messages.

    ``timeout_s`` is how long it may take to answer, and to send its next frames; ``advise``
    returns what to do about an errno. Raises RecordingError for what cannot be opened, has no
    frames, or none that can be decoded.
    """
    av = import_extra('av', 'reading a video', 'video')
    try:
        container = av.open(address, format=kind, timeout=timeout_s)
    except (OSError, ValueError, av.error.FFmpegError) as error:
        advice = advise(getattr(error, 'errno', None) or 0)
        raise RecordingError(
            f'{name}: cannot be opened as a video: {_reason(error)}{advice}') from error
    if not container.streams.video:
        raise RecordingError(f'{name}: has no pictures')
    if container.streams.video[0].codec_context is None:
        raise RecordingError(f'{name}: has pictures of a codec that is not known here; convert '
                             f'it: ffmpeg -i INPUT -c:v libx264 OUTPUT.mp4')
    return container


def decode(
    container: Any, name: str, listener: Listener, begin_ns: int | None = None
) -> Iterator[RecordedFrame]:
    """
    Yield the frames of a container, called ``name`` in messages, and close it.

    With ``begin_ns`` decoding begins with the key frame before that time, and frames that are
    shown earlier are left out. Then a damaged frame raises WrongIndexError: what a decoder shows
    in its place depends on all frames before it.
    """
    return _Decoding(container, name, listener, begin_ns).run()


def _reason(error: Exception) -> str:
    """Return the text of an error; FFmpeg calls a time-out an immediate exit."""
    if type(error).__name__ == 'ExitError':
        return 'nothing came for too long'
    return getattr(error, 'strerror', None) or str(error)


class _Decoding:
    """One pass through a PyAV container, which is called ``name`` in messages."""

    def __init__(
        self, container: Any, name: str, listener: Listener, begin_ns: int | None
    ) -> None:
        self._begin_ns = begin_ns
        self._error = import_extra('av', 'reading a video', 'video').error.FFmpegError
        self._container = container
        self._stream = container.streams.video[0]
        self._name = name
        self._listener = listener
        self._pace = _Pace(self._stream)
        self._number = 0

    def run(self) -> Iterator[RecordedFrame]:
        """Decode the frames and close the container."""
        try:
            for packet in self._packets():
                yield from self._decode(packet)
            missing = self._missing()
        except self._error as error:
            raise RecordingError(f'{self._name} cannot be read any further after {self._number} '
                                 f'frames: {_reason(error)}') from error
        finally:
            self._container.close()
        if missing:
            raise RecordingError(f'{self._name} cannot be read any further after {self._number} '
                                 f'frames: {missing}')

    def _packets(self) -> Iterator[Any]:
        if self._begin_ns is None:
            packets: Iterator[Any] = self._container.demux(self._stream)
            return packets
        return packets_from(self._container, self._begin_ns)

    def _missing(self) -> str:
        # the frames before a place in the middle were not counted
        if self._begin_ns is not None:
            return ''
        return self._pace.missing(length_of(self._container), self._number)

    def _decode(self, packet: Any) -> Iterator[RecordedFrame]:
        """Decode the frames of one packet; a damaged packet is skipped."""
        try:
            frames = packet.decode()
        except self._error as error:
            self._refuse_damage(True)
            self._listener.skip(f'{self._name}, frame {self._number}: {error.strerror}')
            self._number += 1
            return
        for frame in frames:
            time_ns = round(self._pace.see(frame) * 1e9)
            self._refuse_damage(frame.is_corrupt)
            if self._begin_ns is not None and time_ns < self._begin_ns:
                continue
            rgb = turn_upright(frame.to_ndarray(format='rgb24'), _orientation(frame))
            yield RecordedFrame(rgb, time_ns, f'{self._number:06d}', number=self._number)
            self._number += 1

    def _refuse_damage(self, found: bool) -> None:
        if found and self._begin_ns is not None:
            raise WrongIndexError(f'{self._name} has damaged frames; read it from its beginning')


class _Pace:
    """The times at which frames are shown, and the end of the last one."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._period_s = float(1 / stream.average_rate) if stream.average_rate else 0.0
        self._start_s: float | None = None
        self._time_s = self._end_s = 0.0

    def see(self, frame: Any) -> float:
        """Add a frame; return its time in seconds."""
        time_s = self._end_s if frame.time is None else frame.time
        if self._start_s is None:
            self._start_s = time_s
        else:
            # the longest step, so that slow frames at the end of a video do not seem to be missing
            self._period_s = max(self._period_s, time_s - self._time_s)
        shown_s = float((getattr(frame, 'duration', 0) or 0) * (frame.time_base or 0))
        self._time_s, self._end_s = time_s, time_s + max(self._period_s, shown_s)
        return time_s

    def missing(self, length_s: float, number: int) -> str:
        """Return what is missing of a video of a length, empty if it is complete."""
        end_s = self._end_s - (self._start_s or 0.0)
        if self._stream.frames and number >= self._stream.frames:
            return ''
        if length_s - end_s <= _LONGEST_ENDING_S:
            return ''
        return f'it ends at {end_s:.1f} s of the {length_s:.1f} s that it should have'


def length_of(container: Any) -> float:
    """Return the length of a video's frames in s, 0 where only the sound's may be known."""
    stream = container.streams.video[0]
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    told = next((text for key, text in stream.metadata.items()
                 if key.upper().startswith('DURATION')), '')
    clock = _CLOCK.match(told)
    if clock:
        return sum(float(part) * unit for part, unit in zip(clock.groups(), (3600, 60, 1)))
    return (container.duration or 0) / 1e6 if len(container.streams) == 1 else 0.0


def _orientation(frame: Any) -> int:
    """Return how a frame is to be turned, as an EXIF orientation."""
    matrix = next((bytes(item) for item in frame.side_data
                   if item.type.name == 'DISPLAYMATRIX'), b'')
    # nine int32; their signs are enough, because cameras turn by quarters
    if len(matrix) != 36:
        return 1
    a, b, _, c, d = np.sign(np.frombuffer(matrix, np.int32)[:5]).tolist()
    return _ORIENTATIONS.get((a, b, c, d), 1)
