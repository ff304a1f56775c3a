"""Where the messages and the frames of a segment go."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.recording.bag_parts import Channel
from mtshare_ros.recording.frames import RecordedFrame, RunStatistics


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
