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
"""Share of the pixels that must be known for the noise to be learnt from what is left of them."""

_BORDER = 64.0
"""Pixels from the border of an image beyond which all that a network reads is in view."""

_PARALLAX = 2.5
"""Pixels by which a view must be torn apart in a frame for rows to be followed one by one."""


@dataclass(frozen=True)
class Carried:
    """
    What earlier frames tell of a view.

    ``seen`` (H, W) bool are the pixels of which they tell anything, ``residuals`` how the image
    differs from that.
    """

    seen: torch.Tensor
    residuals: Residuals


@dataclass(frozen=True)
class View:
    """
    A frame of a camera that may have moved, before anything of it is computed.

    ``image`` (H, W, 3) uint8 is what ``camera`` sees. ``estimate`` says how that moved since the
    frame before, ``flow`` how the image did, ``still`` whether the camera stands. ``carried`` is
    None where nobody needs it: then the maps of the frame before are those of this one. ``grid``
    are the rows and columns of cells.
    """

    image: torch.Tensor
    camera: Pinhole
    estimate: MotionEstimate
    flow: ImageFlow
    still: bool
    carried: Carried | None
    grid: tuple[int, int]

    @property
    def trusted(self) -> bool:
        """Whether the motion is known well enough to build on what is carried along."""
        return self.estimate.confidence >= TRUSTED_CONFIDENCE


class MovingCamera:
    """
    The maps of a camera as its present view shows them, and how it moves.

    ``maps`` are those of its first frame by name in ``Prediction``. ``state`` is what the network
    remembers of it in the order of the world, None while it does so in that of the view.
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
        """Tell whether the maps that are carried along are those that a frame asks for."""
        return self._serves == _key(request, following)

    def see(self, request: FrameRequest, following: Following) -> View:
        """Find how the camera moved since the frame before, and carry the maps along."""
        image, before = self._tensor(request.image), self._latest()
        depth = before.maps.get('depth')
        estimate = self._estimate(request, following, image, before)
        flow = image_flow(depth, self._size, request.camera, estimate.motion)
        still = self._rest.observe(flow.length)
        carried = None
        if self._fusing or not still:
            carried = self._carry(estimate.motion, request.camera, image)
        return View(image, request.camera, estimate, flow, still, carried, self._grid)

    def choose(
        self, carried: Carried, view: View, state: MovingState, budget: int | None
    ) -> PatchChoice:
        """Let what the network remembers follow the view; return the cells to compute."""
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
        """Return where, in cells, the view before showed the middles of this one's (N, 2)."""
        side, middle = self._patch_size, self._patch_size // 2
        middles = np.mgrid[middle:self._size[0]:side, middle:self._size[1]:side]
        before = places_before(self.composite.maps.get('depth'), (middles[0], middles[1]),
                               view.camera, view.estimate.motion)
        places = (np.stack(before, axis=-1).reshape(-1, 2) - middle) / side
        return torch.from_numpy(places).to(self._device, torch.float32)

    def take(
        self, maps: Mapping[str, np.ndarray], view: View, where: torch.Tensor | None
    ) -> None:
        """Take new maps of the view where (H, W) bool says so, None for all."""
        new, carried = self._carried(maps), view.carried
        if carried is None:
            self._at_rest = _Latest(new, view.image)
        elif view.trusted:
            self.composite.put(where, self._joined(new, carried, where), view.image)
        else:
            self._put(where, new, view.image)

    def _joined(
        self, new: Mapping[str, torch.Tensor], carried: Carried, where: torch.Tensor | None
    ) -> Mapping[str, torch.Tensor]:
        """Return new maps with what carried ones say; no steps show round computed cells."""
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

    def _latest(self) -> '_Latest':
        """Return the maps and the image of the last view."""
        return self._at_rest or _Latest(self.composite.maps, self.composite.image)

    def _carry(self, motion: RigidMotion, camera: Pinhole, image: torch.Tensor) -> Carried:
        """Carry the maps along with a motion; return what they tell of an image."""
        if self._at_rest is not None:
            self.composite.forget()
            # a motion makes the composite know the camera, which would otherwise be another one
            self.composite.move(RigidMotion.none(), camera)
            self._put(None, self._at_rest.maps, self._at_rest.image)
            self._at_rest = None
        self.composite.move(motion, camera)
        seen = self.composite.seen
        learn = float(seen.float().mean()) > _LEARNABLE
        return Carried(seen, self._residual.compare(self.composite.image, image, learn=learn))

    def _put(
        self, where: torch.Tensor | None, maps: Mapping[str, torch.Tensor], image: torch.Tensor
    ) -> None:
        self.composite.put(where, begin(maps) if self._fusing else maps, image)

    def _carried(self, maps: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
        """Return maps on the device, by the names that they are carried along under."""
        return {known: self._tensor(maps[name]) for name, known in self._names.items()}

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        """Return a copy on the device: the caller may change what it is given."""
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device, copy=True)

    def _estimate(
        self, request: FrameRequest, following: Following, image: torch.Tensor, before: '_Latest',
    ) -> MotionEstimate:
        given = self._given(following)
        if given is not None and following.settings.source == 'pose':
            return MotionEstimate(given, 1.0, 'pose')
        trusted = self.composite.seen if self._at_rest is None else None
        found = self._aligner.estimate(before.image, before.maps.get('depth'), image,
                                       request.camera, start=given, trusted=trusted)
        if given is None or found.confidence >= TRUSTED_CONFIDENCE:
            return found
        # before a blank wall poses know more; what they get wrong, the residuals show
        return MotionEstimate(given, TRUSTED_CONFIDENCE, 'pose')

    def _given(self, following: Following) -> RigidMotion | None:
        """Return the motion that poses tell, in the unit of the maps' depth; None without them."""
        earlier, self._pose = self._pose, following.pose
        if earlier is None or following.pose is None:
            return None
        motion = RigidMotion.between(earlier, following.pose)
        return RigidMotion(motion.rotation, motion.translation / following.depth_scale)


@dataclass(frozen=True)
class _Latest:
    """The maps of a view, by the names that they are carried along under, and its image."""

    maps: Mapping[str, torch.Tensor]
    image: torch.Tensor


def _key(request: FrameRequest, following: Following) -> tuple[object, ...]:
    """Return what maps that are carried along depend on."""
    return request.asked, request.image.shape, following.calibrated, following.settings.fusion
