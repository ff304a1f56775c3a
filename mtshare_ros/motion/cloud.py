"""The points that the pixels of kept frames showed, and where the present view finds them."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from mtshare_ros.motion.holes import close_cracks, fill_holes
from mtshare_ros.motion.points import Points
from mtshare_ros.motion.reprojection import is_turn, turned
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.sources import Sources
from mtshare_ros.motion.splatting import cells_of, splat
from mtshare_ros.pinhole import Pinhole


@dataclass(frozen=True)
class Look:
    """Where the pixels (H, W) of a view are from, and which of them were seen before."""

    sources: Sources
    seen: torch.Tensor


class Cloud:
    """
    What a camera has seen, from the view it had when something was added last.

    It begins as the pixels of one view of ``depth`` (H, W), those that were ``seen`` (H, W).
    Where that is None they are all of one frame, and made points only when that is needed: a
    camera that just turns does without.
    """

    def __init__(
        self, depth: torch.Tensor, sources: Sources, camera: Pinhole, seen: torch.Tensor | None
    ) -> None:
        self._depth, self._sources, self._camera = depth, sources, camera
        self._seen, self._size = seen, tuple(depth.shape)
        self._points: Points | None = None
        self._cells: torch.Tensor | None = None
        self._added = False

    def look(self, motion: RigidMotion) -> Look:
        """Return what the view shows to which a motion leads."""
        if self._whole and is_turn(motion, self._camera, self._depth):
            self._cells = None
            found = turned(self._depth, self._camera, motion.rotation)
            return Look(self._first_at(found.row, found.column), found.seen)
        arrivals = splat(self._as_points(), self._camera, motion, self._size)
        self._cells = arrivals.cells
        close_cracks(arrivals)
        seen = fill_holes(arrivals)
        if self._whole:
            return Look(self._first_at(arrivals.row, arrivals.column), seen)
        return Look(Sources.arrived(arrivals), seen)

    def _first_at(self, row: torch.Tensor, column: torch.Tensor) -> Sources:
        """Return sources at other places (H, W) of the frame that all is from."""
        return replace(self._sources, row=row, column=column)

    def add(
        self, new: torch.Tensor, depth: torch.Tensor, sources: Sources, motion: RigidMotion
    ) -> None:
        """
        Take pixels that are ``new`` (H, W) in the view to which a motion leads.

        They lie in the kept frame that they are from, whose former content is given up, as they
        do in the view. What else falls into them, or has left the view, is given up, too.
        """
        points = self._as_points()
        cells = self._cells
        if cells is None:
            cells = cells_of(points, self._camera, motion, self._size)
        added = self._points_of(depth, sources).select(_numbers(new))
        gone = F.pad(new, (1, 1, 1, 1), value=True).view(-1).index_select(0, cells)
        gone |= points.frame == added.frame[:1]
        self._points = points.select(_numbers(~gone)).moved(motion).joined(added)
        self._cells, self._added = None, True

    @property
    def nbytes(self) -> int:
        """Bytes that the points take."""
        return 0 if self._points is None else self._points.nbytes

    @property
    def _whole(self) -> bool:
        """Whether all that was seen is one view of one frame."""
        return not self._added and self._seen is None

    def _as_points(self) -> Points:
        if self._points is None:
            points = self._points_of(self._depth, self._sources)
            self._points = points if self._seen is None else points.select(_numbers(self._seen))
        return self._points

    def _points_of(self, depth: torch.Tensor, sources: Sources) -> Points:
        return Points.of_view(depth, self._camera, sources.frames, sources.computations)


def _numbers(which: torch.Tensor) -> torch.Tensor:
    """Return the numbers (n,) of what is true, counted along the rows."""
    return which.view(-1).nonzero().view(-1)
