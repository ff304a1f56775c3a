"""
Maps of the present view, each pixel from the frame in which it was computed.

However often the camera has moved since, a pixel is resampled once, from that frame.
"""

from dataclasses import replace

import numpy as np
import torch

from mtshare_ros.motion.kept_frames import KeptFrames, Maps
from mtshare_ros.motion.kinds import Kind, kind_of
from mtshare_ros.motion.reprojection import NEAREST, parallax, projection, reproject
from mtshare_ros.motion.resampling import Places
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.sources import Sources
from mtshare_ros.pinhole import Pinhole
from mtshare_ros.tasks import UNLABELLED

_NO_CAMERA = Pinhole(1.0, 1.0, 0.0, 0.0)
"""Stands for the camera before the first one is known."""

_STILL = 0.02
"""Pixels by which the view may move before the maps are moved with it."""


class Composite:
    """
    The maps of the present view of a moving camera.

    ``names`` are those of the maps, as in ``Prediction``; any other name is a value that is
    carried along, such as a weight. They are of ``size`` (H, W), on one device. Pixels come from
    the last ``kept_frames`` frames that were put; what is older is resampled into the newest. A
    pixel and kept frame take 22 bytes for mask, confidence, depth, normals, edges and image.

    Maps given out are never changed afterwards. Values between 0 and 255 are float32 in them.
    """

    def __init__(
        self, size: tuple[int, int], names: tuple[str, ...], device: torch.device | str = 'cpu',
        kept_frames: int = 16,
    ) -> None:
        self._size, self._device, self._count = size, torch.device(device), kept_frames
        self._kinds = {name: kind_of(name) for name in (*names, 'image')}
        self._kept = KeptFrames(size, self._kinds, self._device, kept_frames)
        self.forget()

    def forget(self) -> None:
        """Return to the state in which nothing was seen."""
        self._now, self._newest = 0, -1
        self._camera = _NO_CAMERA
        self._pending = self._turn = RigidMotion.none()
        self._motions = [RigidMotion.none()] * self._count
        self._sources = Sources.here(self._size, self._device, 0, -1)
        self.seen = torch.zeros(self._size, dtype=torch.bool, device=self._device)
        self._values: dict[str, torch.Tensor] | None = {
            name: self._nothing(kind) for name, kind in self._kinds.items()}

    @property
    def nbytes(self) -> int:
        """Bytes that the kept frames take."""
        return self._kept.nbytes

    @property
    def maps(self) -> dict[str, torch.Tensor]:
        """The maps by name, (H, W) or (H, W, C), without the image; read once a frame."""
        return {name: self._public(name) for name in self._kinds if name != 'image'}

    @property
    def image(self) -> torch.Tensor:
        """What the view should look like, (H, W, 3) float32, 0 to 255."""
        return self._public('image')

    @property
    def ages(self) -> torch.Tensor:
        """Frames (H, W) int32 since each pixel was computed."""
        return self._now - self._sources.computed

    @property
    def origin(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Row and column (H, W) float32 of each pixel in its frame."""
        return self._sources.place

    def move(self, motion: RigidMotion, camera: Pinhole) -> None:
        """Go on to the view after a motion; what a camera of other intrinsics saw is forgotten."""
        if self._camera not in (_NO_CAMERA, camera):
            self.forget()
        self._camera, self._now = camera, self._now + 1
        if self._newest < 0:
            return
        self._pending = motion.after(self._pending)
        depth = self._depth()
        if self._shift(depth) < _STILL:
            return
        moved = reproject(depth, camera, self._pending, self.seen)
        self._motions = [self._pending.after(earlier) for earlier in self._motions]
        self._turn = self._pending.after(self._turn)
        self._pending = RigidMotion.none()
        self._sources, self.seen = self._sources.moved(moved), moved.seen
        self._values = None

    def put(self, where: torch.Tensor | None, maps: Maps, image: torch.Tensor) -> None:
        """
        Take new maps and image of the view where (H, W) says so, or all.

        ``maps`` holds every map by name, (H, W) or (H, W, C); ``image`` is (H, W, 3).
        """
        given = {name: _planes(image if name == 'image' else maps[name], kind)
                 for name, kind in self._kinds.items()}
        frame = self._newest = (self._newest + 1) % self._count
        here = Sources.here(self._size, self._device, frame, self._now)
        if where is None:
            self._values, self._sources = given, here
            self.seen = torch.ones_like(self.seen)
        else:
            old = self._current()
            self._values = {name: torch.where(where, given[name], old[name]) for name in given}
            self._sources = self._saved(frame).replaced(where, here)
            self.seen = self.seen | where
        self._motions[frame] = RigidMotion.none()
        self._kept.write(frame, self._values, self._turn.rotation.T)

    def _saved(self, frame: int) -> Sources:
        """Return the sources after the pixels of a kept frame have moved into its next content."""
        sources = self._sources
        stays = sources.frame != frame
        return replace(sources, down=sources.down * stays, right=sources.right * stays)

    def _shift(self, depth: torch.Tensor) -> float:
        """Return by how many pixels at most, about, the view has moved since the maps did."""
        camera, motion = self._camera, self._pending
        turned = 1.5 * max(camera.fx, camera.fy) * motion.angle
        return turned + parallax(motion, camera, float(depth.nan_to_num(1.0).amin()))

    def _depth(self) -> torch.Tensor:
        """Return the depth of the view; without a map of it everything is a metre away."""
        if 'depth' in self._kinds:
            return self._current()['depth']
        return torch.ones(self._size, device=self._device)

    def _current(self) -> dict[str, torch.Tensor]:
        """Return all maps of the view and its image, (H, W) or (C, H, W)."""
        if self._values is None:
            places = self._sources.places
            found = self._kept.read(places, self._turn.rotation)
            for name, kind in self._kinds.items():
                if kind == Kind.DISTANCE:
                    found[name] = self._distance_now(found[name], places)
            self._values = {name: values.view(*values.shape[:-1], *self._size)
                            for name, values in found.items()}
        return self._values

    def _distance_now(self, distance: torch.Tensor, places: Places) -> torch.Tensor:
        """Return the z (n,) in the view of what has a z in its kept frame."""
        rows = [np.append(turn[2], shift[2]) for turn, shift in (
            projection(self._camera, motion) for motion in self._motions)]
        table = torch.from_numpy(np.stack(rows)).to(self._device, torch.float32)
        right, down, constant, shift = (
            weights.contiguous().index_select(0, places.frame) for weights in table.t())
        scale = constant.addcmul_(right, places.column).addcmul_(down, places.row)
        return shift.addcmul_(scale, distance).clamp_(min=NEAREST)

    def _nothing(self, kind: Kind) -> torch.Tensor:
        if kind == Kind.LABELS:
            return torch.full(self._size, UNLABELLED, dtype=torch.uint8, device=self._device)
        shape = self._size if kind.channels == 1 else (kind.channels, *self._size)
        return torch.zeros(shape, device=self._device)

    def _public(self, name: str) -> torch.Tensor:
        values = self._current()[name]
        return values if values.dim() == 2 else values.permute(1, 2, 0)


def _planes(values: torch.Tensor, kind: Kind) -> torch.Tensor:
    """Return a map as it is kept: float32 or labels, (H, W) or (C, H, W)."""
    if kind == Kind.LABELS:
        return values
    values = values.float()
    return values.permute(2, 0, 1).contiguous() if values.dim() == 3 else values
