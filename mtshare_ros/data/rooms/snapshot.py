"""A room as the kernels read it, at one moment."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mtshare_ros.data.rooms.kernels import frame_kernels
from mtshare_ros.data.rooms.kernels.intersect import GEOMETRY_COLUMNS
from mtshare_ros.data.rooms.people import MovedParts
from mtshare_ros.data.rooms.primitives import BOX, CYLINDER, Primitives, SHELL_PARTS
from mtshare_ros.data.rooms.room_frame import Pose
from mtshare_ros.data.rooms.scene import Room

_GLOW_COLUMN = 9
_BRIGHT = 0.3
"""What glows more than this throws no shadow: it is a lamp or a window."""


@dataclass(frozen=True)
class ShadowLists:
    """
    For every light and cell the rows that may stand in the way.

    ``lists`` int16 and ``near`` float32 (L, K, P), ``counts`` (L, K) int32. The still rows come
    first and stay; the moving ones behind them are listed anew each frame.
    """

    lists: np.ndarray
    counts: np.ndarray
    near: np.ndarray

    @classmethod
    def empty(cls, lights: int, rows: int) -> 'ShadowLists':
        """Return lists with room for ``rows`` rows in every cell."""
        cells, rows = frame_kernels.CELLS ** 2, max(rows, 1)
        return cls(np.zeros((lights, cells, rows), np.int16),
                   np.zeros((lights, cells), np.int32),
                   np.zeros((lights, cells, rows), np.float32))


class Snapshot:
    """The arrays of one room; the still part is prepared once, the moving part each frame."""

    def __init__(self, room: Room) -> None:
        primitives = room.primitives
        self.room = room
        self.size = room.size.astype(np.float32)
        self.ambient = room.ambient.astype(np.float32)
        self.geometry = _geometry(primitives)
        self.lamp_offsets = _lamp_offsets()
        self.lights = np.array([[*light.position, *light.color] for light in room.lights],
                               np.float32)
        self.radii = _bounding_radii(primitives)
        casts = (primitives.material[:, _GLOW_COLUMN] <= _BRIGHT)
        # floor, ceiling and walls are around all lights and hide none
        casts[:SHELL_PARTS] = False
        moves = primitives.mover >= 0
        self._moving_rows = np.flatnonzero(casts & moves)
        self.shadows = ShadowLists.empty(len(room.lights), int(casts.sum()))
        self._list_shadows(np.flatnonzero(casts & ~moves))
        self._still_counts = self.shadows.counts.copy()

    def advance(self, moved: MovedParts, time_s: float) -> None:
        """Put the moving parts in place and set the lights to their level at a time."""
        self.geometry[moved.rows, 0:3] = moved.center
        self.geometry[moved.rows, 6:15] = moved.rotation.reshape(-1, 9)
        self.shadows.counts[:] = self._still_counts
        self._list_shadows(self._moving_rows)
        for row, light in enumerate(self.room.lights):
            level = 1.0 + light.drift * np.sin(2 * np.pi * time_s / light.period_s)
            self.lights[row, 3:] = np.asarray(light.color) * level

    def look_from(self, pose: Pose) -> np.ndarray:
        """Note the camera's place in every primitive's frame; return camera to primitive axes."""
        rotations = self.geometry[:, 6:15].reshape(-1, 3, 3).astype(np.float64)
        offsets = pose.position - self.geometry[:, 0:3]
        self.geometry[:, 17:20] = np.einsum('nji,nj->ni', rotations, offsets)
        return np.ascontiguousarray(rotations.transpose(0, 2, 1) @ pose.rotation, np.float32)

    def _list_shadows(self, rows: np.ndarray) -> None:
        directions, cosines = _cells()
        sines = np.sqrt(1.0 - cosines ** 2)
        shadows = self.shadows
        for light in range(len(self.lights)):
            frame_kernels.fill_cells(
                self.lights[light, :3], directions, cosines, sines, self.geometry, self.radii,
                rows, shadows.lists[light], shadows.counts[light], shadows.near[light])


def _geometry(primitives: Primitives) -> np.ndarray:
    table = np.zeros((len(primitives), GEOMETRY_COLUMNS), np.float32)
    table[:, 0:3] = primitives.center
    table[:, 3:6] = primitives.half
    table[:, 6:15] = primitives.rotation.reshape(-1, 9)
    table[:, 15] = primitives.kind
    table[:, 16] = primitives.taper
    return table


def _bounding_radii(primitives: Primitives) -> np.ndarray:
    half = primitives.half
    wide = half[:, :2].max(axis=1) * (1.0 + np.abs(primitives.taper))
    radii = np.where(
        primitives.kind == BOX, np.linalg.norm(half, axis=1),
        np.where(primitives.kind == CYLINDER, np.hypot(wide, half[:, 2]), half.max(axis=1)))
    return radii.astype(np.float32)


@lru_cache(maxsize=1)
def _lamp_offsets() -> np.ndarray:
    """Return nine points (9, 2) over the lamp, neighbours in the 3x3 pattern far apart."""
    order = (0, 5, 7, 4, 2, 6, 8, 1, 3)
    angles = np.arange(8) * (2 * np.pi / 8)
    rings = np.where(np.arange(8) % 2 == 0, 0.95, 0.6) * frame_kernels.LAMP_RADIUS
    points = np.concatenate([[[0.0, 0.0]], np.stack([np.cos(angles), np.sin(angles)], 1)
                             * rings[:, None]])
    return points[list(order)].astype(np.float32)


@lru_cache(maxsize=1)
def _cells() -> tuple[np.ndarray, np.ndarray]:
    """Return the cells' axes (K, 3) and the cosines of their angular radii (K,)."""
    count = frame_kernels.CELLS
    line, column = (part.ravel() for part in np.mgrid[0:count, 0:count])
    axes = _octahedral((column + 0.5) / count, (line + 0.5) / count)
    cosines = np.ones(count * count)
    for right in (0.0, 0.5, 1.0):
        for down in (0.0, 0.5, 1.0):
            corner = _octahedral((column + right) / count, (line + down) / count)
            cosines = np.minimum(cosines, (axes * corner).sum(axis=1))
    # cells a little too wide, so that rounding loses no shadow
    return axes.astype(np.float32), (cosines - 1e-4).astype(np.float32)


def _octahedral(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the directions (N, 3) of points of the octahedral map, given in [0, 1]."""
    x, y = 2 * u - 1, 2 * v - 1
    z = 1 - np.abs(x) - np.abs(y)
    folded_x = (1 - np.abs(y)) * np.where(x >= 0, 1.0, -1.0)
    folded_y = (1 - np.abs(x)) * np.where(y >= 0, 1.0, -1.0)
    points = np.stack([np.where(z < 0, folded_x, x), np.where(z < 0, folded_y, y), z], axis=1)
    return points / np.linalg.norm(points, axis=1, keepdims=True)
