"""The engine over the segments of a recording: reads their images, gives away their maps."""

from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import Callable, Iterator, Sequence

from mtshare_ros.errors import FrameError, MtshareError
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_outputs import task_of
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.messages.camera_image import CameraImage, Continuity
from mtshare_ros.messages.camera_info import CameraInfoMatch
from mtshare_ros.recording.bag_messages import (
    MessageTypes,
    OutputMessages,
    read_image,
    require_decoder,
)
from mtshare_ros.recording.bag_parts import BagMessage, Channel, WrongIndexError
from mtshare_ros.recording.bag_plan import BagPlan
from mtshare_ros.recording.frames import Perception, RecordedFrame, RunStatistics
from mtshare_ros.recording.notices import Notices
from mtshare_ros.recording.recorded_calibrations import RecordedCalibrations
from mtshare_ros.recording.recording import Recording
from mtshare_ros.recording.segment_output import SegmentOutput, SegmentResult
from mtshare_ros.recording.segments import choose_copied, input_topics, is_image, Segment, Start
from mtshare_ros.stamps import nanoseconds_of


@dataclass(frozen=True)
class _Image:
    """An image that was read, and the calibration that it had then."""

    image: CameraImage
    match: CameraInfoMatch
    time_ns: int


class SegmentRun:
    """
    Computes segments of one recording.

    Every segment begins with a new session, so its maps depend on its images and those that it is
    warmed up with alone, and are the same whichever segments are computed before it.
    ``activity`` also computes the maps of what was recomputed, for people. ``say`` gets messages
    for the user, one line each. ``statistics`` and ``left_out`` are those of all segments. Raises
    RecordingError where the recording has topics of the names of the outputs and is to be copied.
    """

    def __init__(
        self, recording: Recording, plan: BagPlan, engine: Engine, *, activity: bool = False,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._recording = recording
        self._plan = plan
        self._engine = engine
        self._notices = Notices(say)
        self._types = MessageTypes()
        self._messages = OutputMessages(self._types, plan.outputs, engine.labels, plan.namespace)
        for topic in recording.topics:
            if topic.name == plan.image_topic:
                require_decoder(topic.message_type)
        outputs = {channel.topic for channel in self._messages.channels}
        self._copied = choose_copied(recording, outputs, say) if plan.copy_input else {}
        self._perception = Perception(engine, InferenceSettings.to_show(
            map(task_of, plan.outputs), engine.tasks, plan.sharing, activity=activity,
            motion=plan.motion))
        self._continuity = Continuity('new segment')
        self._calibrations = RecordedCalibrations(
            plan, engine, self._types, self._messages, self._notices)
        self._recent: deque[_Image | None] = deque(maxlen=plan.warm_up)
        self._names_classes = False
        self._done = 0
        self.statistics = RunStatistics()
        self.left_out: Counter[str] = Counter()

    def run(
        self, first: Segment, count: int | None,
        open_output: Callable[[int, Sequence[Channel]], SegmentOutput],
        progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        """
        Compute ``count`` segments from ``first`` on, None for all to the end of the recording.

        ``open_output`` gets the number of a segment and the channels of its messages;
        ``progress`` the number of images of this call so far. Of a damaged recording all that can
        be read is used; its ``damages`` then say what is missing. Raises WrongIndexError where
        ``first`` was found in an index, but the recording does not hold what the index says: then
        only ``first.from_beginning()`` without a count is certain.
        """
        wanted = first if count is not None and first.start is not None else None
        self._names_classes, self._done = first.names_classes, 0
        messages = self._messages_from(first)
        number, image, position = first.number, first.first_image, first.position
        while count is None or number < first.number + count:
            # a segment begins with its first message, so an input that ends with one adds no
            # empty segment
            message = next(messages, None)
            result = SegmentResult(number, image, position)
            if message is None:
                self._check(result, wanted)
                return
            self._compute(chain((message,), messages), result,
                          open_output(number, self._channels), progress, wanted)
            wanted = None
            number, image, position = number + 1, image + result.images, result.end_position

    @property
    def _channels(self) -> tuple[Channel, ...]:
        return *dict.fromkeys(self._copied.values()), *self._messages.channels

    def _messages_from(self, first: Segment) -> Iterator[BagMessage]:
        """Return the messages from a segment on, after what it needs of those before was read."""
        self._recent.clear()
        self._read_calibrations(first.start)
        names = input_topics(self._recording, self._plan)
        if first.start is None:
            lead = first.position
            messages = self._recording.messages(names, self._plan.start_s, self._plan.end_s)
        else:
            lead = first.start.lead
            messages = self._recording.messages_from(names, first.start.point)
        for message in islice(messages, lead):
            self._add_calibration(message)
            if self._plan.warm_up and is_image(message.channel, self._plan):
                with suppress(FrameError):
                    self._read(message)
        return messages

    def _read_calibrations(self, start: Start | None) -> None:
        """Read the calibrations that the first message from a point on may belong to."""
        self._calibrations.clear()
        topic = self._plan.calibration_topic
        if not topic:
            return
        # images that were recorded shortly before the first calibration have it, too
        for message in islice(self._recording.messages((topic,)), 1):
            self._add_calibration(message)
        if start is None or not start.calibrations:
            return
        recent = self._recording.messages_from((topic,), start.calibration_point)
        # a list, so that all are read, also behind one that cannot be
        if all([self._add_calibration(message) for message in islice(recent, start.calibrations)]):
            return
        # those that cannot be read are replaced by earlier ones
        for message in islice(self._recording.messages((topic,)), start.all_calibrations):
            self._add_calibration(message)

    def _compute(
        self, messages: Iterator[BagMessage], result: SegmentResult, output: SegmentOutput,
        progress: Callable[[int], None], wanted: Segment | None,
    ) -> None:
        """Compute one segment into its output; ``wanted`` is what an index says of it."""
        try:
            self._begin()
            time_ns = None
            for message in messages:
                self._handle(message, result, output)
                result.end_position += 1
                time_ns = message.time_ns
                if is_image(message.channel, self._plan):
                    self._done += 1
                    progress(self._done)
                    if result.images == self._plan.segment:
                        break
            self._check(result, wanted, time_ns)
            output.finish(result)
        # whatever ends it, Ctrl-C as well, leaves nothing that looks like a whole segment
        except BaseException:
            output.abandon()
            raise

    def _begin(self) -> None:
        """Take a new session, and warm it up with the images before."""
        self._perception.begin()
        self._continuity = Continuity('new segment')
        for read in self._recent:
            if read is not None:
                with suppress(FrameError):
                    self._perception.infer(self._frame(read))

    def _check(
        self, result: SegmentResult, wanted: Segment | None, end_ns: int | None = None
    ) -> None:
        """Raise WrongIndexError where a segment is not what an index says."""
        if wanted is None:
            return
        found = result.images, result.end_position, end_ns
        if self._recording.damages or found != (
                wanted.images, wanted.end_position, wanted.end_ns):
            raise WrongIndexError(
                f'{self._recording.path}: does not hold what its index says of images '
                f'{wanted.first_image} to {wanted.first_image + (wanted.images or 0)}; read it '
                'from its beginning')

    def _handle(self, message: BagMessage, result: SegmentResult, output: SegmentOutput) -> None:
        """Handle one message of the input."""
        # copied before it is decoded, so images that cannot be decoded are kept as well
        if message.channel in self._copied and not message.fault:
            output.write(self._copied[message.channel], message.time_ns, message.data)
        self._add_calibration(message)
        if not is_image(message.channel, self._plan):
            return
        try:
            self._compute_maps(message, result, output)
            result.frames += 1
        except FrameError as error:
            result.skipped += 1
            self._notices.say_once(
                f'skipped an image at {self._seconds(message):.3f} s: {error}', str(error))

    def _compute_maps(
        self, message: BagMessage, result: SegmentResult, output: SegmentOutput,
    ) -> None:
        read = self._read(message)
        header = read.image.header
        frame = self._frame(read, result.first_image + result.images)
        prediction = self._perception.infer(frame)
        self._count(prediction, self._calibrations.left_out(read.match), result)
        outputs = self._messages.of_frame(prediction, header, frame.calibration)
        if self._names_classes:
            outputs = chain(self._messages.of_bag(header), outputs)
            self._names_classes = False
        for channel, data in outputs:
            output.write(channel, message.time_ns, data)
        output.see(frame, prediction)

    def _read(self, message: BagMessage) -> _Image:
        """Return the image of a message, kept for the warm-up of the next segment."""
        read = None
        try:
            image = self._decode(message)
            read = _Image(image, self._calibrations.match(image), message.time_ns)
            return read
        finally:
            self._recent.append(read)

    def _frame(self, read: _Image, number: int = 0) -> RecordedFrame:
        """Return the frame to infer next, for which the session is reset if it does not follow."""
        reason = self._continuity.check(read.image)
        if reason:
            self._perception.forget(reason)
        header = read.image.header
        return RecordedFrame(
            read.image.picture, read.time_ns, f'{header.stamp.sec}.{header.stamp.nanosec:09d}',
            self._calibrations.scale(read.match, read.image), nanoseconds_of(header.stamp),
            header.frame_id, number)

    def _count(
        self, prediction: Prediction, left_out: Counter[str], result: SegmentResult
    ) -> None:
        for total in (self, result):
            total.statistics.add(prediction.stats)
            total.left_out.update(left_out)

    def _decode(self, message: BagMessage) -> CameraImage:
        """Return the image of a message; raise FrameError for whatever a decoder raises."""
        if message.fault:
            raise FrameError(message.fault)
        try:
            return read_image(self._types, message.data, message.channel.message_type,
                              self._engine.input_size)
        except MtshareError:
            raise
        except Exception as error:  # noqa: B902 - decoders raise anything for malformed bytes
            raise FrameError(f'the decoder failed: {error!r}') from error

    def _add_calibration(self, message: BagMessage) -> bool:
        return self._calibrations.add(message, self._seconds(message))

    def _seconds(self, message: BagMessage) -> float:
        return (message.time_ns - self._recording.start_ns) / 1e9
