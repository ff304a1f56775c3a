"""The segments of a recording: what a file of the new bag is computed from."""

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import Callable, Collection, Sequence

from mtshare_ros.errors import RecordingError
from mtshare_ros.messages.camera_info import CALIBRATIONS_KEPT
from mtshare_ros.recording.bag_messages import CAMERA_INFO, define, IMAGE_TYPES, merge_channels
from mtshare_ros.recording.bag_parts import CDR, Channel, IndexEntry, SeekPoint
from mtshare_ros.recording.bag_plan import BagPlan
from mtshare_ros.recording.recording import Recording


@dataclass(frozen=True)
class Start:
    """
    Where to begin reading for a segment, without everything before it.

    ``lead`` is the number of messages from ``point`` on that come before the segment; they have
    the images it is warmed up with. The last ``calibrations`` messages of the calibration topic
    before ``point`` begin at ``calibration_point``; there are ``all_calibrations`` before it.
    """

    point: SeekPoint
    lead: int = 0
    calibration_point: SeekPoint = SeekPoint()
    calibrations: int = 0
    all_calibrations: int = 0


@dataclass(frozen=True)
class Segment:
    """
    Consecutive images of a recording, and the other messages before each of them.

    ``number`` counts segments from 0. ``first_image`` is the number of its first image in the
    recording, decodable or not; ``images`` how many it holds, None to the recording's end.
    ``position`` is the number of messages of the input before it, ``end_position`` that up to its
    end, and ``end_ns`` the time of the last one. ``names_classes`` says that its first frame comes
    with the message of the classes' names, which a bag holds once. Without ``start`` the recording
    is read from its beginning.
    """

    number: int = 0
    first_image: int = 0
    images: int | None = None
    position: int = 0
    end_position: int | None = None
    end_ns: int | None = None
    names_classes: bool = True
    start: Start | None = None

    def from_beginning(self) -> 'Segment':
        """Return this segment and everything behind it, for a recording whose index is wrong."""
        return replace(self, images=None, end_position=None, end_ns=None, start=None)


def input_topics(recording: Recording, plan: BagPlan) -> set[str]:
    """Return the topics that a run reads."""
    copied = {channel.topic for channel in recording.channels if _is_copied(channel, plan)}
    return {plan.image_topic, plan.calibration_topic, *copied}


def choose_copied(
    recording: Recording, outputs: Collection[str], say: Callable[[str], None]
) -> dict[Channel, Channel]:
    """
    Return, for each channel to copy, the channel of the new bag that gets its messages.

    ``say`` is called with a line for what is not copied as it is. Raises RecordingError where a
    topic of the bag is one of the outputs.
    """
    for channel in recording.channels:
        if channel.topic in outputs:
            raise RecordingError(f'{recording.path} has a topic {channel.topic} already; give the '
                                 'outputs a --namespace')
        if channel.serialization != CDR:
            say(f'{channel.topic} is not copied: its messages are {channel.serialization}, and '
                'ROS opens no bag that has others than cdr')
    copied = [channel for channel in recording.channels if channel.serialization == CDR]
    merged = merge_channels(copied)
    defined = {channel: define(channel, recording.distro)
               for channel in dict.fromkeys(merged.values())}
    for channel in defined.values():
        if not channel.definition.text:
            say(f'{channel.topic} is copied without a definition: the bag has none of '
                f'{channel.message_type}')
    return {channel: defined[merged[channel]] for channel in copied}


def is_image(channel: Channel, plan: BagPlan) -> bool:
    """Return whether the messages of a channel are images to be computed."""
    return channel.topic == plan.image_topic and channel.message_type in IMAGE_TYPES


def count_missing(recording: Recording, plan: BagPlan, images: int) -> int | None:
    """
    Return how many images a recording should have besides those that were read.

    Returns None where only a part is wanted.
    """
    if plan.start_s is not None or plan.end_s is not None:
        return None
    # a video that can be read to its end has all its frames, whatever its header says
    if not recording.counted and not recording.damages:
        return 0
    recorded = sum(topic.count for topic in recording.topics
                   if topic.name == plan.image_topic and topic.message_type in IMAGE_TYPES)
    return max(recorded + recording.lost[plan.image_topic] - images, 0)


def find_segments(recording: Recording, plan: BagPlan) -> tuple[Segment, ...]:
    """
    Return the segments of a recording, found in its index alone, in their order.

    Each can be computed on its own, with the result that it has after those before it. Returns
    nothing where the recording must be read in one go: only a part of it is wanted, or its index
    is missing, damaged or not certain.
    """
    if plan.start_s is not None or plan.end_s is not None:
        return ()
    entries = recording.index(input_topics(recording, plan))
    return _Cutting(entries, plan).segments() if entries is not None else ()


class _Cutting:
    """Cuts the messages of an index into segments."""

    def __init__(self, entries: Sequence[IndexEntry], plan: BagPlan) -> None:
        self._plan = plan
        self._entries = entries
        self._images = [number for number, entry in enumerate(entries)
                        if is_image(entry.channel, plan)]
        self._topic = [number for number, entry in enumerate(entries)
                       if entry.channel.topic == plan.calibration_topic]
        self._calibrations = _read_alone([entries[number] for number in self._topic])
        self._infos = [number for number, entry in enumerate(self._calibrations)
                       if entry.channel.message_type == CAMERA_INFO]

    def segments(self) -> tuple[Segment, ...]:
        length = self._plan.segment
        ends = [number + 1 for number in self._images[length - 1::length]]
        begins = [0, *ends]
        # the messages behind the last image of a whole segment are one without images
        rest = self._entries[begins[-1]:]
        if rest and (len(self._images) % length
                     or any(_is_copied(entry.channel, self._plan) for entry in rest)):
            ends.append(len(self._entries))
        return tuple(self._segment(number, *span) for number, span in enumerate(zip(begins, ends)))

    def _segment(self, number: int, begin: int, end: int) -> Segment:
        first = number * self._plan.segment
        lead = begin
        if self._plan.warm_up and first:
            lead = self._images[max(first - self._plan.warm_up, 0)]
        return Segment(
            number, first, min(self._plan.segment, len(self._images) - first), begin, end,
            self._entries[end - 1].time_ns, number == 0, self._start(lead, begin - lead))

    def _start(self, begin: int, lead: int) -> Start:
        before = bisect_left(self._topic, begin)
        known = bisect_left(self._infos, before)
        point = self._entries[begin].point
        if not known:
            return Start(point, lead)
        first = self._infos[max(known - CALIBRATIONS_KEPT, 0)]
        return Start(point, lead, self._calibrations[first].point, before - first, before)


def _read_alone(entries: Sequence[IndexEntry]) -> list[IndexEntry]:
    """Return all entries of some topics as the index of these topics alone has them."""
    alone: list[IndexEntry] = []
    before, skip = None, 0
    for entry in entries:
        moment = entry.point.file, entry.point.time_ns
        skip = skip + 1 if moment == before else 0
        before = moment
        alone.append(entry._replace(point=entry.point._replace(skip=skip)))
    return alone


def _is_copied(channel: Channel, plan: BagPlan) -> bool:
    return plan.copy_input and channel.serialization == CDR
