"""Short clips of rooms rendered to memory-mapped arrays, for training with the gates at work."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtshare_ros.data.rooms.array_folder import (
    fill_folder,
    open_array,
    open_arrays,
    Progress,
    read_meta,
)
from mtshare_ros.data.rooms.scene import GENERATOR_VERSION
from mtshare_ros.data.rooms.training_frames import store_truth, truth_layout
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.data.rooms.views import split_seeds

RATE_HZ = 30.0
LENGTH = 5
"""Frames of a clip: the gates' noise estimate needs some before the labelled last one."""

MOTIONS = ('static', 'drive', 'static', 'handheld', 'static', 'pan')
"""Camera motions in turn: half of the clips stand still, as most cameras do most of the time."""

CLIPS_PER_ROOM = 2
_LONGEST_STEP = 4
_CLIP_FILE = 'film'
"""The name of the array of frames on disk, in folders that exist already, too."""
_LATEST_SECOND = 60.0


@dataclass(frozen=True)
class TrainingClipsMeta:
    """What ``meta.json`` says of a folder of clips; ``fx`` is the focal length in pixels."""

    split: str
    height: int
    width: int
    count: int
    length: int
    rate_hz: float
    fx: float
    generator: int
    done: int = 0

    def layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return the shape and type of each array by its name."""
        grid = (self.count, self.height, self.width)
        return {_CLIP_FILE: ((self.count, self.length, *grid[1:], 3), 'u1'), **truth_layout(grid)}


@dataclass(frozen=True)
class TrainingClips:
    """
    The finished clips of a folder, memory-mapped.

    ``clip`` (N, T, H, W, 3) uint8, T frames in the order of time; the truth is that of the last
    of them and stored as in ``FrameSet``.
    """

    meta: TrainingClipsMeta
    clip: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    labels: np.ndarray
    edges: np.ndarray

    def __len__(self) -> int:
        return len(self.clip)


def render_training_clips(directory: Path, *, split: str, count: int, height: int, width: int,
                 progress: Progress | None = None, workers: int = 1) -> None:
    """
    Render ``count`` clips of a split into a folder; a second call goes on where one ended.

    Full sensor noise, one to four frames of a 30 Hz camera apart, motions in turn. Parameters and
    errors as of ``render_frames``.
    """
    focal = float(RoomVideo(seed=split_seeds(split)[0], motion=MOTIONS[0], height=height,
                            width=width).intrinsics[0, 0])
    wanted = TrainingClipsMeta(
        split, height, width, count, LENGTH, RATE_HZ, focal, GENERATOR_VERSION)
    fill_folder(Path(directory), wanted, CLIPS_PER_ROOM, _render_room, workers=workers,
                progress=progress)


def open_training_clips(directory: Path) -> TrainingClips:
    """Open the finished clips of a folder; raise DatasetError where something is missing."""
    directory = Path(directory)
    meta = read_meta(directory, TrainingClipsMeta)
    arrays = open_arrays(directory, meta)
    return TrainingClips(meta, clip=arrays.pop(_CLIP_FILE), **arrays)


def _render_room(directory: Path, meta: TrainingClipsMeta, index: int) -> int:
    arrays = {name: open_array(directory, meta, name, 'r+') for name in meta.layout()}
    first = index * CLIPS_PER_ROOM
    for row in range(first, min(first + CLIPS_PER_ROOM, meta.count)):
        video = RoomVideo(seed=split_seeds(meta.split)[index], motion=MOTIONS[row % len(MOTIONS)],
                          height=meta.height, width=meta.width, rate_hz=meta.rate_hz)
        frames = [video.frame(number) for number in _numbers(row, meta)]
        arrays[_CLIP_FILE][row] = np.stack([frame.image for frame in frames])
        store_truth(arrays, row, frames[-1])
    return index


def _numbers(row: int, meta: TrainingClipsMeta) -> list[int]:
    """Return which frames of the video a clip is made of."""
    random = np.random.default_rng((row, 613))
    start = int(random.integers(round(_LATEST_SECOND * meta.rate_hz)))
    step = int(random.integers(1, _LONGEST_STEP + 1))
    return [start + step * number for number in range(meta.length)]
