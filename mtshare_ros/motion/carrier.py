"""The maps of a network's frame as a later view of the camera sees them."""

from dataclasses import dataclass

import torch

from mtshare_ros.motion.cloud import Cloud, Look
from mtshare_ros.motion.kept_frames import KeptFrames, Maps, Viewed
from mtshare_ros.motion.kinds import from_planes, kinds_of, to_planes
from mtshare_ros.motion.movers import find_shifts, Shifts
from mtshare_ros.motion.reprojection import is_still
from mtshare_ros.motion.resampling import Places
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.sources import Sources
from mtshare_ros.pinhole import Pinhole


@dataclass(frozen=True)
class Carried:
    """
    Maps by name, (H, W) or (H, W, C), and the image (H, W, 3) that they expect.

    Where ``seen`` (H, W) is False the frame did not show what the view does: there stands what the
    farther neighbour shows.
    """

    maps: dict[str, torch.Tensor]
    image: torch.Tensor
    seen: torch.Tensor


class MapCarrier:
    """
    Moves the maps of one frame to the views after it, each time from that frame itself.

    ``names`` are those of the maps, as in ``Prediction``, all of ``size`` (H, W) on one device.
    Without depth all is taken to be a metre before the camera.
    """

    def __init__(
        self, size: tuple[int, int], names: tuple[str, ...], device: torch.device | str = 'cpu'
    ) -> None:
        self._size, self._device = size, torch.device(device)
        self._kinds = kinds_of(names)
        self._kept = KeptFrames(size, self._kinds, self._device, count=1)
        self._cloud: Cloud | None = None

    def keep(self, maps: Maps, image: torch.Tensor, camera: Pinhole) -> None:
        """Take the maps of a frame, (H, W) or (H, W, C), in place of those before."""
        given = {name: to_planes(image if name == 'image' else maps[name], kind)
                 for name, kind in self._kinds.items()}
        self._kept.write(0, given, RigidMotion.none().rotation)
        self._given = given
        self._here = Sources.here(self._size, self._device, 0, 0)
        self._depth = given.get('depth', torch.ones(self._size, device=self._device))
        self._camera, self._cloud = camera, Cloud(self._depth, self._here, camera, None)

    def carry(self, motion: RigidMotion, image: torch.Tensor | None = None) -> Carried | None:
        """
        Return what the view shows to which a motion leads from the frame; None without one.

        With the ``image`` (H, W, 3) of the view things that move by themselves are carried to
        where it shows them.
        """
        if self._cloud is None:
            return None
        viewed = Viewed(self._camera, (motion,), motion.rotation)
        if is_still(motion, self._camera, self._depth):
            look = Look(self._here, torch.ones_like(self._depth, dtype=torch.bool))
            planes: Maps = self._given
        else:
            look = self._cloud.look(motion)
            planes = self._read(look.sources.places, viewed, self._size)
        shifts = None if image is None else find_shifts(from_planes(planes['image']), image)
        if shifts is not None:
            planes, look = self._shifted(planes, look, shifts, viewed)
        maps = {name: from_planes(values) for name, values in planes.items()}
        return Carried(maps, maps.pop('image'), look.seen)

    def _shifted(
        self, planes: Maps, look: Look, shifts: Shifts, viewed: Viewed
    ) -> tuple[Maps, Look]:
        """Return planes and look with pixels that show what lay elsewhere."""
        places = look.sources.places.select(shifts.source)
        found = self._read(places, viewed, shifts.source.shape)
        flat = shifts.pixels
        moved = {name: values.flatten(-2).index_copy(-1, flat, found[name]).view_as(values)
                 for name, values in planes.items()}
        seen = look.seen.view(-1).index_fill(0, flat, True).view_as(look.seen)
        return moved, Look(look.sources, seen)

    def _read(
        self, places: Places, viewed: Viewed, shape: tuple[int, ...]
    ) -> dict[str, torch.Tensor]:
        return {name: values.view(*values.shape[:-1], *shape)
                for name, values in self._kept.read(places, viewed).items()}
