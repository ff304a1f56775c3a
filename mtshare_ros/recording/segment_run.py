"""The engine over the segments of a recording: reads their images, gives away their maps."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Callable, Iterator, Protocol, Sequence

from mtshare_ros.errors import FrameError, MtshareError
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_outputs import task_of
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.messages.camera_image import CameraImage, Continuity
from mtshare_ros.recording.bag import Bag
from mtshare_ros.recording.bag_messages import (
    choose_copied,
    IMAGE_TYPES,
    MessageTypes,
    OutputMessages,
    read_image,
    require_decoder,
)
from mtshare_ros.recording.bag_parts import BagMessage, Channel
from mtshare_ros.recording.bag_plan import BagPlan
from mtshare_ros.recording.frames import Perception, RecordedFrame, RunStatistics
from mtshare_ros.recording.notices import Notices
from mtshare_ros.recording.recorded_calibrations import RecordedCalibrations
from mtshare_ros.recording.segments import Segment
from mtshare_ros.stamps import nanoseconds_of


@dataclass
class SegmentResult:
    """
    What was computed of one segment.

    ``frames`` are in its output, ``skipped`` images could not be read. ``end_position`` is the
    number of messages of the input up to its end. ``left_out`` counts for each topic the frames
    that lack it because their calibration does not allow it.
    """

    number: int
    first_image: int
    end_position: int
    frames: int = 0
    skipped: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    statistics: RunStatistics = field(default_factory=RunStatistics)

    @property
    def images(self) -> int:
        """How many images it has, decodable or not."""
        return self.frames + self.skipped


class SegmentOutput(Protocol):
    """What takes the messages and the frames of one segment."""

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Take a message of the new bag, recorded at a time in ns since the epoch."""

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Take a frame, whose messages were written before."""

    def finish(self, result: SegmentResult) -> None:
        """Keep everything: the segment is whole."""

    def abandon(self) -> None:
        """Throw everything away: the segment will not become whole."""


class SegmentRun:
    """
    Computes segments of one recording.

    Every segment begins with a new session, so its maps do not depend on those before it.
    ``activity`` also computes the maps of what was recomputed, for people. ``say`` gets messages
    for the user, one line each. ``statistics`` and ``left_out`` are those of all segments. Raises
    RecordingError where the recording has topics of the names of the outputs and is to be copied.
    """

    def __init__(
        self, recording: Bag, plan: BagPlan, engine: Engine, *, activity: bool = False,
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
        be read is used; its ``damages`` then say what is missing.
        """
        self._names_classes, self._done = first.names_classes, 0
        messages = self._messages_from(first)
        number, image, position = first.number, first.first_image, first.position
        while count is None or number < first.number + count:
            # a segment begins with its first message, so an input that ends with one adds no
            # empty segment
            message = next(messages, None)
            if message is None:
                return
            result = SegmentResult(number, image, position)
            self._compute(chain((message,), messages), result,
                          open_output(number, self._channels), progress)
            number, image, position = number + 1, image + result.images, result.end_position

    @property
    def _channels(self) -> tuple[Channel, ...]:
        return *dict.fromkeys(self._copied.values()), *self._messages.channels

    def _messages_from(self, first: Segment) -> Iterator[BagMessage]:
        """Return the messages from a segment on, after the calibrations before it were read."""
        plan = self._plan
        if plan.calibration_topic:
            # images that were recorded shortly before the first calibration have it, too
            for message in islice(self._recording.messages((plan.calibration_topic,)), 1):
                self._add_calibration(message)
        names = {plan.image_topic, plan.calibration_topic,
                 *(channel.topic for channel in self._copied)}
        messages = self._recording.messages(names, plan.start_s, plan.end_s)
        for message in islice(messages, first.position):
            self._add_calibration(message)
        return messages

    def _compute(
        self, messages: Iterator[BagMessage], result: SegmentResult, output: SegmentOutput,
        progress: Callable[[int], None],
    ) -> None:
        """Compute one segment into its output."""
        self._perception.begin()
        self._continuity = Continuity('new segment')
        try:
            for message in messages:
                self._handle(message, result, output)
                result.end_position += 1
                if _is_image(message, self._plan):
                    self._done += 1
                    progress(self._done)
                    if result.images == self._plan.segment:
                        break
            output.finish(result)
        # whatever ends it, Ctrl-C as well, leaves nothing that looks like a whole segment
        except BaseException:
            output.abandon()
            raise

    def _handle(self, message: BagMessage, result: SegmentResult, output: SegmentOutput) -> None:
        """Handle one message of the input."""
        # copied before it is decoded, so images that cannot be decoded are kept as well
        if message.channel in self._copied:
            output.write(self._copied[message.channel], message.time_ns, message.data)
        self._add_calibration(message)
        if not _is_image(message, self._plan):
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
        image = self._decode(message)
        reason = self._continuity.check(image)
        if reason:
            self._perception.forget(reason)
        match = self._calibrations.match(image)
        header = image.header
        frame = RecordedFrame(
            image.picture, message.time_ns, f'{header.stamp.sec}.{header.stamp.nanosec:09d}',
            match.info, nanoseconds_of(header.stamp), header.frame_id,
            result.first_image + result.images)
        prediction = self._perception.infer(frame)
        self._count(prediction, self._calibrations.left_out(match), result)
        outputs = self._messages.of_frame(prediction, header, frame.calibration)
        if self._names_classes:
            outputs = chain(self._messages.of_bag(header), outputs)
            self._names_classes = False
        for channel, data in outputs:
            output.write(channel, message.time_ns, data)
        output.see(frame, prediction)

    def _count(
        self, prediction: Prediction, left_out: Counter[str], result: SegmentResult
    ) -> None:
        for total in (self, result):
            total.statistics.add(prediction.stats)
            total.left_out.update(left_out)

    def _decode(self, message: BagMessage) -> CameraImage:
        """Return the image of a message; raise FrameError for whatever a decoder raises."""
        try:
            return read_image(self._types, message.data, message.channel.message_type,
                              self._engine.input_size)
        except MtshareError:
            raise
        except Exception as error:  # noqa: B902 - decoders raise anything for malformed bytes
            raise FrameError(f'the decoder failed: {error!r}') from error

    def _add_calibration(self, message: BagMessage) -> None:
        self._calibrations.add(message, self._seconds(message))

    def _seconds(self, message: BagMessage) -> float:
        return (message.time_ns - self._recording.start_ns) / 1e9


def _is_image(message: BagMessage, plan: BagPlan) -> bool:
    return message.topic == plan.image_topic and message.channel.message_type in IMAGE_TYPES
