"""Frames of a camera whose motion is followed: its maps stay with the world."""

from dataclasses import dataclass, replace

import torch

from mtshare_ros.inference.clock import StageClock
from mtshare_ros.inference.frame_path import FramePath
from mtshare_ros.inference.frame_request import Following, FrameOutcome, FrameRequest
from mtshare_ros.inference.moving_camera import MovingCamera, View
from mtshare_ros.inference.prediction import MotionStats
from mtshare_ros.inference.session import Session
from mtshare_ros.sharing.account import FrameAccount

REST, MOVING, WHOLE = 'rest', 'moving', 'whole'
"""How a frame is computed, see MotionStats."""

UNSURE = 'the motion of the camera is not known'
NOTHING_CARRIED = 'no maps to carry along'


@dataclass(frozen=True)
class MovingPath:
    """
    Runs frames as another path, ``network``, does and carries their maps along; see ``FramePath``.

    ``patch_size`` are the pixels along a side of a cell.
    """

    network: FramePath
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
        outcome = self.network.run(memory, request, clock)
        if outcome.non_finite:
            memory.moving = None
            return replace(outcome, motion=_stats(view, outcome.account, None))
        where = self._computed(view, outcome.account)
        fusion = self.following.settings.fusion
        camera.take(outcome.maps, view, where)
        maps = camera.maps() if fusion else outcome.maps
        memory.moving = camera
        clock.lap('fusion')
        return replace(outcome, maps=maps, motion=_stats(view, outcome.account, where))

    def _begin(self, memory: Session, request: FrameRequest, clock: StageClock) -> FrameOutcome:
        """Run a frame to whose view no maps can be carried."""
        outcome = self.network.run(memory, request, clock)
        memory.moving = None if outcome.non_finite else MovingCamera(
            request, self.following, outcome.maps, self.patch_size, self.device)
        clock.lap('fusion')
        reason = outcome.account.reset_reason or NOTHING_CARRIED
        return replace(outcome, motion=MotionStats(
            'none', 0.0, 0.0, 0.0, 1.0, _way(outcome.account), reason))

    def _computed(self, view: View, account: FrameAccount) -> torch.Tensor | None:
        """Return the pixels (H, W) bool of which a frame's own maps count, None for all."""
        changed = [task.changed for task in account.tasks.values()]
        listed = [cells for cells in changed if cells is not None]
        if not view.trusted or len(listed) < len(changed):
            return None
        cells = torch.zeros(account.cell_count, dtype=torch.bool, device=self.device)
        cells[torch.cat(listed)] = True
        return pixels_of(cells, view.seen.shape, self.patch_size) | ~view.seen


def pixels_of(cells: torch.Tensor, size: tuple[int, ...], patch_size: int) -> torch.Tensor:
    """Return the pixels (H, W) bool of cells (N,) bool."""
    grid = size[0] // patch_size, size[1] // patch_size
    return cells.view(grid).repeat_interleave(patch_size, 0).repeat_interleave(patch_size, 1)


def _way(account: FrameAccount) -> str:
    return WHOLE if account.reset_reason else REST


def _stats(view: View, account: FrameAccount, where: torch.Tensor | None) -> MotionStats:
    """Return what to report of a frame whose own maps count where (H, W) says so, or all."""
    reasons = (account.reset_reason, '' if view.trusted else UNSURE)
    carried = 0.0 if where is None else 1 - float(where.float().mean())
    return MotionStats(
        view.estimate.source, view.estimate.confidence, view.flow.length, carried,
        1 - float(view.seen.float().mean()), _way(account), '; '.join(filter(None, reasons)))
