"""The maps of a network's frame as a later view of the camera sees them."""

from dataclasses import dataclass

import torch

from mtshare_ros.motion.cloud import Cloud
from mtshare_ros.motion.kept_frames import KeptFrames, Maps, Viewed
from mtshare_ros.motion.kinds import from_planes, kinds_of, to_planes
from mtshare_ros.motion.reprojection import is_still
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
        sources = Sources.here(self._size, self._device, 0, 0)
        self._depth = given.get('depth', torch.ones(self._size, device=self._device))
        self._camera, self._cloud = camera, Cloud(self._depth, sources, camera, None)

    def carry(self, motion: RigidMotion) -> Carried | None:
        """Return what the view shows to which a motion leads from the frame; None without one."""
        if self._cloud is None:
            return None
        if is_still(motion, self._camera, self._depth):
            return _carried(self._given, torch.ones_like(self._depth, dtype=torch.bool))
        look = self._cloud.look(motion)
        viewed = Viewed(self._camera, (motion,), motion.rotation)
        found = {name: values.view(*values.shape[:-1], *self._size)
                 for name, values in self._kept.read(look.sources.places, viewed).items()}
        return _carried(found, look.seen)


def _carried(planes: Maps, seen: torch.Tensor) -> Carried:
    maps = {name: from_planes(values) for name, values in planes.items()}
    image = maps.pop('image')
    return Carried(maps, image, seen)
