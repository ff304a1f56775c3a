"""Rooms to pixels: linear radiance and exact ground truth for a pose at a time."""

from dataclasses import dataclass
import math
from typing import Any, TYPE_CHECKING

import numpy as np

from mtshare_ros.data.rooms.people import pose_movers
from mtshare_ros.data.rooms.primitives import SHELL_PARTS
from mtshare_ros.data.rooms.room_frame import outlines, Pose, RoomFrame
from mtshare_ros.data.rooms.scene import Room
from mtshare_ros.errors import ConfigError, import_extra

if TYPE_CHECKING:
    from mtshare_ros.data.rooms.snapshot import Snapshot

_LEAST_SIZE = 8
_SAMPLES = {
    3: ((0.5, 0.5), (0.2, 0.25), (0.8, 0.75)),
    4: ((0.375, 0.125), (0.875, 0.375), (0.625, 0.875), (0.125, 0.625)),
}


@dataclass(frozen=True)
class Quality:
    """``edge_samples`` per pixel on an outline; ``every_light`` asks all lights at each pixel."""

    edge_samples: int
    every_light: bool

    def __post_init__(self) -> None:
        if self.edge_samples not in _SAMPLES:
            raise ConfigError(f'{self.edge_samples} samples per edge pixel cannot be rendered; '
                              f'allowed: {", ".join(map(str, _SAMPLES))}')


FULL = Quality(edge_samples=4, every_light=True)
LIVE = Quality(edge_samples=3, every_light=False)


@dataclass(frozen=True)
class Rendering:
    """
    What a perfect sensor would see.

    ``radiance`` (H, W, 3) float32 linear; ``seen`` (H, W) int16 the row of the primitive; the
    rest as in RoomFrame.
    """

    radiance: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    labels: np.ndarray
    edges: np.ndarray
    seen: np.ndarray

    def frame(self, image: np.ndarray, intrinsics: np.ndarray, pose: Pose) -> RoomFrame:
        """Return the frame of a sensor's image of this rendering."""
        return RoomFrame(image, self.depth, self.normals, self.labels, self.edges, intrinsics,
                         pose)


class Renderer:
    """
    Renders rooms at one size; raises MissingExtraError without numba.

    ``grain``: by how much fine texture brightens and darkens surfaces, as a share, each octave.
    """

    def __init__(self, *, height: int, width: int, field_of_view_degrees: float = 60.0,
                 quality: Quality = FULL, grain: float = 0.0) -> None:
        import_extra('numba', 'rendering the procedural rooms', 'rooms')
        if min(height, width) < _LEAST_SIZE:
            raise ConfigError(f'an image of {height} x {width} pixels is too small to render; '
                              f'height and width must be at least {_LEAST_SIZE}')
        self.height, self.width = height, width
        self.quality = quality
        self.grain = grain
        self.focal = width / 2 / math.tan(math.radians(field_of_view_degrees) / 2)
        self._snapshot: 'Snapshot | None' = None
        self._samples = np.array(_SAMPLES[quality.edge_samples], np.float32)

    @property
    def intrinsics(self) -> np.ndarray:
        """Return K (3, 3) float64; whole numbers are pixel centres."""
        return np.array([[self.focal, 0.0, (self.width - 1) / 2],
                         [0.0, self.focal, (self.height - 1) / 2], [0.0, 0.0, 1.0]])

    def render(self, room: Room, pose: Pose, time_s: float = 0.0) -> Rendering:
        """Render a room as it is at a time, in seconds."""
        # not at the top, because the kernels need numba, which nothing else here does
        from mtshare_ros.data.rooms.snapshot import Snapshot

        if self._snapshot is None or self._snapshot.room is not room:
            self._snapshot = Snapshot(room)
        snapshot = self._snapshot
        snapshot.advance(pose_movers(room.primitives, room.movers, time_s), time_s)
        return _Pass(self, snapshot, pose).run(self._samples)


class _Pass:
    """One frame on its way through the kernels."""

    def __init__(self, renderer: Renderer, snapshot: 'Snapshot', pose: Pose) -> None:
        shape = (renderer.height, renderer.width)
        self.snapshot = snapshot
        self.every_light = renderer.quality.every_light
        self.grain = renderer.grain
        self.focal = np.float32(renderer.focal)
        self.position = pose.position.astype(np.float32)
        self.rotation = pose.rotation.astype(np.float32)
        self.axes = snapshot.look_from(pose)
        self.depth = np.empty(shape, np.float32)
        self.seen = np.empty(shape, np.int16)
        self.normals = np.empty((*shape, 3), np.float32)

    def run(self, samples: np.ndarray) -> Rendering:
        self._see()
        shaded = self._shade(self._ask_lights())
        radiance = shaded.copy()
        _kernels().smooth_edges(self.seen, shaded, self.snapshot.geometry, self.axes, self.focal,
                                samples, radiance)
        if self.grain:
            _kernels().add_grain(self.depth, self.seen, self.snapshot.geometry, self.axes,
                                 self.focal, np.float32(self.grain), radiance)
        labels = self.snapshot.room.primitives.label[self.seen]
        return Rendering(radiance, self.depth, self.normals, labels, outlines(self.seen),
                         self.seen)

    def _see(self) -> None:
        kernels, geometry = _kernels(), self.snapshot.geometry
        height, width = self.depth.shape
        rectangles = np.empty((len(geometry), 4), np.int64)
        kernels.screen_rectangles(geometry, self.position, self.rotation, self.focal, height,
                                  width, rectangles)
        kernels.see_shell(self.snapshot.size, self.position, self.rotation, self.focal,
                          self.depth, self.seen)
        kernels.see_primitives(geometry, SHELL_PARTS, rectangles, self.axes, self.focal,
                               self.depth, self.seen)
        kernels.surface_normals(self.depth, self.seen, geometry, self.axes, self.rotation,
                                self.focal, self.normals)

    def _ask_lights(self) -> np.ndarray:
        asked = np.empty(self.depth.shape, np.uint32)
        snapshot = self.snapshot
        _kernels().ask_lights(
            self.depth, self.seen, self.normals, snapshot.geometry, snapshot.radii, self.position,
            self.rotation, self.focal, snapshot.lights, snapshot.lamp_offsets,
            snapshot.shadows.lists, snapshot.shadows.counts, snapshot.shadows.near,
            self.every_light, asked)
        return asked

    def _shade(self, asked: np.ndarray) -> np.ndarray:
        snapshot = self.snapshot
        radiance = np.empty((*self.depth.shape, 3), np.float32)
        _kernels().shade(
            self.depth, self.seen, self.normals, asked, snapshot.geometry,
            snapshot.room.primitives.material, self.axes, self.position, self.rotation,
            self.focal, snapshot.size, snapshot.lights, snapshot.ambient, radiance)
        return radiance


def _kernels() -> Any:
    # not at the top, because it needs numba, which only rendering needs
    from mtshare_ros.data.rooms.kernels import frame_kernels

    return frame_kernels
