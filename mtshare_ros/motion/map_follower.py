"""The newest maps of a network, as each later image of the camera sees them."""

from dataclasses import dataclass, replace
from typing import Mapping

import numpy as np
import torch

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.motion.alignment import (
    Aligner,
    assumed_camera,
    MotionEstimate,
    TRUSTED_CONFIDENCE,
)
from mtshare_ros.motion.cloud import Cloud, CloudView, PixelOrigins
from mtshare_ros.motion.kept_frames import (
    as_array,
    carried_name,
    from_planes,
    KeptFrames,
    kinds_of,
    Maps,
    Places,
    to_planes,
    Viewed,
)
from mtshare_ros.motion.moving_objects import find_shifts, Shifts
from mtshare_ros.motion.points import is_still
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.sensor_motion import NANOSECONDS, PoseBuffer, seconds

OLDEST_S = 2.0
"""Seconds; older maps are carried to no image, because things that move have long moved on."""

_GAP_S, _BEYOND_S = 1.0, 0.5
"""Seconds between and after images within which the motion is interpolated and extrapolated."""


@dataclass(frozen=True)
class CarriedMaps:
    """
    Maps by name, (H, W) or (H, W, C), and the image (H, W, 3) that is expected of the view.

    Where ``seen`` (H, W) is False, the frame did not show what the view shows; the values there
    are those of the farther neighbour.
    """

    maps: dict[str, torch.Tensor]
    image: torch.Tensor
    seen: torch.Tensor


class MapCarrier:
    """
    Moves the maps of one frame to the views after it, each time from that frame itself.

    ``names`` are those of the maps, as in ``Prediction``, all of ``size`` (H, W) on one device.
    Without depth, everything is assumed to be one metre in front of the camera.
    """

    def __init__(
        self, size: tuple[int, int], names: tuple[str, ...], device: torch.device | str = 'cpu'
    ) -> None:
        self._size, self._device = size, torch.device(device)
        self._kinds = kinds_of(names)
        self._kept = KeptFrames(size, self._kinds, self._device, count=1)
        self._cloud: Cloud | None = None

    def keep(self, maps: Maps, image: torch.Tensor, camera: Pinhole) -> None:
        """Replace the kept maps by those of another frame, (H, W) or (H, W, C)."""
        given = {name: to_planes(image if name == 'image' else maps[name], kind)
                 for name, kind in self._kinds.items()}
        self._kept.write(0, given, RigidMotion.none().rotation)
        self._given = given
        self._here = PixelOrigins.here(self._size, self._device, 0, 0)
        self._depth = given.get('depth', torch.ones(self._size, device=self._device))
        self._camera, self._cloud = camera, Cloud(self._depth, self._here, camera, None)

    def carry(self, motion: RigidMotion, image: torch.Tensor | None = None) -> CarriedMaps | None:
        """
        Return the maps of the view after a motion from the frame; None if no frame is kept.

        With the ``image`` (H, W, 3) of the view, things that move by themselves are carried to
        where the image shows them.
        """
        if self._cloud is None:
            return None
        viewed = Viewed(self._camera, (motion,), motion.rotation)
        if is_still(motion, self._camera, self._depth):
            look = CloudView(self._here, torch.ones_like(self._depth, dtype=torch.bool))
            planes: Maps = self._given
        else:
            look = self._cloud.look(motion)
            planes = self._read(look.origins.places, viewed, self._size)
        shifts = None if image is None else find_shifts(from_planes(planes['image']), image)
        if shifts is not None:
            planes, look = self._shifted(planes, look, shifts, viewed)
        maps = {name: from_planes(values) for name, values in planes.items()}
        return CarriedMaps(maps, maps.pop('image'), look.seen)

    def _shifted(
        self, planes: Maps, look: CloudView, shifts: Shifts, viewed: Viewed
    ) -> tuple[Maps, CloudView]:
        """Return planes and view with the pixels that show things which moved by themselves."""
        places = look.origins.places.select(shifts.source)
        found = self._read(places, viewed, shifts.source.shape)
        flat = shifts.pixels
        moved = {name: values.flatten(-2).index_copy(-1, flat, found[name]).view_as(values)
                 for name, values in planes.items()}
        seen = look.seen.view(-1).index_fill(0, flat, True).view_as(look.seen)
        return moved, CloudView(look.origins, seen)

    def _read(
        self, places: Places, viewed: Viewed, shape: tuple[int, ...]
    ) -> dict[str, torch.Tensor]:
        return {name: values.view(*values.shape[:-1], *shape)
                for name, values in self._kept.read(places, viewed).items()}


@dataclass(frozen=True, eq=False)
class NetworkFrame:
    """
    What a network computed from one image: maps by name in ``Prediction``, (H, W) or (H, W, C).

    ``image`` is (H, W, 3) uint8 of the same size, ``time_ns`` the time it was taken. Without a
    ``camera``, the motion after it is not in metres.
    """

    maps: Mapping[str, np.ndarray]
    image: np.ndarray
    time_ns: int
    camera: Pinhole | None


@dataclass(frozen=True)
class FollowedView:
    """
    The maps of a later view, or None and the ``reason`` why they could not be carried there.

    ``frame`` is the one they were carried from, ``estimate`` the motion since; both are None where
    no motion was estimated.
    """

    maps: dict[str, np.ndarray] | None
    reason: str = ''
    frame: NetworkFrame | None = None
    estimate: MotionEstimate | None = None


@dataclass(frozen=True, eq=False)
class _ViewBefore:
    """The last image that maps were carried to, its depth (H, W), and its pose."""

    image: torch.Tensor
    depth: torch.Tensor | None
    pose: RigidMotion


class MapFollower:
    """
    Aligns each image with the newest frame of a network, and carries the maps of that frame to it.

    The motion is estimated from the frame itself, so that errors do not add up. Where the camera
    has moved too far for that, it is estimated from the last image instead.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        """Prepare for views of a size (height, width)."""
        self._size = size
        # each remembers its own last motion: since the frame, and since the last image
        self._aligner, self._step_aligner = Aligner(size), Aligner(size)
        self._before: _ViewBefore | None = None
        self._newest: NetworkFrame | None = None
        self._held: NetworkFrame | None = None
        self._carrier: MapCarrier | None = None
        self._poses = PoseBuffer(gap_s=_GAP_S, beyond_s=_BEYOND_S)
        self._given: tuple[RigidMotion, RigidMotion] | None = None

    def keep(self, frame: NetworkFrame) -> None:
        """Carry the maps of this frame, starting with the next image."""
        self._newest = frame

    def forget(self) -> None:
        """Start anew, because later images do not continue earlier ones."""
        self._newest = self._held = self._carrier = None
        self._aligner.reset()
        self._step_aligner.reset()
        self._poses.clear()
        self._given = self._before = None

    def follow(
        self, image: np.ndarray, time_ns: int, pose: RigidMotion | None = None
    ) -> FollowedView:
        """
        Return the maps of the view of an image (H, W, 3) uint8.

        ``time_ns`` is when it was taken. ``pose`` brings points of its optical frame to the world,
        where another sensor gives it; the search for the motion then starts there.
        """
        frame = self._newest
        if frame is None:
            return FollowedView(None, 'no maps have been computed yet')
        if time_ns - frame.time_ns > OLDEST_S * NANOSECONDS:
            age = seconds(time_ns - frame.time_ns)
            return FollowedView(None, f'the newest maps are {age} older than the image')
        view = torch.from_numpy(np.ascontiguousarray(image))
        with torch.inference_mode():
            return self._follow(frame, view, time_ns, pose)

    def _follow(
        self, frame: NetworkFrame, image: torch.Tensor, time_ns: int, pose: RigidMotion | None
    ) -> FollowedView:
        carrier = self._carrier_of(frame)
        estimate = self._estimate(frame, image, time_ns, pose)
        if estimate.confidence < TRUSTED_CONFIDENCE:
            reason = f'the motion of the camera is not sure (confidence {estimate.confidence:.2f})'
            return FollowedView(None, reason, frame, estimate)
        here = self._remember(frame, time_ns, pose, estimate.motion)
        carried = carrier.carry(estimate.motion, image)
        if carried is None:
            raise RuntimeError('the carrier holds no frame')
        self._before = _ViewBefore(image, carried.maps.get('depth'), here)
        maps = {name: as_array(carried.maps[self._names[name]], values.dtype)
                for name, values in frame.maps.items()}
        return FollowedView(maps, '', frame, estimate)

    def _estimate(
        self, frame: NetworkFrame, image: torch.Tensor, time_ns: int, pose: RigidMotion | None
    ) -> MotionEstimate:
        """Return the motion from a frame to an image."""
        direct = self._aligner.estimate(
            self._image, self._depth, image, frame.camera,
            start=self._expected(frame, time_ns, pose))
        there, before = self._poses.at(frame.time_ns).motion, self._before
        if direct.confidence >= TRUSTED_CONFIDENCE or there is None or before is None:
            return direct
        step = self._step_aligner.estimate(before.image, before.depth, image, frame.camera)
        motion = step.motion.after(RigidMotion.between(there, before.pose))
        return replace(step, motion=motion) if step.confidence > direct.confidence else direct

    def _carrier_of(self, frame: NetworkFrame) -> MapCarrier:
        """Return the carrier that holds the maps of a frame."""
        if self._carrier is not None and frame is self._held:
            return self._carrier
        scaled = frame.camera is not None
        self._names = {name: carried_name(name, scaled=scaled) for name in frame.maps}
        maps = {self._names[name]: torch.from_numpy(np.ascontiguousarray(values))
                for name, values in frame.maps.items()}
        self._image = torch.from_numpy(np.ascontiguousarray(frame.image))
        self._depth = maps.get('depth')
        self._carrier, self._held = MapCarrier(self._size, tuple(maps)), frame
        self._carrier.keep(maps, self._image, frame.camera or assumed_camera(*self._size))
        return self._carrier

    def _expected(
        self, frame: NetworkFrame, time_ns: int, pose: RigidMotion | None
    ) -> RigidMotion | None:
        """Return the motion from a frame to an image that poses, or earlier images, let expect."""
        there, here = self._poses.at(frame.time_ns).motion, self._poses.at(time_ns).motion
        if pose is not None and self._given is not None:
            # the two worlds differ, so only the motion since the last image is taken from poses
            tracked, given = self._given
            here = tracked.after(RigidMotion.between(given, pose).inverse())
        return None if there is None or here is None else RigidMotion.between(there, here)

    def _remember(
        self, frame: NetworkFrame, time_ns: int, pose: RigidMotion | None, motion: RigidMotion
    ) -> RigidMotion:
        """Return the pose of an image after its motion from a frame, and remember it."""
        there = self._poses.at(frame.time_ns).motion
        if there is None:
            # the world only relates poses to each other, so it may begin at any frame
            there = RigidMotion.none()
            self._poses.clear()
            self._poses.add(frame.time_ns, there)
        here = there.after(motion.inverse())
        self._poses.add(time_ns, here)
        self._given = None if pose is None else (here, pose)
        return here
