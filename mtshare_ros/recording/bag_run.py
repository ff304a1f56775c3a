"""The engine over a bag: reads its images, writes their maps into a new bag."""

from collections import Counter
from itertools import islice
from typing import Any, Callable, Iterator, Sequence

from mtshare_ros.errors import FrameError, MtshareError, RecordingError
from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_camera import say_assumed_camera
from mtshare_ros.inference.map_outputs import task_of
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.messages.camera_image import CameraImage, Continuity
from mtshare_ros.messages.camera_info import (
    CameraInfoBuffer,
    CameraInfoMatch,
    find_lens_doubt,
    find_lens_fault,
    scale_camera_info,
    shows_rectified,
)
from mtshare_ros.recording.bag import Bag
from mtshare_ros.recording.bag_messages import (
    CAMERA_INFO,
    choose_copied,
    IMAGE_TYPES,
    MessageTypes,
    OutputMessages,
    POINTS,
    read_image,
    require_decoder,
)
from mtshare_ros.recording.bag_parts import BagMessage, Channel
from mtshare_ros.recording.bag_plan import BagPlan
from mtshare_ros.recording.frames import Observer, Perception, RecordedFrame, RunStatistics
from mtshare_ros.recording.segmented_bag import SegmentedBag


class BagRun:
    """
    Reads one bag and writes another.

    Every segment begins with a new session. So an interrupted run, which goes on after the last
    complete segment, ends with the same bag as one that was not interrupted. ``say`` gets messages
    for the user, one line each; ``left_out`` counts for each topic the frames of this run that
    lack it because their calibration does not allow it.
    """

    def __init__(
        self, bag: Bag, plan: BagPlan, engine: Engine, *, observers: Sequence[Observer] = (),
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._bag = bag
        self._plan = plan
        self._say = say
        self._observers = observers
        self._types = MessageTypes()
        self._messages = OutputMessages(self._types, plan.outputs, engine.labels, plan.namespace)
        for topic in bag.topics:
            if topic.name == plan.image_topic:
                require_decoder(topic.message_type)
        outputs = {channel.topic for channel in self._messages.channels}
        self._copied = choose_copied(bag, outputs, say) if plan.copy_input else {}
        self._output = SegmentedBag(
            plan.target, plan.storage, plan.identity(engine), renew=plan.overwrite)
        self._engine = engine
        self._perception = Perception(engine, InferenceSettings.to_show(
            map(task_of, plan.outputs), engine.tasks, plan.sharing, activity=bool(observers),
            motion=plan.motion))
        self._continuity = Continuity('new segment')
        self._calibrations = CameraInfoBuffer(
            rectified=shows_rectified(plan.image_topic, plan.camera_matrix))
        self.statistics = RunStatistics()
        journal = self._output.journal
        self.resumed_at = journal.frames + journal.skipped
        self.frames, self.skipped = journal.frames, journal.skipped
        self.left_out: Counter[str] = Counter()
        self._notices: set[str] = set()

    @property
    def images(self) -> int:
        """How many images of the input were read so far, decodable or not."""
        return self.frames + self.skipped

    @property
    def missing(self) -> int | None:
        """How many images the input should have besides, None where only a part is wanted."""
        if self._plan.start_s is not None or self._plan.end_s is not None:
            return None
        name = self._plan.image_topic
        recorded = sum(topic.count for topic in self._bag.topics
                       if topic.name == name and topic.message_type in IMAGE_TYPES)
        return max(recorded + self._bag.lost[name] - self.images, 0)

    @property
    def safe(self) -> int:
        """How many of these images are in complete segments, which an interruption keeps."""
        return self._output.journal.frames + self._output.journal.skipped

    def run(self, progress: Callable[[int], None] = lambda done: None) -> None:
        """
        Compute the rest of the input and finish the new bag; ``progress`` gets the image count.

        Of a damaged input all that can be read is used; its ``damages`` then say what is missing.
        Raises RecordingError where not one image could be used.
        """
        try:
            position = self._compute(progress)
            self._require_frames()
            if self._output.is_open:
                self._close_segment(position)
            self._output.finish()
        finally:
            # after a finish nothing is left that it would throw away
            self._output.abandon()

    def _compute(self, progress: Callable[[int], None]) -> int:
        """Handle the messages that no earlier run has; return their number, all in all."""
        position = self._skip_done()
        for message in islice(self._input(), position, None):
            position += 1
            self._handle(message)
            if self._is_image(message):
                progress(self.images)
                if self.images % self._plan.segment == 0:
                    self._close_segment(position)
        return position

    def _skip_done(self) -> int:
        """Read the calibrations up to where an interrupted run ended; return that position."""
        topic = self._plan.calibration_topic
        if topic:
            # images that were recorded shortly before the first calibration have it, too
            for message in islice(self._bag.messages((topic,)), 1):
                self._add_calibration(message)
        position = self._output.journal.position
        # the position counts messages of the same topics and times, which the journal's identity
        # ensures
        for message in islice(self._input(), position):
            self._add_calibration(message)
        return position

    def _input(self) -> Iterator[BagMessage]:
        plan = self._plan
        names = {plan.image_topic, plan.calibration_topic,
                 *(channel.topic for channel in self._copied)}
        return self._bag.messages(names, plan.start_s, plan.end_s)

    def _handle(self, message: BagMessage) -> None:
        """Handle one message of the input."""
        # a segment begins with its first message, so an input that ends with one adds no empty
        # file
        if not self._output.is_open:
            self._perception.begin()
            self._continuity = Continuity('new segment')
            self._output.begin(
                (*dict.fromkeys(self._copied.values()), *self._messages.channels))
        # copied before it is decoded, so images that cannot be decoded are kept as well
        if message.channel in self._copied:
            self._output.write(self._copied[message.channel], message.time_ns, message.data)
        self._add_calibration(message)
        if not self._is_image(message):
            return
        try:
            self._compute_maps(message)
            self.frames += 1
        except FrameError as error:
            self.skipped += 1
            when = f'{self._seconds(message):.3f} s'
            self._say_once(f'skipped an image at {when}: {error}', str(error))

    def _compute_maps(self, message: BagMessage) -> None:
        image = self._decode(message)
        reason = self._continuity.check(image)
        if reason:
            self._perception.forget(reason)
        name = f'{image.header.stamp.sec}.{image.header.stamp.nanosec:09d}'
        frame = RecordedFrame(image.picture, message.time_ns, name, self._calibration_of(image))
        prediction = self._perception.infer(frame)
        self.statistics.add(prediction.stats)
        # the number includes frames of interrupted runs, which have written these already
        if not self.frames:
            self._write(message, self._messages.of_bag(image.header))
        self._write(message, self._messages.of_frame(
            prediction, image.header, frame.calibration))
        for observer in self._observers:
            observer.see(frame, prediction)

    def _decode(self, message: BagMessage) -> CameraImage:
        """Return the image of a message; raise FrameError for whatever a decoder raises."""
        try:
            return read_image(self._types, message.data, message.channel.message_type,
                              self._engine.input_size)
        except MtshareError:
            raise
        except Exception as error:  # noqa: B902 - decoders raise anything for malformed bytes
            raise FrameError(f'the decoder failed: {error!r}') from error

    def _write(self, message: BagMessage, outputs: Iterator[tuple[Channel, bytes]]) -> None:
        for channel, data in outputs:
            self._output.write(channel, message.time_ns, data)

    def _calibration_of(self, image: CameraImage) -> Any:
        """Return the CameraInfo of the maps of an image, None without a calibration."""
        size = (image.height, image.width)
        match = self._calibrations.match(image.header, size)
        self._tell_consequences(match)
        if match.info is None:
            return None
        framing = frame_to_cover(size, self._engine.input_size)
        return scale_camera_info(match.info, framing, image.header)

    def _tell_consequences(self, match: CameraInfoMatch) -> None:
        """Say, once for each reason, which outputs are missing or inexact for a calibration."""
        left_out = self._messages.left_out(match.info)
        self.left_out.update(left_out)
        without = [f'{topic} is left out' for topic in left_out]
        shown = set(map(task_of, self._plan.outputs))
        if match.info is None and 'depth' in shown:
            without.append('depth is in the scale of the camera that the model was trained with')
        if match.info is None and 'normals' in shown.difference(self._engine.network_tasks):
            assumed = say_assumed_camera(self._engine.assumed_focal_length)
            without.append(f'normals are worked out from depth, for {assumed}')
        reason = match.reason or find_lens_fault(match.info)
        if without:
            self._say_once(f'{", ".join(without)}: {reason}', reason)
        elif POINTS in self._plan.outputs:
            doubt = find_lens_doubt(match.info)
            self._say_once(f'{POINTS} is inexact: {doubt}', doubt)

    def _add_calibration(self, message: BagMessage) -> None:
        wanted = self._plan.calibration_topic, CAMERA_INFO
        if (message.topic, message.channel.message_type) != wanted:
            return
        try:
            self._calibrations.add(self._types.read(message.data, CAMERA_INFO))
        except Exception as error:  # noqa: B902 - rosbags raises anything for malformed bytes
            when = f'{self._seconds(message):.3f} s'
            self._say_once(
                f'left out a calibration at {when} that cannot be read: {error}', str(error))

    def _close_segment(self, position: int) -> None:
        self._output.end(position=position, frames=self.frames, skipped=self.skipped)

    def _require_frames(self) -> None:
        if self.frames:
            return
        damages = ''.join(f'; {damage}' for damage in self._bag.damages)
        raise RecordingError(
            f'{self._plan.source}: not one image of {self._plan.image_topic} could be used '
            f'({self.skipped} could not be read){damages}')

    def _is_image(self, message: BagMessage) -> bool:
        return (message.topic == self._plan.image_topic
                and message.channel.message_type in IMAGE_TYPES)

    def _seconds(self, message: BagMessage) -> float:
        return (message.time_ns - self._bag.start_ns) / 1e9

    def _say_once(self, line: str, cause: str) -> None:
        """Say a line, once for each cause; an empty cause is no reason to say it."""
        if cause and cause not in self._notices:
            self._notices.add(cause)
            self._say(line)
