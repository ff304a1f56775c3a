"""The frames that the benchmark runs on, rendered before they are needed."""

from dataclasses import dataclass
from typing import Iterator, Sequence

from mtshare_ros.config import require
from mtshare_ros.data.rooms.frame import RoomFrame
from mtshare_ros.data.rooms.streams import STREAMS

FEWEST_IN_A_ROOM = 32
"""Counted frames that a room is filmed for at least, where that many are asked for."""


@dataclass(frozen=True)
class StreamPlan:
    """
    A stream of the rooms, as the benchmark films it.

    ``frames`` are those that count, in all; every room has ``warm_up`` more before, which no
    figure holds: a camera starts once, and the gates need some frames to learn its noise.
    ``noise`` multiplies the sensor's.
    """

    motion: str
    frames: int = 256
    warm_up: int = 8
    size: tuple[int, int] = (240, 320)
    noise: float = 1.0

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown motion or no frames."""
        require(self.motion in STREAMS, 'motion', self.motion, f'one of {", ".join(STREAMS)}')
        require(self.frames >= 1, 'frames', self.frames, '1 or more')

    @property
    def counts(self) -> dict[int, int]:
        """Counted frames by room."""
        seeds = STREAMS[self.motion].seeds
        rooms = min(len(seeds), max(1, self.frames // FEWEST_IN_A_ROOM))
        return {seed: self.frames // rooms + (place < self.frames % rooms)
                for place, seed in enumerate(seeds[:rooms])}

    @property
    def total(self) -> int:
        """Frames of all rooms, those that do not count included."""
        return self.frames + len(self.counts) * self.warm_up


def film(plan: StreamPlan) -> Iterator[Sequence[RoomFrame]]:
    """
    Render one room after the other, each with its warm-up and all its counted frames.

    The same plan always gives the same pixels. Raises MissingExtraError without numba.
    """
    stream = STREAMS[plan.motion]
    for seed, count in plan.counts.items():
        video = stream.video(seed, height=plan.size[0], width=plan.size[1],
                             noise=plan.noise)
        yield [video.frame(index) for index in range(plan.warm_up + count)]
