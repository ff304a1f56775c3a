"""Where the simulated camera takes its frames from: a renderer or a clip, one frame ahead."""

from pathlib import Path
import queue
import threading
from typing import Callable

from mtshare_ros.data.rooms.clips import read_clip
from mtshare_ros.data.rooms.frame import RoomFrame
from mtshare_ros.data.rooms.renderer import FULL, LIVE
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.nodes.sim_camera.parameter_table import SimCameraSettings

FrameFunction = Callable[[int], RoomFrame]


def open_source(settings: SimCameraSettings) -> FrameFunction:
    """
    Return the function that gives frame 0, 1, 2, ... of the settings' video, without end.

    Raises MissingExtraError where rendering needs what is not installed, and DatasetError for a
    clip that is missing or damaged.
    """
    if settings.clip:
        clip = read_clip(Path(settings.clip).expanduser())
        return lambda index: clip[_bounce(index, len(clip))]
    video = RoomVideo(
        seed=settings.seed, motion=settings.motion, height=settings.height,
        width=settings.width, rate_hz=settings.rate,
        quality=FULL if settings.quality == 'full' else LIVE,
        noise=settings.noise,
    )
    return video.frame


def _bounce(index: int, length: int) -> int:
    """Play forwards and backwards in turn, so that the end meets the beginning without a cut."""
    if length == 1:
        return 0
    position = index % (2 * (length - 1))
    return min(position, 2 * (length - 1) - position)


class FrameAhead:
    """
    Renders frames in a thread, a few ahead of the one that is due.

    The first frame is made in the constructor, so that what is missing or damaged is raised
    there.
    """

    def __init__(self, source: FrameFunction, ahead: int = 3) -> None:
        self._source = source
        self._frames: queue.Queue[RoomFrame] = queue.Queue(ahead)
        self._frames.put(source(0))
        self._error: Exception | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name='renderer', daemon=True)
        self._thread.start()

    def take(self) -> RoomFrame | None:
        """Return the next frame, None where it is not ready; raise what rendering raised."""
        if self._error is not None:
            raise self._error
        try:
            return self._frames.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        index = 1
        while not self._closed.is_set():
            try:
                frame = self._source(index)
            except Exception as error:  # noqa: B902
                self._error = error
                return
            self._leave(frame)
            index += 1

    def _leave(self, frame: RoomFrame) -> None:
        while not self._closed.is_set():
            try:
                return self._frames.put(frame, timeout=0.1)
            except queue.Full:
                continue
