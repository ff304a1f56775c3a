"""Rooms rendered to memory-mapped arrays, for training and evaluation."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
import json
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np

from mtshare_ros.data.rooms.frame import RoomFrame
from mtshare_ros.data.rooms.renderer import LIVE, Renderer
from mtshare_ros.data.rooms.scene import GENERATOR_VERSION, make_room
from mtshare_ros.data.rooms.splits import split_seeds
from mtshare_ros.data.rooms.views import render_view
from mtshare_ros.data.storage import NORMAL_SCALE, replace_json
from mtshare_ros.errors import DatasetError

META_FILE = 'meta.json'
NOISE = 'shot 0.01 to 0.05, read 0.003 to 0.015 of full scale, drawn for each view'
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FrameSetMeta:
    """What ``meta.json`` says of a folder of frames; ``fx`` is the focal length in pixels."""

    split: str
    height: int
    width: int
    count: int
    views_per_room: int
    fx: float
    noise: str
    generator: int
    done: int = 0

    def layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return the shape and type of each array by its name."""
        grid = (self.count, self.height, self.width)
        return {'image': ((*grid, 3), 'u1'), 'depth': (grid, 'f2'), 'normals': ((*grid, 3), 'i1'),
                'labels': (grid, 'u1'), 'edges': (grid, 'u1')}


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
                  views_per_room: int = 4, progress: Progress | None = None,
                  workers: int = 1) -> None:
    """
    Render ``count`` views of a split into a folder; a second call goes on where one ended.

    Every room has its own rows, so the result depends neither on interruptions nor on
    ``workers``, the number of processes; a kill loses the rooms in work only. ``progress`` is
    called with the frames done and the frames wanted. Raises DatasetError where the folder holds
    frames of another kind, MissingExtraError without numba.
    """
    directory = Path(directory)
    renderer = Renderer(height=height, width=width, quality=LIVE)
    wanted = FrameSetMeta(split, height, width, count, views_per_room, renderer.focal, NOISE,
                          GENERATOR_VERSION)
    done = _resume(directory, wanted).done
    rooms = range(-(-done // views_per_room), -(-count // views_per_room))
    for room in _rendered(directory, wanted, rooms, workers):
        done = min((room + 1) * views_per_room, count)
        replace_json(directory / META_FILE, {**asdict(wanted), 'done': done})
        if progress is not None:
            progress(done, count)


def open_frames(directory: Path) -> FrameSet:
    """Open the finished frames of a folder; raise DatasetError where something is missing."""
    directory = Path(directory)
    meta = _read_meta(directory)
    arrays = {name: _open_array(directory, meta, name)[:meta.done] for name in meta.layout()}
    return FrameSet(meta, **arrays)


def _rendered(directory: Path, meta: FrameSetMeta, rooms: range, workers: int) -> Iterator[int]:
    """Render rooms in order and yield each when its rows are written."""
    if workers <= 1:
        for room in rooms:
            yield _render_room(directory, meta, room)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context('spawn')) as pool:
        yield from pool.map(_render_room, *zip(*((directory, meta, room) for room in rooms)))


def _render_room(directory: Path, meta: FrameSetMeta, index: int) -> int:
    renderer = Renderer(height=meta.height, width=meta.width, quality=LIVE)
    room = make_room(split_seeds(meta.split)[index])
    arrays = {name: _open_array(directory, meta, name, 'r+') for name in meta.layout()}
    first = index * meta.views_per_room
    for row in range(first, min(first + meta.views_per_room, meta.count)):
        _store(arrays, row, render_view(renderer, room, row - first))
    return index


def _store(arrays: dict[str, np.ndarray], row: int, frame: RoomFrame) -> None:
    arrays['image'][row] = frame.image
    arrays['depth'][row] = frame.depth
    arrays['normals'][row] = np.round(frame.normals * NORMAL_SCALE)
    arrays['labels'][row] = frame.labels
    arrays['edges'][row] = frame.edges


def _resume(directory: Path, wanted: FrameSetMeta) -> FrameSetMeta:
    """Return what the folder holds, created where it is new."""
    if not (directory / META_FILE).exists():
        directory.mkdir(parents=True, exist_ok=True)
        for name, (shape, kind) in wanted.layout().items():
            np.lib.format.open_memmap(directory / f'{name}.npy', 'w+', kind, shape)
        replace_json(directory / META_FILE, asdict(wanted))
    found = _read_meta(directory)
    expected, present = ({key: value for key, value in asdict(meta).items() if key != 'done'}
                         for meta in (wanted, found))
    if expected != present:
        differing = ', '.join(f'{key} {present[key]!r} instead of {expected[key]!r}'
                              for key in expected if present[key] != expected[key])
        raise DatasetError(f'{directory} holds other frames ({differing}); choose another folder '
                           'or delete this one')
    return found


def _read_meta(directory: Path) -> FrameSetMeta:
    path = directory / META_FILE
    try:
        return FrameSetMeta(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise DatasetError(f'{directory} holds no rendered rooms: {META_FILE} is missing; render '
                           'them with render_frames') from None
    except (TypeError, ValueError) as error:
        raise DatasetError(f'{path} is damaged ({error}); delete the folder and render again'
                           ) from error


def _open_array(directory: Path, meta: FrameSetMeta, name: str,
                mode: Literal['r', 'r+'] = 'r') -> np.ndarray:
    path = directory / f'{name}.npy'
    shape, kind = meta.layout()[name]
    try:
        array = np.load(path, mmap_mode=mode)
    except (OSError, ValueError) as error:
        raise DatasetError(f'{path} should hold {name} {shape} {kind}, but cannot be read '
                           f'({error}); delete the folder and render again') from error
    if array.shape != shape or array.dtype != np.dtype(kind):
        raise DatasetError(f'{path} holds {array.shape} {array.dtype} instead of {shape} {kind}; '
                           'delete the folder and render again')
    return array
