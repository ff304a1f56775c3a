"""The engine over frames that come from files or a camera."""

from itertools import islice
from typing import Callable, Iterator, Sequence

from mtshare_ros.errors import FrameError, RecordingError
from mtshare_ros.recording.figures import RunFigures
from mtshare_ros.recording.frame_source import FrameSource
from mtshare_ros.recording.perceiving import Observer, Perception, RecordedFrame


class FrameRun:
    """
    Computes the maps of frames and shows them to observers, which write them.

    ``skipped`` frames could not be read; each is said. ``damage`` says what ended the frames too
    early, and is empty where nothing did; ``stopped`` says whether somebody asked for the end.
    """

    def __init__(
        self, source: FrameSource, perception: Perception, observers: Sequence[Observer],
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._source = source
        self._perception = perception
        self._observers = observers
        self._say = say
        self.figures = RunFigures()
        self.frames = self.skipped = 0
        self.stopped = False
        self.damage = ''

    def run(
        self, limit: int | None = None, progress: Callable[[int], None] = lambda done: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Compute ``limit`` frames, or all of them; ``stopped`` is asked after each."""
        for frame in islice(self._frames(), limit):
            try:
                self._perceive(frame)
                self.frames += 1
            except FrameError as error:
                self.skip(f'{frame.name}: {error}')
            progress(self.frames + self.skipped)
            self.stopped = stopped()
            if self.stopped:
                return

    def skip(self, line: str) -> None:
        """Count and tell a frame that is left out."""
        self.skipped += 1
        self._say(f'skipped {line}')

    def note(self, line: str) -> None:
        """Tell what else the source has to say."""
        self._say(line)

    def _frames(self) -> Iterator[RecordedFrame]:
        try:
            yield from self._source.read(self)
        except RecordingError as error:
            self.damage = str(error)

    def _perceive(self, frame: RecordedFrame) -> None:
        prediction = self._perception.infer(frame)
        self.figures.add(prediction.stats)
        for observer in self._observers:
            observer.see(frame, prediction)

