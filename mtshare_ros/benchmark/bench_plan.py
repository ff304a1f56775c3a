"""What the benchmark compares, and the frames that it runs on."""

from dataclasses import dataclass, field
from typing import Iterable, Iterator, Sequence

import numpy as np

from mtshare_ros.benchmark.contenders import CARRIED_SIDES, ENGINE_SIDES, MOTION_SIDES
from mtshare_ros.benchmark.dense_contenders import DENSE_SIDES
from mtshare_ros.config import require
from mtshare_ros.data.rooms.frame import median_motion, RoomFrame
from mtshare_ros.data.rooms.motions import HARDER
from mtshare_ros.data.rooms.renderer import Renderer
from mtshare_ros.data.rooms.streams import STREAMS
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.evaluation.room_data import changed_share
from mtshare_ros.image_frame import Pinhole
from mtshare_ros.sharing.settings import SharingSettings

REFERENCE = 'prefix'
"""The side that computes the model's dense outputs in every frame: exact, and the cheapest."""

SIDES = (*DENSE_SIDES, *ENGINE_SIDES, 'hold')
"""What is compared where the camera rests or moves slowly."""

MOVING_SIDES = (REFERENCE, 'combined', *MOTION_SIDES, *CARRIED_SIDES)
"""What is compared where it moves as a robot does."""

EVERY_SIDE = tuple(dict.fromkeys((*SIDES, *MOVING_SIDES)))

RIVAL = 'moving_fused'
"""The side whose cost carried sides may have to meet."""

LONGEST_PERIOD = 30


def usual_sides(motions: Iterable[str]) -> tuple[str, ...]:
    """Return what is compared on streams unless other sides are named."""
    names = set(motions)
    return MOVING_SIDES if names and names <= set(HARDER) else SIDES


@dataclass(frozen=True)
class BenchSettings:
    """
    What is compared, and on what.

    ``frames`` count by motion. The sides whose cost does not depend on the frame, and that are the
    costliest, run on every ``dense_every``-th frame. ``nth``: of the sides that carry maps along,
    the network computes every n-th frame; 0 is as often as costs what ``RIVAL`` does on average.
    ``noise`` multiplies the camera's; ``clean`` asks for the difference to the dense outputs of
    frames without any.
    """

    tasks: tuple[str, ...]
    motions: tuple[str, ...] = ('static',)
    frames: int = 256
    warm_up: int = 8
    sides: tuple[str, ...] = SIDES
    sharing: SharingSettings = field(default_factory=SharingSettings)
    noise: float = 1.0
    clean: bool = False
    compiling: bool = True
    dense_every: int = 8
    nth: int = 3

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown side or a period that makes no sense."""
        for side in self.sides:
            require(side in EVERY_SIDE, 'sides', side, f'any of {", ".join(EVERY_SIDE)}')
        require(self.frames >= 2, 'frames', self.frames,
                '2 or more: the first frame of a turn is not timed')
        require(0 <= self.nth <= LONGEST_PERIOD, 'nth', self.nth, f'0 to {LONGEST_PERIOD}')

    @property
    def moves(self) -> bool:
        """Whether a side moves maps along with the camera."""
        return not {*CARRIED_SIDES, *MOTION_SIDES}.isdisjoint(self.sides)

    @property
    def carries_shared_encoder(self) -> bool:
        """Whether a side carries the maps of a network with one encoder for all tasks."""
        return any(name in CARRIED_SIDES and name.startswith('shared_encoder')
                   for name in self.sides)


FEWEST_IN_A_ROOM = 32
"""Counted frames that a room is filmed for at least, where that many are asked for."""

LOOK_EVERY = 8
"""Frames from one pair that is looked at to the next, to say what a stream is like."""


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

    @property
    def pinhole(self) -> Pinhole:
        """The camera of the frames."""
        (fx, _, cx), (_, fy, cy), _ = Renderer(
            height=self.size[0], width=self.size[1]).intrinsics.tolist()
        return Pinhole(fx, fy, cx, cy)

    def video(self, seed: int, noise: float | None = None) -> RoomVideo:
        """Return the video of a room, with the plan's noise or another."""
        return STREAMS[self.motion].video(
            seed, height=self.size[0], width=self.size[1],
            noise=self.noise if noise is None else noise)


@dataclass(frozen=True)
class StreamFacts:
    """
    What a stream is like from frame to frame.

    ``changed``: the share of the patches that change, noise left out; ``pixels``: the median
    motion of what stands still, a mean over frames.
    """

    changed: float
    pixels: float


def look_at(plan: StreamPlan) -> StreamFacts:
    """Return what the counted frames of a plan are like, from some pairs of each room."""
    changed, pixels = [], []
    for seed, count in plan.counts.items():
        video = plan.video(seed, noise=0.0)
        for index in range(plan.warm_up, plan.warm_up + count, LOOK_EVERY):
            first, second = video.frame(index), video.frame(index + 1)
            changed.append(changed_share(first.image, second.image))
            pixels.append(median_motion(first.depth, first.intrinsics, first.pose, second.pose))
    return StreamFacts(float(np.mean(changed)), float(np.mean(pixels)))


def film(plan: StreamPlan) -> Iterator[Sequence[RoomFrame]]:
    """
    Render one room after the other, each with its warm-up and all its counted frames.

    The same plan always gives the same pixels. Raises MissingExtraError without numba.
    """
    for seed, count in plan.counts.items():
        video = plan.video(seed)
        yield [video.frame(index) for index in range(plan.warm_up + count)]
