"""
Pre-rendered clips: frames with their ground truth, replayed from disk at no cost.

A clip is a folder of raw arrays and a ``clip.json`` that is written last, so that an interrupted
writer leaves no clip behind.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
import json
from pathlib import Path

import numpy as np

from mtshare_ros.data.rooms.array_folder import replace_json
from mtshare_ros.data.rooms.room_frame import Pose, RoomFrame
from mtshare_ros.errors import DatasetError

META_FILE = 'clip.json'
_NORMAL_SCALE = 32767.0
_MEND = 'delete the folder and write the clip again'


@dataclass(frozen=True)
class ClipMeta:
    """What ``clip.json`` says: size, frame rate, intrinsics by rows, and where it came from."""

    height: int
    width: int
    frames: int
    rate_hz: float
    intrinsics: tuple[tuple[float, ...], ...]
    source: str

    def layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return the shape and type of each array by its name."""
        grid = (self.frames, self.height, self.width)
        return {'image': ((*grid, 3), 'u1'), 'depth': (grid, '<f4'),
                'normals': ((*grid, 3), '<i2'), 'labels': (grid, 'u1'), 'edges': (grid, 'u1'),
                'pose': ((self.frames, 3, 4), '<f8')}


class Clip:
    """A memory-mapped sequence of frames; indices from 0, negative ones from the end."""

    def __init__(self, meta: ClipMeta, arrays: dict[str, np.ndarray]) -> None:
        self.meta = meta
        self._arrays = arrays

    def __len__(self) -> int:
        return self.meta.frames

    def __getitem__(self, index: int) -> RoomFrame:
        rows = {name: array[index] for name, array in self._arrays.items()}
        normals = rows['normals'].astype(np.float32) / np.float32(_NORMAL_SCALE)
        pose = Pose(np.array(rows['pose'][:, 3]), np.array(rows['pose'][:, :3]))
        return RoomFrame(rows['image'], rows['depth'], normals, rows['labels'],
                         rows['edges'].view(bool), np.array(self.meta.intrinsics), pose)


def write_clip(path: Path, frames: Iterable[RoomFrame], *, rate_hz: float = 30.0,
               source: str = '') -> None:
    """Write frames to a new folder; raise DatasetError where it exists or nothing is given."""
    path = Path(path)
    if path.exists():
        raise DatasetError(f'{path} exists already; choose another folder or delete it')
    path.mkdir(parents=True)
    count, last = 0, None
    with ExitStack() as stack:
        files = {name: stack.enter_context(open(path / f'{name}.bin', 'wb'))
                 for name in ('image', 'depth', 'normals', 'labels', 'edges', 'pose')}
        for last in frames:
            for name, array in _encoded(last).items():
                files[name].write(np.ascontiguousarray(array).tobytes())
            count += 1
    if last is None:
        raise DatasetError(f'no frames were given for the clip {path}; give at least one')
    height, width = last.depth.shape
    intrinsics = tuple(tuple(map(float, row)) for row in last.intrinsics)
    meta = ClipMeta(height, width, count, rate_hz, intrinsics, source)
    replace_json(path / META_FILE, asdict(meta))


def read_clip(path: Path) -> Clip:
    """Open a clip; raise DatasetError where it is missing, incomplete or damaged."""
    path = Path(path)
    meta = _read_meta(path)
    return Clip(meta, {name: _map_array(path / f'{name}.bin', shape, kind)
                       for name, (shape, kind) in meta.layout().items()})


def _encoded(frame: RoomFrame) -> dict[str, np.ndarray]:
    pose = np.concatenate([frame.pose.rotation, frame.pose.position[:, None]], axis=1)
    return {'image': frame.image, 'depth': frame.depth.astype('<f4'),
            'normals': np.round(frame.normals * _NORMAL_SCALE).astype('<i2'),
            'labels': frame.labels, 'edges': frame.edges.astype('u1'),
            'pose': pose.astype('<f8')}


def _read_meta(path: Path) -> ClipMeta:
    try:
        meta = ClipMeta(**json.loads((path / META_FILE).read_text(encoding='utf-8')))
        meta.layout()
    except FileNotFoundError:
        raise DatasetError(f'{path} is no clip: {META_FILE} is missing, the folder is of another '
                           'kind or its writer was interrupted; write the clip again') from None
    except (TypeError, ValueError) as error:
        raise DatasetError(f'{path / META_FILE} is damaged ({error}); {_MEND}') from error
    return meta


def _map_array(path: Path, shape: tuple[int, ...], kind: str) -> np.ndarray:
    expected = int(np.prod(shape)) * np.dtype(kind).itemsize
    found = path.stat().st_size if path.exists() else 0
    if found != expected:
        raise DatasetError(f'{path} holds {found} bytes instead of the {expected} of '
                           f'{shape} {kind}; {_MEND}')
    return np.memmap(path, kind, 'r', shape=shape)
