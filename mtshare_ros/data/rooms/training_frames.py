"""Single views of rooms rendered to memory-mapped arrays, for training."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mtshare_ros.data.rooms.array_folder import (
    fill_folder,
    open_array,
    open_arrays,
    Progress,
    read_meta,
)
from mtshare_ros.data.rooms.renderer import LIVE, Renderer
from mtshare_ros.data.rooms.room_frame import RoomFrame
from mtshare_ros.data.rooms.scene import GENERATOR_VERSION, make_room, Room
from mtshare_ros.data.rooms.variety import render_varied_view
from mtshare_ros.data.rooms.views import render_view, split_seeds
from mtshare_ros.data.sample import NORMAL_SCALE

NOISE = 'shot 0.01 to 0.05, read 0.003 to 0.015 of full scale, drawn for each view'


@dataclass(frozen=True)
class FrameSetMeta:
    """
    What ``meta.json`` says of a folder of frames.

    ``fx`` is the focal length in pixels. ``varied`` is the share of rooms whose frames are those
    of ``variety.py``, each of another focal length: their depths are
    scaled by ``fx`` over it, so that one focal length holds for all frames.
    """

    split: str
    height: int
    width: int
    count: int
    views_per_room: int
    fx: float
    noise: str
    generator: int
    done: int = 0
    varied: float = 0.0

    def layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return the shape and type of each array by its name."""
        grid = (self.count, self.height, self.width)
        return {'image': ((*grid, 3), 'u1'), **truth_layout(grid)}


def truth_layout(grid: tuple[int, ...]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and type of the arrays of truth of (N, H, W) frames."""
    return {'depth': (grid, 'f2'), 'normals': ((*grid, 3), 'i1'), 'labels': (grid, 'u1'),
            'edges': (grid, 'u1')}


@dataclass(frozen=True)
class FrameSet:
    """
    The finished frames of a folder, memory-mapped.

    ``image`` (N, H, W, 3) uint8; ``depth`` (N, H, W) float16 metres; ``normals`` (N, H, W, 3)
    int8, 127 times the unit vector; ``labels`` (N, H, W) uint8; ``edges`` (N, H, W) uint8, 0 or 1.
    """

    meta: FrameSetMeta
    image: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    labels: np.ndarray
    edges: np.ndarray

    def __len__(self) -> int:
        return len(self.image)


def render_frames(directory: Path, *, split: str, count: int, height: int, width: int,
                  views_per_room: int = 4, varied: float = 0.0,
                  progress: Progress | None = None, workers: int = 1) -> None:
    """
    Render ``count`` views of a split into a folder; a second call goes on where one ended.

    The views of a share of rooms, ``varied``, differ in paint, light, field of view and the faults
    of the camera, see ``FrameSetMeta``. A kill loses the rooms in work only. ``progress`` is
    called with the frames done and the frames wanted; ``workers`` is the number of processes,
    which changes no pixel. Raises DatasetError where the folder holds frames of another kind,
    MissingExtraError without numba.
    """
    renderer = Renderer(height=height, width=width, quality=LIVE)
    wanted = FrameSetMeta(split, height, width, count, views_per_room, renderer.focal, NOISE,
                          GENERATOR_VERSION, varied=varied)
    fill_folder(Path(directory), wanted, views_per_room, _render_room, workers=workers,
                progress=progress)


def open_frames(directory: Path) -> FrameSet:
    """Open the finished frames of a folder; raise DatasetError where something is missing."""
    directory = Path(directory)
    meta = read_meta(directory, FrameSetMeta)
    return FrameSet(meta, **open_arrays(directory, meta))


def store_truth(arrays: dict[str, np.ndarray], row: int, frame: RoomFrame) -> None:
    """Write the truth of a frame into a row of the arrays of ``truth_layout``."""
    arrays['depth'][row] = frame.depth
    arrays['normals'][row] = np.round(frame.normals * NORMAL_SCALE)
    arrays['labels'][row] = frame.labels
    arrays['edges'][row] = frame.edges


def _render_room(directory: Path, meta: FrameSetMeta, index: int) -> int:
    renderer = Renderer(height=meta.height, width=meta.width, quality=LIVE)
    room = make_room(split_seeds(meta.split)[index])
    arrays = {name: open_array(directory, meta, name, 'r+') for name in meta.layout()}
    first = index * meta.views_per_room
    varied = _is_varied(index, meta.varied)
    for row in range(first, min(first + meta.views_per_room, meta.count)):
        frame = _view(renderer, room, row - first, varied=varied)
        arrays['image'][row] = frame.image
        store_truth(arrays, row, frame)
    return index


def _is_varied(index: int, share: float) -> bool:
    """Spread the varied rooms evenly among the others."""
    return int((index + 1) * share) > int(index * share)


def _view(renderer: Renderer, room: Room, number: int, *, varied: bool) -> RoomFrame:
    if not varied:
        return render_view(renderer, room, number)
    frame = render_varied_view(room, number, height=renderer.height, width=renderer.width,
                               quality=renderer.quality)
    return replace(frame, depth=frame.depth * (renderer.focal / frame.focal_length))
