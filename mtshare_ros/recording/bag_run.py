"""The engine over a recording: reads its images, writes their maps into a new bag."""

from collections import Counter
from dataclasses import replace
from typing import Callable, Sequence

from mtshare_ros.errors import RecordingError
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.recording.bag_parts import Channel, WrongIndexError
from mtshare_ros.recording.bag_plan import BagPlan
from mtshare_ros.recording.frames import Observer, RecordedFrame, RunStatistics
from mtshare_ros.recording.recording import Recording
from mtshare_ros.recording.segment_output import SegmentResult
from mtshare_ros.recording.segment_run import SegmentRun
from mtshare_ros.recording.segmented_bag import SegmentedBag
from mtshare_ros.recording.segments import count_missing, find_segments, Segment


class BagRun:
    """
    Reads a recording and writes a new bag, segment by segment.

    As every segment begins with a new session, an interrupted run, which goes on after the last
    complete segment, ends with the same bag as one that was not interrupted. ``say`` gets messages
    for the user, one line each.
    """

    def __init__(
        self, recording: Recording, plan: BagPlan, engine: Engine, *,
        observers: Sequence[Observer] = (),
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._recording = recording
        self._plan = plan
        self._observers = observers
        self._segments = SegmentRun(recording, plan, engine, activity=bool(observers), say=say)
        self._output = SegmentedBag(
            plan.target, plan.storage, plan.identity(engine), renew=plan.overwrite)
        self.resumed_at = self.images

    @property
    def statistics(self) -> RunStatistics:
        """The statistics of the frames of this run."""
        return self._segments.statistics

    @property
    def left_out(self) -> Counter[str]:
        """For each topic the number of frames of this run that lack it, for their calibration."""
        return self._segments.left_out

    @property
    def frames(self) -> int:
        """How many frames are in complete segments."""
        return self._output.journal.frames

    @property
    def skipped(self) -> int:
        """How many images of complete segments could not be read."""
        return self._output.journal.skipped

    @property
    def images(self) -> int:
        """How many images of the input are in complete segments, which an interruption keeps."""
        return self.frames + self.skipped

    @property
    def missing(self) -> int | None:
        """How many images the input should have besides, None where only a part is wanted."""
        return count_missing(self._recording, self._plan, self.images)

    def run(self, progress: Callable[[int], None] = lambda done: None) -> None:
        """
        Compute the rest of the input and finish the new bag; ``progress`` gets the image count.

        Of a damaged input all that can be read is used; its ``damages`` then say what is missing.
        Raises RecordingError where not one image could be used.
        """
        try:
            try:
                self._compute(self._in_index(self._rest()), progress)
            except WrongIndexError:
                self._compute(self._rest(), progress)
            self._require_frames()
            self._output.finish()
        finally:
            # after a finish nothing is left that it would throw away
            self._output.abandon()

    def _rest(self) -> Segment:
        """Return what is not in complete segments yet."""
        journal = self._output.journal
        return Segment(number=self.images // self._plan.segment, first_image=self.images,
                       position=journal.position, names_classes=not journal.frames)

    def _in_index(self, rest: Segment) -> Segment:
        """Return the rest with its place, where an index tells it."""
        if not rest.position:
            return rest
        start = next((segment.start for segment in find_segments(self._recording, self._plan)
                      if segment.position == rest.position
                      and segment.first_image == rest.first_image), None)
        return replace(rest, start=start)

    def _compute(self, rest: Segment, progress: Callable[[int], None]) -> None:
        self._segments.run(
            rest, None, self._begin, lambda done: progress(rest.first_image + done))

    def _begin(self, number: int, channels: Sequence[Channel]) -> '_Segment':
        self._output.begin(number, channels)
        return _Segment(self._output, self._observers)

    def _require_frames(self) -> None:
        if self.frames:
            return
        damages = ''.join(f'; {damage}' for damage in self._recording.damages)
        raise RecordingError(
            f'{self._plan.source}: not one image of {self._plan.image_topic} could be used '
            f'({self.skipped} could not be read){damages}')


class _Segment:
    """One file of the new bag, and the observers of its frames."""

    def __init__(self, bag: SegmentedBag, observers: Sequence[Observer]) -> None:
        self._bag = bag
        self._observers = observers

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        self._bag.write(channel, time_ns, data)

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        for observer in self._observers:
            observer.see(frame, prediction)

    def finish(self, result: SegmentResult) -> None:
        journal = self._bag.journal
        self._bag.end(position=result.end_position, frames=journal.frames + result.frames,
                      skipped=journal.skipped + result.skipped)

    def abandon(self) -> None:
        self._bag.drop()
