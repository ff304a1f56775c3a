"""Frames of a camera whose motion is followed: its maps are carried along with the view."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch

from mtshare_ros.inference.frame_path import (
    Following,
    FrameOutcome,
    FramePath,
    FrameRequest,
    StageClock,
)
from mtshare_ros.inference.moving_camera import CarriedView, MovingCamera, View
from mtshare_ros.inference.prediction import MotionStats
from mtshare_ros.inference.session import Session
from mtshare_ros.inference.task_decoders import find_non_finite, FrameDecoder
from mtshare_ros.model.backbone import to_tensor
from mtshare_ros.motion.patch_choice import PatchChoice
from mtshare_ros.sharing.frame_work import FrameWork
from mtshare_ros.sharing.moving.moving_network import KIND, MovingNetwork, MovingState
from mtshare_ros.sharing.sharing_network import SharingNetwork

REST, MOVING, WHOLE = 'rest', 'moving', 'whole'
"""The modes in which a frame is computed, see MotionStats."""

UNSURE = 'the motion of the camera is not known'
STOPPED = 'the camera stands still again'
NOTHING_CARRIED = 'no maps to carry along'
NOT_ON_THIS_DEVICE = 'sharing under motion runs on lists of tokens, which a GPU does not'


class PatchPath:
    """Computes chosen patches of a view that moves; see ``MovingNetwork``."""

    def __init__(self, network: SharingNetwork, decoder: FrameDecoder) -> None:
        self._sharing, self._decoder = network, decoder

    def refusal(self, request: FrameRequest) -> str:
        """Return why the frames of a request cannot be computed like this, or an empty text."""
        if request.sharing.block != KIND:
            return f'blocks of the kind {request.sharing.block!r} cannot follow a camera'
        derived = [task for task in request.asked if task not in request.needed]
        if derived:
            return f'{", ".join(derived)} cannot be computed from depth for a part of a view'
        return ''

    def start(self, memory: Session) -> MovingState:
        """Return the state that continues a frame which was computed whole or at rest."""
        return self._network.take(memory.cache)

    def run(
        self, memory: Session, state: MovingState, request: FrameRequest, choice: PatchChoice,
        clock: StageClock,
    ) -> FrameOutcome:
        """Compute the chosen patches; the maps are valid for these only."""
        image = to_tensor(request.image, self._sharing.device)
        patches = choice.patches.flatten().nonzero()[:, 0]
        work = self._network.run(
            state, image, request.needed, request.sharing, patches, choice.refreshed.flatten(),
            clock.lap)
        maps = self._decoder.decode(memory, work, request.asked, request.camera)
        clock.lap('decode')
        return FrameOutcome(work, maps, find_non_finite(memory, work))

    @cached_property
    def _network(self) -> MovingNetwork:
        """Made when a camera first moves, as most never do."""
        with torch.inference_mode():
            return MovingNetwork(self._sharing)


@dataclass(frozen=True)
class _Computed:
    """
    What was computed of a frame, and in which mode (see MotionStats).

    ``where`` (H, W) bool are the pixels whose new maps are used, None for all.
    """

    outcome: FrameOutcome
    mode: str
    reason: str
    where: torch.Tensor | None


@dataclass(frozen=True)
class MovingPath:
    """
    Carries the maps of frames along with the camera; see ``FramePath``.

    ``network`` computes frames of a camera at rest, ``patches`` chosen patches of one that moves,
    where that is possible. ``patch_size`` is the number of pixels along a side of a patch.
    """

    network: FramePath
    patches: PatchPath | None
    following: Following
    patch_size: int
    device: torch.device

    def run(self, memory: Session, request: FrameRequest, clock: StageClock) -> FrameOutcome:
        """See FramePath."""
        camera = memory.moving
        if (memory.cache.reset_reason or camera is None
                or not camera.serves(request, self.following)):
            return self._begin(memory, request, clock)
        view = camera.see(request, self.following)
        clock.lap('motion')
        done = self._compute(memory, camera, view, request, clock)
        outcome = done.outcome
        if outcome.non_finite:
            # NaN and infinity must not be carried into later frames
            memory.moving = None
            return replace(outcome, motion=_stats(view, done))
        camera.put(outcome.maps, view, done.where)
        settings = self.following.settings
        # only in the moving mode the network's own maps are not valid everywhere
        maps = camera.maps() if settings.fusion or done.mode == MOVING else outcome.maps
        clock.lap('carry')
        return replace(outcome, maps=maps, motion=_stats(view, done))

    def _begin(self, memory: Session, request: FrameRequest, clock: StageClock) -> FrameOutcome:
        """Compute a frame to which no maps can be carried."""
        memory.stop_following(NOTHING_CARRIED)
        outcome = self.network.run(memory, request, clock)
        memory.moving = None if outcome.non_finite else MovingCamera(
            request, self.following, outcome.maps, self.patch_size, self.device)
        clock.lap('carry')
        reason = outcome.work.reset_reason or NOTHING_CARRIED
        return replace(outcome, motion=MotionStats(
            'none', 0.0, 0.0, 0.0, 1.0, _mode(outcome.work), reason))

    def _compute(
        self, memory: Session, camera: MovingCamera, view: View, request: FrameRequest,
        clock: StageClock,
    ) -> _Computed:
        if not self.following.settings.sharing:
            return self._at_rest(memory, camera, view, request, clock)
        refusal = NOT_ON_THIS_DEVICE if self.patches is None else self.patches.refusal(request)
        if self.patches is None or refusal or view.carried is None or view.still:
            return self._at_rest(memory, camera, view, request, clock, refusal)
        if not view.trusted:
            memory.cache.reset(UNSURE)
            camera.state = None
            return _Computed(self.network.run(memory, request, clock), WHOLE, UNSURE, None)
        return self._moving(memory, self.patches, camera, view, view.carried, request, clock)

    def _moving(
        self, memory: Session, patches: PatchPath, camera: MovingCamera, view: View,
        carried: CarriedView, request: FrameRequest, clock: StageClock,
    ) -> _Computed:
        """Compute the patches that the carried maps do not explain."""
        if camera.state is None:
            camera.state = patches.start(memory)
        choice = camera.choose(carried, view, camera.state, request.bounds.budget)
        clock.lap('gate')
        outcome = patches.run(memory, camera.state, request, choice, clock)
        where = None if choice.reason else self._pixels(choice.patches)
        return _Computed(outcome, WHOLE if choice.reason else MOVING, choice.reason, where)

    def _at_rest(
        self, memory: Session, camera: MovingCamera, view: View, request: FrameRequest,
        clock: StageClock, refusal: str = '',
    ) -> _Computed:
        """Compute the tokens that changed in place, as for a camera at rest."""
        if camera.state is not None:
            # the cache has moved with the view, which the network at rest cannot use
            memory.cache.reset(STOPPED)
            camera.state = None
        outcome = self.network.run(memory, request, clock)
        reasons = outcome.work.reset_reason, '' if view.trusted else UNSURE, refusal
        return _Computed(outcome, _mode(outcome.work), '; '.join(filter(None, reasons)),
                         self._changed(view, outcome.work))

    def _changed(self, view: View, work: FrameWork) -> torch.Tensor | None:
        """Return the pixels (H, W) bool whose new maps are used, None for all."""
        changed = [task.changed for task in work.tasks.values()]
        listed = [patches for patches in changed if patches is not None]
        if view.carried is None or not view.trusted or len(listed) < len(changed):
            return None
        patches = torch.zeros(work.patch_count, dtype=torch.bool, device=self.device)
        patches[torch.cat(listed)] = True
        return self._pixels(patches.view(view.grid)) | ~view.carried.seen

    def _pixels(self, patches: torch.Tensor) -> torch.Tensor:
        """Return the pixels (H, W) bool of patches (rows, columns) bool."""
        side = self.patch_size
        return patches.repeat_interleave(side, 0).repeat_interleave(side, 1)


def _mode(work: FrameWork) -> str:
    return WHOLE if work.reset_reason else REST


def _stats(view: View, done: _Computed) -> MotionStats:
    carried = 0.0 if done.where is None else 1 - float(done.where.float().mean())
    unseen = 0.0 if view.carried is None else 1 - float(view.carried.seen.float().mean())
    return MotionStats(
        view.estimate.source, view.estimate.confidence, view.flow.length, carried,
        unseen, done.mode, done.reason, view.estimate.scaled)
