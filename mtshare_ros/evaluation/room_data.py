"""The views and clips of procedural rooms that models are evaluated and calibrated on."""

from dataclasses import dataclass
from typing import Callable, Iterator, Sequence

import numpy as np

from mtshare_ros.config import require
from mtshare_ros.data.rooms.camera_paths import MOTIONS
from mtshare_ros.data.rooms.motions import CAMERA_MOTIONS
from mtshare_ros.data.rooms.renderer import LIVE, Renderer
from mtshare_ros.data.rooms.room_frame import RoomFrame
from mtshare_ros.data.rooms.scene import make_room
from mtshare_ros.data.rooms.streams import CHANGE_LEVEL, PATCH, STREAMS
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.data.rooms.views import (
    render_view,
    split_seeds,
    test_views,
    validation_views,
    View,
)
from mtshare_ros.errors import ConfigError
from mtshare_ros.evaluation.clip_evaluation import ClipFrame
from mtshare_ros.evaluation.truth_and_rules import tasks_with_truth
from mtshare_ros.inference.engine import Engine
from mtshare_ros.tasks import DEFAULT_TASKS, LabelSet, load_labels

_VIEWS = {'validation': validation_views, 'test': test_views}


def room_labels() -> LabelSet:
    """Return the label set of the rooms' truth."""
    return load_labels('nyu40')


def tasks_of_rooms(engine: Engine) -> tuple[str, ...]:
    """
    Return the tasks of a model that rooms have the truth of.

    Masks are among them only if the model has the classes of the rooms.
    """
    same = engine.labels.names == room_labels().names
    return tuple(task for task in tasks_with_truth(engine)
                 if task in DEFAULT_TASKS and (task != 'semseg' or same))


def fixed_views(split: str, count: int | None = None) -> list[View]:
    """
    Return ``count`` views of a split, evenly spread over its rooms; None returns all views.

    ``split`` is validation or test. Raises ConfigError for another split or a count out of range.
    """
    if split not in _VIEWS:
        raise ConfigError(f'split is {split!r}; allowed are {", ".join(_VIEWS)}')
    views = _VIEWS[split]()
    count = len(views) if count is None else count
    if not 1 <= count <= len(views):
        raise ConfigError(f'views is {count}; the split {split} has 1 to {len(views)}')
    return [views[place] for place in np.arange(count) * len(views) // count]


def render_fixed_views(views: list[View], *, size: tuple[int, int]) -> Iterator[RoomFrame]:
    """
    Render views at (height, width), as the simulated camera renders them.

    Raises MissingExtraError where numba is not installed.
    """
    renderer = Renderer(height=size[0], width=size[1], quality=LIVE)
    room = None
    for view in views:
        if room is None or room.seed != view.room_seed:
            room = make_room(view.room_seed)
        yield render_view(renderer, room, view.number)


FIRST_ROOM = 1_000
"""First room of the validation split to calibrate on, after those that training validates on."""

NOISE_STEP = 8
"""Every so many frames, the response of the outputs to the sensor's noise is measured."""

_FAR_INDEX = 500_000
"""Added to the frame number that seeds a second draw of noise; clips are shorter than this."""


@dataclass(frozen=True)
class ClipSpec:
    """A clip to calibrate on: a room of the validation split and the motion of the camera."""

    seed: int
    motion: str


@dataclass(frozen=True)
class RenderedClip:
    """
    The images of a clip, (H, W, 3) uint8 each, with the sensor's noise.

    ``again`` holds the images 0, ``NOISE_STEP``, 2 ``NOISE_STEP``, ... with a second draw of
    noise.
    """

    spec: ClipSpec
    images: tuple[np.ndarray, ...]
    again: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class CalibrationClips:
    """
    Clips to calibrate on, and as many clips of other rooms to check the result on.

    Each has ``frames`` images.
    """

    calibration: tuple[ClipSpec, ...]
    held_out: tuple[ClipSpec, ...]
    frames: int

    @property
    def specs(self) -> tuple[ClipSpec, ...]:
        """All clips, those held out after the others."""
        return (*self.calibration, *self.held_out)

    @property
    def noisy_frames(self) -> int:
        """Number of images of a clip that have a second draw of noise."""
        return len(range(0, self.frames, NOISE_STEP))


def plan_clips(rooms: int, frames: int) -> CalibrationClips:
    """
    Return clips of ``rooms`` rooms to calibrate on and of as many further rooms to check on.

    Each has ``frames`` images. The motions alternate from room to room. Raises ConfigError for
    more rooms than the validation split has.
    """
    seeds = split_seeds('validation')[FIRST_ROOM:]
    require(1 <= rooms <= len(seeds) // 2, 'rooms', rooms, f'1 to {len(seeds) // 2}')
    specs = [ClipSpec(seed, MOTIONS[number % len(MOTIONS)])
             for start in (0, rooms) for number, seed in enumerate(seeds[start:start + rooms])]
    return CalibrationClips(tuple(specs[:rooms]), tuple(specs[rooms:]), frames)


def render_clips(
    specs: Sequence[ClipSpec], *, frames: int, size: tuple[int, int],
    progress: Callable[[int], None] | None = None,
) -> list[RenderedClip]:
    """
    Render clips of ``frames`` frames at (height, width).

    ``progress`` is called with the number of frames done. Raises MissingExtraError without numba.
    """
    clips: list[RenderedClip] = []
    for spec in specs:
        video = RoomVideo(seed=spec.seed, motion=spec.motion, height=size[0], width=size[1])
        images = []
        for number in range(frames):
            images.append(video.frame(number).image)
            if progress is not None:
                progress(len(clips) * frames + number + 1)
        other = _OtherNoise(seed=spec.seed, motion=spec.motion, height=size[0], width=size[1])
        again = tuple(other.frame(number).image for number in range(0, frames, NOISE_STEP))
        clips.append(RenderedClip(spec, tuple(images), again))
    return clips


class _OtherNoise(RoomVideo):
    """The same video with another draw of the sensor's noise."""

    def _noise_seed(self, index: int) -> int:
        return super()._noise_seed(index) + _FAR_INDEX


CLIP_FRAMES = 64
"""Frames of a clip by default: two refresh periods, or about two seconds."""

_VALIDATION_ROOMS = slice(500, 508)
"""Between the 64 rooms of the fixed views and the rooms of the calibration."""


@dataclass(frozen=True)
class RoomClip:
    """A clip of ``length`` frames of one room."""

    seed: int
    motion: str
    length: int = CLIP_FRAMES

    @property
    def name(self) -> str:
        """The seed of the room and the motion of the camera, as text."""
        return f'room {self.seed}, {self.motion}'

    def __len__(self) -> int:
        return self.length

    def frames(self, size: tuple[int, int]) -> Iterator[ClipFrame]:
        """
        Yield frames at (height, width) with noise; ``changed`` is measured without noise.

        Raises MissingExtraError where numba is not installed.
        """
        noisy, clean = (
            RoomVideo(seed=self.seed, motion=self.motion, height=size[0], width=size[1],
                      noise=noise) for noise in (1.0, 0.0))
        last = None
        for number in range(self.length):
            image = clean.frame(number).image
            changed = None if last is None else changed_share(last, image)
            yield ClipFrame(noisy.frame(number), changed)
            last = image


def room_clips(
    split: str, motion: str | None = None, count: int | None = None, frames: int = CLIP_FRAMES
) -> list[RoomClip]:
    """
    Return ``count`` clips of ``validation`` or ``test``; None returns all.

    Without a ``motion``, the motions alternate from clip to clip. Raises ConfigError for another
    split, an unknown motion, fewer than two frames, or more clips than rooms.
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

    The difference of a patch, PATCH x PATCH pixels, is the mean absolute difference over its
    pixels and colours. Rows and columns of pixels beyond the last whole patch are ignored.
    """
    difference = np.abs(second.astype(np.float32) - first).mean(axis=-1)
    rows, columns = (side // PATCH for side in difference.shape)
    patches = difference[:rows * PATCH, :columns * PATCH].reshape(rows, PATCH, columns, PATCH)
    return float((patches.mean(axis=(1, 3)) > CHANGE_LEVEL).mean())
