"""What thresholds are calibrated on: clips of validation rooms, every camera motion in turn."""

from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np

from mtshare_ros.config import require
from mtshare_ros.data.rooms.camera_paths import MOTIONS
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.data.rooms.views import split_seeds

FIRST_ROOM = 1_000
"""Beyond the rooms whose fixed views a training is watched on."""

NOISE_STEP = 8
"""Every so many frames the answer of a network to the sensor's noise is looked at."""

_FAR_INDEX = 500_000
"""Added to the index that noise is drawn by: no clip is so long."""


@dataclass(frozen=True)
class ClipSpec:
    """One clip: a room of the validation split and how the camera moves in it."""

    seed: int
    motion: str


@dataclass(frozen=True)
class FilmedClip:
    """
    The images of a clip, (H, W, 3) uint8 each, with the sensor's noise.

    ``again`` holds images number 0, ``NOISE_STEP``, ... once more, with other noise.
    """

    spec: ClipSpec
    images: tuple[np.ndarray, ...]
    again: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class ClipPlan:
    """Clips to calibrate on, and as many others, of other rooms, to check the result on."""

    calibration: tuple[ClipSpec, ...]
    held_out: tuple[ClipSpec, ...]


def plan_clips(rooms: int) -> ClipPlan:
    """
    Return clips of ``rooms`` rooms to calibrate on and of the next ones to check on.

    The motions take turns. Raises ConfigError for more rooms than the validation split has.
    """
    seeds = split_seeds('validation')[FIRST_ROOM:]
    require(1 <= rooms <= len(seeds) // 2, 'rooms', rooms, f'1 to {len(seeds) // 2}')
    specs = [ClipSpec(seed, MOTIONS[number % len(MOTIONS)])
             for start in (0, rooms) for number, seed in enumerate(seeds[start:start + rooms])]
    return ClipPlan(tuple(specs[:rooms]), tuple(specs[rooms:]))


def film(
    specs: Sequence[ClipSpec], *, frames: int, size: tuple[int, int],
    progress: Callable[[int], None] | None = None,
) -> list[FilmedClip]:
    """
    Render clips of ``frames`` frames at (height, width); ``progress`` gets the frames done.

    Raises MissingExtraError where numba is not installed.
    """
    clips: list[FilmedClip] = []
    for spec in specs:
        video = RoomVideo(seed=spec.seed, motion=spec.motion, height=size[0], width=size[1])
        images = []
        for number in range(frames):
            images.append(video.frame(number).image)
            if progress is not None:
                progress(len(clips) * frames + number + 1)
        other = _OtherNoise(seed=spec.seed, motion=spec.motion, height=size[0], width=size[1])
        again = tuple(other.frame(number).image for number in range(0, frames, NOISE_STEP))
        clips.append(FilmedClip(spec, tuple(images), again))
    return clips


class _OtherNoise(RoomVideo):
    """The same video with another draw of the sensor's noise."""

    def _noise_seed(self, index: int) -> int:
        return super()._noise_seed(index) + _FAR_INDEX
