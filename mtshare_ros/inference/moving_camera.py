"""What is remembered of a camera whose motion is followed."""

from dataclasses import dataclass
from typing import Mapping

import numpy as np
import torch

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.frame_path import Following, FrameRequest
from mtshare_ros.motion.alignment import Aligner, MotionEstimate, TRUSTED_CONFIDENCE
from mtshare_ros.motion.composite import Composite
from mtshare_ros.motion.fusion import begin, border_share, fuse, join, planes_for, still_alike
from mtshare_ros.motion.image_motion import image_flow, ImageFlow, places_before, RestDetector
from mtshare_ros.motion.kept_frames import as_array, carried_name
from mtshare_ros.motion.patch_choice import (
    moved_inwards,
    patch_means,
    PatchChoice,
    PatchChooser,
    PatchEvidence,
)
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.sharing.moving.moving_network import MovingState
from mtshare_ros.sharing.residual import ResidualDetector, Residuals

_LEARNABLE = 0.5
"""Share of the pixels that must be seen for the noise to be learned from their residuals."""

_BORDER = 64.0
"""Pixels from the border of an image; further inside, enough context is in view."""

_PARALLAX = 2.5
"""Pixels by which movements in a view must differ for tokens to be moved one by one."""


@dataclass(frozen=True)
class CarriedView:
    """
    What earlier frames let expect of a view.

    ``seen`` (H, W) bool are the pixels that earlier frames saw, ``residuals`` the differences of
    the image from what is expected.
    """

    seen: torch.Tensor
    residuals: Residuals


@dataclass(frozen=True)
class View:
    """
    A frame of a camera that may have moved, before anything of it is computed.

    ``image`` (H, W, 3) uint8 is what ``camera`` sees. ``estimate`` is the motion of the camera
    since the frame before, ``flow`` that of the image, ``still`` whether the camera stands still.
    ``carried`` is None where the maps of the frame before are valid for this one too. ``grid`` is
    the number of rows and columns of patches.
    """

    image: torch.Tensor
    camera: Pinhole
    estimate: MotionEstimate
    flow: ImageFlow
    still: bool
    carried: CarriedView | None
    grid: tuple[int, int]

    @property
    def trusted(self) -> bool:
        """Whether the motion is known well enough to use the carried maps."""
        return self.estimate.confidence >= TRUSTED_CONFIDENCE


class MovingCamera:
    """
    The carried maps of a camera, and how it moves.

    ``maps`` are those of its first frame, by name in ``Prediction``. ``state`` is the network's
    cache that moves with the view, None while the cache stays in place.
    """

    def __init__(
        self, request: FrameRequest, following: Following, maps: Mapping[str, np.ndarray],
        patch_size: int, device: torch.device,
    ) -> None:
        self._serves, self._device = _key(request, following), device
        self._pose = following.pose
        self._names = {
            name: carried_name(name, scaled=following.calibrated) for name in maps}
        self._types = {name: values.dtype for name, values in maps.items()}
        self._size, self._patch_size = request.image.shape[:2], patch_size
        self._grid = self._size[0] // patch_size, self._size[1] // patch_size
        self.state: MovingState | None = None
        self._rest, self._chooser = RestDetector(), PatchChooser()
        self._aligner = Aligner(self._size)
        self._residual = ResidualDetector(self._grid, patch_size, device)
        carried = tuple(self._names.values())
        self._fusing = following.settings.fusion
        planes = planes_for(carried) if self._fusing else ()
        self.composite = Composite(self._size, (*carried, *planes), device)
        self._at_rest: _Latest | None = _Latest(
            self._carried(maps), self._tensor(request.image))

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        followed = 0 if self.state is None else self.state.nbytes
        return self.composite.nbytes + self._residual.nbytes + followed

    def serves(self, request: FrameRequest, following: Following) -> bool:
        """Tell whether the carried maps are those that a frame asks for."""
        return self._serves == _key(request, following)

    def see(self, request: FrameRequest, following: Following) -> View:
        """Estimate how the camera moved since the frame before, and carry the maps along."""
        image = self._tensor(request.image)
        # at rest the newest maps are not in the composite
        before = self._at_rest or _Latest(self.composite.maps, self.composite.image)
        depth = before.maps.get('depth')
        estimate = self._estimate(request, following, image, before)
        flow = image_flow(depth, self._size, request.camera, estimate.motion)
        still = self._rest.observe(flow.length)
        carried = None
        if self._fusing or not still:
            carried = self._carry(estimate.motion, request.camera, image)
        return View(image, request.camera, estimate, flow, still, carried, self._grid)

    def choose(
        self, carried: CarriedView, view: View, state: MovingState, budget: int | None
    ) -> PatchChoice:
        """Move the network's cache with the view; return the patches to compute."""
        if view.flow.spread > _PARALLAX:
            state.follow(self._places_before(view))
        else:
            down, right = view.flow.median
            state.ring = state.ring.moved(down / self._patch_size, right / self._patch_size)
        return self._chooser.choose(PatchEvidence(
            carried.residuals.scores.view(self._grid),
            patch_means(~carried.seen, self._patch_size),
            patch_means(self.composite.ages, self._patch_size),
            patch_means(moved_inwards(*self.composite.origin, _BORDER), self._patch_size),
            state.ring.new.view(self._grid)), budget)

    def _places_before(self, view: View) -> torch.Tensor:
        """Return where (N, 2), in patches, the middles of the patches were in the view before."""
        side, middle = self._patch_size, self._patch_size // 2
        middles = np.mgrid[middle:self._size[0]:side, middle:self._size[1]:side]
        before = places_before(self.composite.maps.get('depth'), (middles[0], middles[1]),
                               view.camera, view.estimate.motion)
        places = (np.stack(before, axis=-1).reshape(-1, 2) - middle) / side
        return torch.from_numpy(places).to(self._device, torch.float32)

    def put(
        self, maps: Mapping[str, np.ndarray], view: View, where: torch.Tensor | None
    ) -> None:
        """Use new maps of the view ``where`` (H, W) bool is true, None for everywhere."""
        new, carried = self._carried(maps), view.carried
        if carried is None:
            self._at_rest = _Latest(new, view.image)
        elif view.trusted:
            self.composite.put(where, self._joined(new, carried, where), view.image)
        else:
            self._start_composite(where, new, view.image)

    def _joined(
        self, new: Mapping[str, torch.Tensor], carried: CarriedView, where: torch.Tensor | None
    ) -> Mapping[str, torch.Tensor]:
        """Return new maps blended with carried ones, without steps round computed patches."""
        border = None if where is None or self.state is None else border_share(where)
        if border is None and not self._fusing:
            return new
        old, alike = self.composite.maps, still_alike(carried.residuals.areas, carried.seen)
        if self._fusing:
            return fuse(old, new, alike, border=border)
        return join(old, new, alike, border)

    def maps(self) -> dict[str, np.ndarray]:
        """Return copies of the maps of the view, by name in ``Prediction``."""
        carried = self.composite.maps
        return {name: as_array(carried[known], self._types[name])
                for name, known in self._names.items()}

    def _carry(self, motion: RigidMotion, camera: Pinhole, image: torch.Tensor) -> CarriedView:
        """Carry the maps along with a motion, and compare what they let expect with an image."""
        if self._at_rest is not None:
            self.composite.forget()
            # sets the camera of the composite, so that the next motion does not start it anew
            self.composite.move(RigidMotion.none(), camera)
            self._start_composite(None, self._at_rest.maps, self._at_rest.image)
            self._at_rest = None
        self.composite.move(motion, camera)
        seen = self.composite.seen
        learn = float(seen.float().mean()) > _LEARNABLE
        return CarriedView(seen, self._residual.compare(self.composite.image, image, learn=learn))

    def _start_composite(
        self, where: torch.Tensor | None, maps: Mapping[str, torch.Tensor], image: torch.Tensor
    ) -> None:
        self.composite.put(where, begin(maps) if self._fusing else maps, image)

    def _carried(self, maps: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
        """Return maps on the device, by the names under which they are carried."""
        return {known: self._tensor(maps[name]) for name, known in self._names.items()}

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        """Return a copy on the device, because the caller may change its own array."""
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device, copy=True)

    def _estimate(
        self, request: FrameRequest, following: Following, image: torch.Tensor, before: '_Latest',
    ) -> MotionEstimate:
        given = self._given(following)
        if given is not None and following.settings.source == 'pose':
            return MotionEstimate(given, 1.0, 'pose')
        # where nothing was seen, the expected image is made up
        trusted = self.composite.seen if self._at_rest is None else None
        found = self._aligner.estimate(before.image, before.maps.get('depth'), image,
                                       request.camera, start=given, trusted=trusted)
        if given is None or found.confidence >= TRUSTED_CONFIDENCE:
            return found
        # in front of a blank wall poses are better; residuals show where they are wrong
        return MotionEstimate(given, TRUSTED_CONFIDENCE, 'pose')

    def _given(self, following: Following) -> RigidMotion | None:
        """Return the motion between poses, in the unit of the maps' depth; None without poses."""
        earlier, self._pose = self._pose, following.pose
        if earlier is None or following.pose is None:
            return None
        motion = RigidMotion.between(earlier, following.pose)
        return RigidMotion(motion.rotation, motion.translation / following.depth_scale)


@dataclass(frozen=True)
class _Latest:
    """The maps of a view, by the names under which they are carried, and its image."""

    maps: Mapping[str, torch.Tensor]
    image: torch.Tensor


def _key(request: FrameRequest, following: Following) -> tuple[object, ...]:
    """Return what the carried maps depend on."""
    return request.asked, request.image.shape, following.calibrated, following.settings.fusion
