"""What the benchmark compares, and the frames that it runs on."""

from dataclasses import dataclass, field
from typing import Iterable, Iterator, Sequence

import numpy as np

from mtshare_ros.benchmark.contenders import (
    CARRIED_CONTENDERS,
    ENGINE_CONTENDERS,
    MOTION_CONTENDERS,
)
from mtshare_ros.benchmark.dense_contenders import DENSE_CONTENDERS
from mtshare_ros.config import require
from mtshare_ros.data.rooms.motions import HARDER
from mtshare_ros.data.rooms.renderer import Renderer
from mtshare_ros.data.rooms.room_frame import median_motion, RoomFrame
from mtshare_ros.data.rooms.streams import STREAMS
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.evaluation.room_data import changed_share
from mtshare_ros.image_frame import Pinhole
from mtshare_ros.sharing.sharing_settings import SharingSettings

REFERENCE = 'prefix'
"""The cheapest contender that computes exactly the model's dense outputs in every frame."""

CONTENDERS = (*DENSE_CONTENDERS, *ENGINE_CONTENDERS, 'hold')
"""The usual contenders where the camera is at rest or moves slowly."""

MOVING_CONTENDERS = (REFERENCE, 'combined', *MOTION_CONTENDERS, *CARRIED_CONTENDERS)
"""The usual contenders where the camera moves as fast as a robot does."""

EVERY_CONTENDER = tuple(dict.fromkeys((*CONTENDERS, *MOVING_CONTENDERS)))

COST_BASELINE = 'moving_fused'
"""With ``nth`` 0, CARRIED_CONTENDERS get a period at which they cost as much as this one."""

LONGEST_PERIOD = 30


def usual_contenders(motions: Iterable[str]) -> tuple[str, ...]:
    """Return the contenders that run on streams of some motions where the user names none."""
    names = set(motions)
    return MOVING_CONTENDERS if names and names <= set(HARDER) else CONTENDERS


@dataclass(frozen=True)
class BenchSettings:
    """
    The contenders of a comparison, the motions of the camera, and the settings of both.

    ``frames`` is the number of counted frames of each motion. ``independent`` and ``dense`` are
    costly, and their cost does not depend on the frame: they run on every ``dense_every``-th frame
    only. ``nth``: the network of CARRIED_CONTENDERS computes every n-th frame; 0 chooses the
    period at which they cost what COST_BASELINE costs on average. ``noise`` multiplies the
    camera's noise; ``clean`` also compares outputs with the dense outputs of frames without noise.
    """

    tasks: tuple[str, ...]
    motions: tuple[str, ...] = ('static',)
    frames: int = 256
    warm_up: int = 8
    contenders: tuple[str, ...] = CONTENDERS
    sharing: SharingSettings = field(default_factory=SharingSettings)
    noise: float = 1.0
    clean: bool = False
    compiling: bool = True
    dense_every: int = 8
    nth: int = 3

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown contender, too few frames or a period out of range."""
        for contender in self.contenders:
            require(contender in EVERY_CONTENDER, 'contenders', contender,
                    f'any of {", ".join(EVERY_CONTENDER)}')
        require(self.frames >= 2, 'frames', self.frames,
                '2 or more: the first frame of a turn is not timed')
        require(0 <= self.nth <= LONGEST_PERIOD, 'nth', self.nth, f'0 to {LONGEST_PERIOD}')

    @property
    def moves(self) -> bool:
        """Whether a contender moves its maps with the camera."""
        return not {*CARRIED_CONTENDERS, *MOTION_CONTENDERS}.isdisjoint(self.contenders)

    @property
    def carries_shared_encoder(self) -> bool:
        """Whether a contender carries the maps of a network with one encoder for all tasks."""
        return any(name in CARRIED_CONTENDERS and name.startswith('shared_encoder')
                   for name in self.contenders)


FEWEST_IN_A_ROOM = 32
"""Each room gets at least this many counted frames, where the plan has that many."""

LOOK_EVERY = 8
"""Frames from one pair on which the facts of a stream are measured to the next pair."""


@dataclass(frozen=True)
class StreamPlan:
    """
    The rooms and frames that are rendered for one motion of the camera.

    ``frames`` is the number of counted frames of all rooms. Each room starts with ``warm_up``
    frames that are not counted, because the gates need some frames to measure the camera's noise.
    ``size`` is (height, width). ``noise`` multiplies the sensor's noise.
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
        """Number of counted frames by the seed of the room."""
        seeds = STREAMS[self.motion].seeds
        rooms = min(len(seeds), max(1, self.frames // FEWEST_IN_A_ROOM))
        return {seed: self.frames // rooms + (place < self.frames % rooms)
                for place, seed in enumerate(seeds[:rooms])}

    @property
    def total(self) -> int:
        """Number of frames of all rooms, with those that are not counted."""
        return self.frames + len(self.counts) * self.warm_up

    @property
    def pinhole(self) -> Pinhole:
        """The intrinsics of the camera that takes the frames."""
        (fx, _, cx), (_, fy, cy), _ = Renderer(
            height=self.size[0], width=self.size[1]).intrinsics.tolist()
        return Pinhole(fx, fy, cx, cy)

    def video(self, seed: int, noise: float | None = None) -> RoomVideo:
        """Return the video of a room, with the plan's noise where ``noise`` is None."""
        return STREAMS[self.motion].video(
            seed, height=self.size[0], width=self.size[1],
            noise=self.noise if noise is None else noise)


@dataclass(frozen=True)
class StreamFacts:
    """
    How much a stream changes from frame to frame.

    ``changed`` is the share (0 to 1) of patches that change, without noise. ``pixels`` is the
    median displacement in pixels of the static scene, averaged over frames.
    """

    changed: float
    pixels: float


def look_at(plan: StreamPlan) -> StreamFacts:
    """Return the facts of a plan's counted frames, measured on some pairs of each room."""
    changed, pixels = [], []
    for seed, count in plan.counts.items():
        video = plan.video(seed, noise=0.0)
        for index in range(plan.warm_up, plan.warm_up + count, LOOK_EVERY):
            first, second = video.frame(index), video.frame(index + 1)
            changed.append(changed_share(first.image, second.image))
            pixels.append(median_motion(first.depth, first.intrinsics, first.pose, second.pose))
    return StreamFacts(float(np.mean(changed)), float(np.mean(pixels)))


def render_stream(plan: StreamPlan) -> Iterator[Sequence[RoomFrame]]:
    """
    Render one room after the other, each with its warm-up and all its counted frames.

    The same plan always gives the same pixels. Raises MissingExtraError without numba.
    """
    for seed, count in plan.counts.items():
        video = plan.video(seed)
        yield [video.frame(index) for index in range(plan.warm_up + count)]
