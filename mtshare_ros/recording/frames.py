"""Recorded frames, and the engine over them; reading frames alone loads no PyTorch."""

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import Any, Callable, Iterator, Protocol, Sequence, TYPE_CHECKING

import numpy as np

from mtshare_ros.errors import FrameError, RecordingError
from mtshare_ros.image_frame import Picture
from mtshare_ros.messages.camera_info import pinhole_of

if TYPE_CHECKING:  # the video camera reads frames and runs no network, so it needs no PyTorch
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.inference.prediction import FrameStats, InferenceSettings, Prediction


@dataclass(frozen=True)
class RecordedFrame:
    """
    One frame of a recording: its image, the time it was taken, and the name of its files.

    ``picture`` is (H, W, 3) uint8 RGB, or an object that decodes it when it is needed.
    ``calibration`` is the CameraInfo of its maps, None without one. ``stamp_ns`` and ``frame_id``
    are those of the header, None and empty for a frame without one. ``number`` counts the images
    of the recording from 0, those that cannot be decoded too.
    """

    picture: np.ndarray | Picture
    time_ns: int
    name: str
    calibration: Any = None
    stamp_ns: int | None = None
    frame_id: str = ''
    number: int = 0


class Listener(Protocol):
    """Receives messages for the user about frames, one line each."""

    def skip(self, line: str) -> None:
        """Take the message that a frame cannot be read and is left out."""

    def note(self, line: str) -> None:
        """Take any other message."""


@dataclass(frozen=True)
class FrameSource:
    """
    Frames in their order.

    ``count`` is the number of frames, None where it is unknown. ``continuous`` says that they
    follow each other in time, ``live`` that they go on until the user stops them. ``read`` yields
    them, and raises RecordingError where the rest cannot be read.
    """

    count: int | None
    continuous: bool
    read: Callable[[Listener], Iterator[RecordedFrame]]
    live: bool = False


class Observer(Protocol):
    """Receives every frame with its maps, to write a file of them."""

    def see(self, frame: RecordedFrame, prediction: 'Prediction') -> None:
        """Take one frame."""
        ...

    def close(self) -> None:
        """Finish the file, after the last frame."""
        ...


class Perception:
    """
    An engine with the session of one camera.

    ``alone`` says that frames do not follow each other, as photographs, so no session is used.
    """

    def __init__(
        self, engine: 'Engine', settings: 'InferenceSettings', *, alone: bool = False
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._alone = alone
        self._session = engine.new_session()

    def begin(self) -> None:
        """Take a new session, as if there had been no frame before."""
        self._session = self._engine.new_session()

    def forget(self, reason: str) -> None:
        """Reset the session, so that the next frame is computed whole."""
        self._session.reset(reason)

    def infer(self, frame: RecordedFrame) -> 'Prediction':
        """
        Return the maps of a frame; depth is in metres of its camera where that is calibrated.

        Raises FrameError for an image that is too small.
        """
        session = None if self._alone else self._session
        camera = None if frame.calibration is None else pinhole_of(frame.calibration)
        prediction = self._engine.infer(frame.picture, session, self._settings, camera)
        self._engine.scale_depth(
            prediction, None if frame.calibration is None else frame.calibration.k[0])
        return prediction


class RunStatistics:
    """Adds up the statistics of the frames of a run."""

    def __init__(self) -> None:
        self._ms: list[float] = []
        self._active: list[float] = []
        self._macs = self._dense_macs = 0
        self._resets: Counter[str] = Counter()
        self._non_finite: Counter[str] = Counter()

    def add(self, stats: 'FrameStats') -> None:
        """Count one frame."""
        self._ms.append(stats.total_ms)
        self._active.append(stats.active_fraction)
        self._macs += stats.macs
        self._dense_macs += stats.dense_macs
        if stats.reset_reason:
            self._resets[stats.reset_reason] += 1
        self._non_finite.update(stats.non_finite)

    def values(self) -> dict[str, Any]:
        """
        Return the statistics by name, NaN where there was no frame.

        Milliseconds are those of the engine, from RGB to maps, without reading and writing files.
        ``non_finite`` counts for each task the frames in which the network returned NaN or
        infinity for some pixels.
        """
        ms, active = self._ms or [np.nan], self._active or [np.nan]
        saved = 1 - self._macs / self._dense_macs if self._dense_macs else np.nan
        return {
            'computed': len(self._ms),
            'ms': {'mean': float(np.mean(ms)), 'p50': float(np.percentile(ms, 50)),
                   'p95': float(np.percentile(ms, 95))},
            'active_fraction': float(np.mean(active)),
            'macs_saved_percent': 100 * saved,
            'resets': dict(self._resets), 'non_finite': dict(self._non_finite),
        }


class FrameRun:
    """
    Computes the maps of the frames of a source and gives them to observers, which write them.

    It is the listener of its source: ``skipped`` counts the frames that could not be read, each of
    which is passed on to ``say``. ``damage`` says why the frames ended too early, empty where they
    did not; ``stopped`` whether the user stopped the run.
    """

    def __init__(
        self, source: FrameSource, perception: Perception, observers: Sequence[Observer],
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._source = source
        self._perception = perception
        self._observers = observers
        # the method of a Listener
        self.note = say
        self.statistics = RunStatistics()
        self.frames = self.skipped = 0
        self.stopped = False
        self.damage = ''

    def run(
        self, limit: int | None = None, progress: Callable[[int], None] = lambda done: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Compute ``limit`` frames, None for all; ``stopped`` is called after each."""
        for frame in islice(self._frames(), limit):
            try:
                prediction = self._perception.infer(frame)
            except FrameError as error:
                self.skip(f'{frame.name}: {error}')
            else:
                self.statistics.add(prediction.stats)
                for observer in self._observers:
                    observer.see(frame, prediction)
                self.frames += 1
            progress(self.frames + self.skipped)
            self.stopped = stopped()
            if self.stopped:
                return

    def skip(self, line: str) -> None:
        """Count a frame that is left out, and tell the user."""
        self.skipped += 1
        self.note(f'skipped {line}')

    def _frames(self) -> Iterator[RecordedFrame]:
        try:
            yield from self._source.read(self)
        except RecordingError as error:
            self.damage = str(error)
