"""
The newest maps of a moving camera, each pixel from the frame in which it was computed.

However often the camera has moved since, a pixel is resampled only once, from that frame.
"""

from dataclasses import replace

import numpy as np
import torch

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.motion.cloud import Cloud, PixelOrigins
from mtshare_ros.motion.kept_frames import (
    from_planes,
    KeptFrames,
    kinds_of,
    Maps,
    to_planes,
    unknown_map,
    Viewed,
)
from mtshare_ros.motion.points import is_still
from mtshare_ros.motion.rigid import RigidMotion

_NO_CAMERA = Pinhole(1.0, 1.0, 0.0, 0.0)
"""The camera before the first one is known."""


class Composite:
    """
    The maps of the present view of a moving camera.

    ``names`` are those of the maps, as in ``Prediction``; any other name is a value that is
    carried along, such as a weight. All maps are of ``size`` (H, W), on one device. Pixels come
    from the last ``kept_frames`` frames that were put; older ones are resampled into the newest.
    Each pixel takes 22 bytes in each kept frame for mask, confidence, depth, normals, edges and
    image, and each point 32 more.

    Returned maps are never changed afterwards. Values between 0 and 255 are float32 in them.
    Without depth, everything is assumed to be one metre in front of the camera.
    """

    def __init__(
        self, size: tuple[int, int], names: tuple[str, ...], device: torch.device | str = 'cpu',
        kept_frames: int = 16,
    ) -> None:
        self._size, self._device, self._count = size, torch.device(device), kept_frames
        self._kinds = kinds_of(names)
        self._kept = KeptFrames(size, self._kinds, self._device, kept_frames)
        self.forget()

    def forget(self) -> None:
        """Return to the state in which nothing was seen."""
        self._now, self._newest = 0, -1
        self._camera = _NO_CAMERA
        self._cloud: Cloud | None = None
        self._whole = True
        self._turn = self._pending = self._since = RigidMotion.none()
        self._motions = [RigidMotion.none()] * self._count
        self._origins = PixelOrigins.here(self._size, self._device, 0, -1)
        self.seen = torch.zeros(self._size, dtype=torch.bool, device=self._device)
        self._values: dict[str, torch.Tensor] | None = {
            name: unknown_map(
                self._size if kind.channels == 1 else (kind.channels, *self._size), kind,
                self._device)
            for name, kind in self._kinds.items()}

    @property
    def nbytes(self) -> int:
        """Bytes of the kept frames, and of the points that their pixels showed."""
        return self._kept.nbytes + (0 if self._cloud is None else self._cloud.nbytes)

    @property
    def maps(self) -> dict[str, torch.Tensor]:
        """The maps by name, (H, W) or (H, W, C), without the image."""
        return {name: from_planes(values) for name, values in self._current().items()
                if name != 'image'}

    @property
    def image(self) -> torch.Tensor:
        """The image (H, W, 3) that is expected of the view, float32, 0 to 255."""
        return from_planes(self._current()['image'])

    @property
    def ages(self) -> torch.Tensor:
        """Frames (H, W) int32 since each pixel was computed."""
        return self._now - self._origins.computations

    @property
    def origin(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Row and column (H, W) float32 of each pixel in its frame."""
        return self._origins.row, self._origins.column

    def move(self, motion: RigidMotion, camera: Pinhole, *, scaled: bool = True) -> None:
        """
        Move on to the view after a motion; a camera of other intrinsics starts anew.

        A motion that is not ``scaled`` in metres is that of a plane one metre away, whatever the
        depth.
        """
        if self._camera not in (_NO_CAMERA, camera):
            self.forget()
        self._camera, self._now = camera, self._now + 1
        if self._newest < 0:
            return
        self._turn = RigidMotion(motion.rotation @ self._turn.rotation, np.zeros(3))
        step = motion
        if not scaled:
            # seen on a plane one metre away, the translation becomes part of the matrix
            slant = np.outer(motion.translation, (0.0, 0.0, 1.0))
            step = RigidMotion(motion.rotation + slant, np.zeros(3))
        # since pixels were last looked for, since new ones were put, and since each kept frame: a
        # motion too small to look again adds up
        self._pending, self._since = step.after(self._pending), step.after(self._since)
        self._motions = [step.after(earlier) for earlier in self._motions]
        if not is_still(self._pending, camera, self._depth()):
            self._look(camera)

    def put(self, where: torch.Tensor | None, maps: Maps, image: torch.Tensor) -> None:
        """
        Take the new maps and image of the view ``where`` (H, W) is true; None: everywhere.

        ``maps`` holds every map by name, (H, W) or (H, W, C); ``image`` is (H, W, 3).
        """
        given = {name: to_planes(image if name == 'image' else maps[name], kind)
                 for name, kind in self._kinds.items()}
        frame = self._newest = (self._newest + 1) % self._count
        here = PixelOrigins.here(self._size, self._device, frame, self._now)
        if where is None:
            self._values, self._origins, self._cloud = given, here, None
            self.seen = torch.ones_like(self.seen)
        else:
            self._merge(where, given, here)
        self._whole = where is None
        self._motions[frame] = self._since = self._pending = RigidMotion.none()
        self._kept.write(frame, self._current(), self._turn.rotation.T)

    def _merge(self, where: torch.Tensor, given: Maps, here: PixelOrigins) -> None:
        """Take new values, and move what is still in the kept frame that they overwrite."""
        old = self._current()
        self._values = {name: torch.where(where, given[name], old[name]) for name in given}
        new = where | (self.seen & (self._origins.frames == self._newest))
        computed = torch.where(where, here.computations, self._origins.computations)
        self._origins = self._origins.replaced(new, replace(here, computed=computed))
        self.seen = self.seen | where
        if self._cloud is not None:
            self._cloud.add(new, self._depth(), self._origins, self._since, self._newest)

    def _look(self, camera: Pinhole) -> None:
        """Find the pixels of the present view."""
        if self._cloud is None:
            seen = None if self._whole else self.seen
            self._cloud = Cloud(self._depth(), self._origins, camera, seen)
        look = self._cloud.look(self._since)
        self._origins, self.seen = look.origins, look.seen
        self._pending, self._values = RigidMotion.none(), None

    def _depth(self) -> torch.Tensor:
        """Return the depth of the view, one metre everywhere where there is no map of it."""
        if 'depth' in self._kinds:
            return self._current()['depth']
        return torch.ones(self._size, device=self._device)

    def _current(self) -> dict[str, torch.Tensor]:
        """Return all maps of the view and its image, (H, W) or (C, H, W)."""
        if self._values is None:
            viewed = Viewed(self._camera, self._motions, self._turn.rotation)
            found = self._kept.read(self._origins.places, viewed)
            self._values = {name: values.view(*values.shape[:-1], *self._size)
                            for name, values in found.items()}
        return self._values
