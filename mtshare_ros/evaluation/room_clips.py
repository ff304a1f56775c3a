"""
The films of unseen rooms that sharing is measured on.

``validation``: eight rooms that neither a training is watched on nor thresholds are calibrated on.
``test``: the six rooms of the benchmark's streams. At 30 Hz and full sensor noise; the camera
motions take turns from room to room, or all rooms are filmed with one of them.
"""

from dataclasses import dataclass
from typing import Iterator

import numpy as np

from mtshare_ros.config import require
from mtshare_ros.data.rooms.camera_paths import MOTIONS
from mtshare_ros.data.rooms.motions import CAMERA_MOTIONS
from mtshare_ros.data.rooms.streams import CHANGE_LEVEL, PATCH, STREAMS
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.data.rooms.views import split_seeds
from mtshare_ros.evaluation.clips import ClipFrame

CLIP_FRAMES = 64
"""Frames of a clip by default: two refresh periods, about two seconds."""

_VALIDATION_ROOMS = slice(500, 508)
"""Beyond the 64 rooms of the fixed views, before those that calibration takes."""


@dataclass(frozen=True)
class RoomClip:
    """A film of ``length`` frames of one room."""

    seed: int
    motion: str
    length: int = CLIP_FRAMES

    @property
    def name(self) -> str:
        """The room and the camera's motion."""
        return f'room {self.seed}, {self.motion}'

    def __len__(self) -> int:
        return self.length

    def frames(self, size: tuple[int, int]) -> Iterator[ClipFrame]:
        """
        Render frame by frame at (height, width); what changed is seen in a film without noise.

        Raises MissingExtraError where numba is not installed.
        """
        film, clean = (
            RoomVideo(seed=self.seed, motion=self.motion, height=size[0], width=size[1],
                      noise=noise) for noise in (1.0, 0.0))
        last = None
        for number in range(self.length):
            image = clean.frame(number).image
            changed = None if last is None else changed_share(last, image)
            yield ClipFrame(film.frame(number), changed)
            last = image


def room_clips(
    split: str, motion: str | None = None, count: int | None = None, frames: int = CLIP_FRAMES
) -> list[RoomClip]:
    """
    Return ``count`` clips of ``validation`` or ``test``, None being all; a motion None is each.

    Raises ConfigError for another split, an unknown motion, no frames, or more clips than rooms.
    """
    rooms = {'validation': tuple(split_seeds('validation')[_VALIDATION_ROOMS]),
             'test': STREAMS[MOTIONS[0]].seeds}
    require(split in rooms, 'split', split, f'one of {", ".join(rooms)} for clips of rooms')
    require(motion is None or motion in CAMERA_MOTIONS, 'motion', motion,
            f'one of {", ".join(CAMERA_MOTIONS)}')
    require(frames >= 2, 'frames', frames, '2 or more: a clip is about what changes')
    seeds = rooms[split]
    count = len(seeds) if count is None else count
    require(1 <= count <= len(seeds), 'count', count, f'1 to {len(seeds)}, the clips of {split}')
    return [RoomClip(seed, motion or MOTIONS[number % len(MOTIONS)], frames)
            for number, seed in enumerate(seeds[:count])]


def changed_share(first: np.ndarray, second: np.ndarray) -> float:
    """
    Return the share of patches in which images (H, W, 3) uint8 differ by more than CHANGE_LEVEL.

    A patch has PATCH x PATCH pixels, the difference is the mean of the absolute ones over pixels
    and colours. Sides that PATCH does not divide are cut off.
    """
    difference = np.abs(second.astype(np.float32) - first).mean(axis=-1)
    rows, columns = (side // PATCH for side in difference.shape)
    patches = difference[:rows * PATCH, :columns * PATCH].reshape(rows, PATCH, columns, PATCH)
    return float((patches.mean(axis=(1, 3)) > CHANGE_LEVEL).mean())
