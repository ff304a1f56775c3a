"""Where the video camera takes its frames from: a thread that reads them as they are due."""

from dataclasses import dataclass
from pathlib import Path
import threading
import time
from typing import Any, Callable, Protocol

import numpy as np

from mtshare_ros.errors import RecordingError
from mtshare_ros.nodes.rates import RateLimiter
from mtshare_ros.nodes.video_camera.parameter_table import VideoCameraSettings
from mtshare_ros.recording.frame_sources import is_camera, open_source
from mtshare_ros.recording.frames import FrameSource, RecordedFrame
from mtshare_ros.recording.video_source import without_password

_LONGEST_LAG_S = 1.0
"""Longest lag that is caught up by leaving out frames; after a longer one playback shifts."""

_LONE_S = 0.5
"""How long a recording of a single frame lasts."""


class VideoPace:
    """
    Tells when the frames of a recording are due, one after the other, and which to leave out.

    ``rate_hz`` replaces the times of the recording; 0.0 keeps them. ``lags`` counts how often
    the frames came so late that playback was shifted.
    """

    def __init__(self, rate_hz: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate_hz = rate_hz
        self._clock = clock
        self._number = 0
        self._follows_s: float | None = None
        self._begin_s = 0.0
        self._last_s = self._period_s = 0.0
        self._due_s = self._shown_s = -float('inf')
        self.lags = 0

    def begin_anew(self) -> None:
        """Start again: the next frame is the first of the recording and follows the last one."""
        self._follows_s = self._due_s + (self._period_s or _LONE_S)
        self._number, self._last_s = 0, 0.0

    def wait_s(self, time_s: float) -> float:
        """Return how long to wait for the frame at a time of the recording; 0.0 for a late one."""
        if self._rate_hz > 0:
            time_s, self._period_s = self._number / self._rate_hz, 1 / self._rate_hz
        if self._number == 0:
            first_s = self._clock() if self._follows_s is None else self._follows_s
            self._begin_s = first_s - time_s
        else:
            self._period_s = time_s - self._last_s
        self._number += 1
        self._last_s, self._due_s = time_s, self._begin_s + time_s
        lag_s = self._clock() - self._due_s
        if lag_s > _LONGEST_LAG_S:
            self._begin_s += lag_s
            self._due_s += lag_s
            self.lags += 1
        return max(self._due_s - self._clock(), 0.0)

    def is_shown(self) -> bool:
        """
        Return whether the frame that is due is shown.

        A late frame is left out where the last one was shown less than a period ago, so that
        playback catches up. Where decoding itself is too slow, every frame is shown.
        """
        now_s = self._clock()
        late = now_s - self._due_s > self._period_s
        if late and now_s - self._shown_s < self._period_s:
            return False
        self._shown_s = now_s
        return True


_MOST_WARNINGS = 100
"""Different warnings that are kept so as not to repeat them in each loop."""

_JUDGED_FRAMES = 60
_FEW = 0.05


@dataclass(frozen=True)
class PlayedFrame:
    """An (H, W, 3) uint8 RGB image, and the stamp of when it was due or came."""

    image: np.ndarray
    stamp: Any


class Owner(Protocol):
    """What the player calls from its thread."""

    def stamp(self) -> Any:
        """Return the stamp of now."""

    def wake(self) -> None:
        """Note that a frame, an error or the end is waiting."""

    def warn(self, text: str) -> None:
        """Log a warning."""

    def tell(self, text: str) -> None:
        """Log information."""


class VideoPlayer:
    """
    Reads a video, a folder of images or a camera in a thread, and keeps the newest frame.

    The constructor raises RecordingError or MissingExtraError for a source that cannot be opened,
    except for a camera that is tried again. ``ended`` tells that no more frames come; ``name`` is
    the name of the source in messages.
    """

    def __init__(self, settings: VideoCameraSettings, owner: Owner) -> None:
        self._settings = settings
        self._owner = owner
        self._source = settings.video
        if self._source.startswith('~'):
            self._source = str(Path(self._source).expanduser())
        self.name = without_password(settings.video)
        self._retries = is_camera(settings.video) and settings.retry_period > 0
        self._lock = threading.Lock()
        self._waiting: PlayedFrame | None = None
        self._failure: Exception | None = None
        self._closed = threading.Event()
        self._said: set[str] = set()
        self._complaint = ''
        self._frames = self._left_out = 0
        self.ended = False
        # Where nothing is retried, the start of the node tells of a source that cannot be opened.
        first = None if self._retries else self._open()
        self._thread = threading.Thread(
            target=self._run, args=(first,), name='video', daemon=True)
        self._thread.start()

    def take(self) -> PlayedFrame | None:
        """Return the newest frame, None where it was taken; raise the error that ended reading."""
        with self._lock:
            frame, self._waiting = self._waiting, None
        if frame is None and self._failure is not None:
            raise self._failure
        return frame

    def close(self) -> None:
        """End the thread; one that waits for a stream ends with the process."""
        self._closed.set()
        self._thread.join(1.0)

    def skip(self, line: str) -> None:
        """Warn about a frame that cannot be read."""
        self.note(f'left out {line}')

    def note(self, line: str) -> None:
        """Log a warning, each text once."""
        if line not in self._said and len(self._said) < _MOST_WARNINGS:
            self._said.add(line)
            self._owner.warn(line)

    def _run(self, first: FrameSource | None) -> None:
        try:
            self._read(first)
        except Exception as error:  # noqa: B902 - raised in the executor's thread by take
            self._failure = error
        self.ended = True
        if not self._closed.is_set():
            self._owner.wake()

    def _read(self, source: FrameSource | None) -> None:
        """Read until the end of a recording; a camera is opened again whenever it stops."""
        while not self._closed.is_set():
            try:
                source = source or self._open()
                if not source.live:
                    return self._play(source)
                self._receive(source)
            except RecordingError as error:
                if not self._retries:
                    raise
                self._complain(str(error))
            source = None
            self._closed.wait(self._settings.retry_period)

    def _open(self) -> FrameSource:
        return open_source([self._source])

    def _receive(self, source: FrameSource) -> None:
        """Take the frames of a camera as they come, up to the parameter ``rate``."""
        limiter = RateLimiter()
        for frame in source.read(self):
            if self._closed.is_set():
                return
            if self._complaint:
                self._complaint = ''
                self._owner.tell(f'{self.name}: images come again')
            if limiter.allows(time.monotonic(), self._settings.rate):
                self._leave(frame)
        raise RecordingError(f'{self.name}: no more images come')

    def _complain(self, reason: str) -> None:
        if reason != self._complaint and not self._closed.is_set():
            self._complaint = reason
            self._owner.warn(f'{reason}; it is tried again every '
                             f'{self._settings.retry_period:g} s')

    def _play(self, source: FrameSource) -> None:
        """Show the frames of a recording when they are due, in a loop if chosen."""
        pace = VideoPace(self._settings.rate)
        while True:
            frames = self._frames
            try:
                self._play_once(source, pace)
            except RecordingError as error:
                if not self._settings.loop or self._frames == frames:
                    raise
                self.note(str(error))
            if self._closed.is_set() or not self._settings.loop:
                return
            # Otherwise it would be opened again and again without a pause.
            if self._frames == frames:
                raise RecordingError(f'{self.name}: no frame can be read')
            pace.begin_anew()
            source = self._open()

    def _play_once(self, source: FrameSource, pace: VideoPace) -> None:
        for frame in source.read(self):
            self._closed.wait(pace.wait_s(frame.time_ns / 1e9))
            if self._closed.is_set():
                return
            self._count(left_out=not pace.is_shown() or self._leave(frame))
            if pace.lags:
                self.note(f'{self.name}: reading takes longer than it lasts, so that '
                          'it is shown more slowly')

    def _leave(self, frame: RecordedFrame) -> bool:
        """Keep the newest frame; return whether it replaced one that was not taken."""
        image = frame.picture if isinstance(frame.picture, np.ndarray) else frame.picture.rgb()
        newest = PlayedFrame(image, self._owner.stamp())
        with self._lock:
            replaced, self._waiting = self._waiting is not None, newest
        self._owner.wake()
        return replaced

    def _count(self, *, left_out: bool) -> None:
        self._frames += 1
        self._left_out += left_out
        if self._frames % _JUDGED_FRAMES == 0:
            share, self._left_out = self._left_out / _JUDGED_FRAMES, 0
            if share > _FEW:
                self.note(f'{share:.0%} of the frames are left out, because publishing takes '
                          'longer than they last; publish smaller images or fewer')
