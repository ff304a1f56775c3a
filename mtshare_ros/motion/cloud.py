"""The points that the pixels of kept frames showed, and where the present view finds them."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.motion.kept_frames import Places
from mtshare_ros.motion.points import grid_of, is_turn, Points, turned
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.splatting import Arrivals, cells_of, close_cracks, fill_holes, splat


@dataclass(frozen=True)
class Sources:
    """
    Where the pixels (H, W) of a view are from.

    ``frame`` int32 is the kept frame, ``row`` and ``column`` float32 the place in it, ``computed``
    int32 the number of the frame in which the pixel was computed. Where all pixels have the same,
    ``frame`` and ``computed`` are just a number.
    """

    frame: torch.Tensor | int
    row: torch.Tensor
    column: torch.Tensor
    computed: torch.Tensor | int

    @classmethod
    def here(
        cls, size: tuple[int, int], device: torch.device, frame: int, computed: int
    ) -> 'Sources':
        """Return the pixels of a view that lie in a kept frame as they do in the view."""
        row, column = grid_of(torch.empty(size, device=device))
        return cls(frame, row.expand(size), column.expand(size), computed)

    @classmethod
    def arrived(cls, arrivals: Arrivals) -> 'Sources':
        """Return where the pixels are from that show points."""
        points, number = arrivals.points, arrivals.number.view(-1)
        frame, computed = (part.index_select(0, number).view_as(arrivals.number)
                           for part in (points.frame, points.computed))
        return cls(frame, arrivals.row, arrivals.column, computed)

    @property
    def places(self) -> Places:
        """The same for resampling."""
        frame = self.frame if isinstance(self.frame, int) else self.frame.view(-1)
        return Places(tuple(self.row.shape), frame, self.row.reshape(-1), self.column.reshape(-1))

    @property
    def frames(self) -> torch.Tensor:
        """The kept frame of each pixel (H, W) int32."""
        return self._filled(self.frame)

    @property
    def computations(self) -> torch.Tensor:
        """The number of the frame in which each pixel (H, W) was computed, int32."""
        return self._filled(self.computed)

    def _filled(self, number: torch.Tensor | int) -> torch.Tensor:
        if isinstance(number, int):
            return torch.full_like(self.row, number, dtype=torch.int32)
        return number

    def replaced(self, where: torch.Tensor, by: 'Sources') -> 'Sources':
        """Return sources that are others where (H, W) says so."""
        return Sources(torch.where(where, by.frames, self.frames),
                       torch.where(where, by.row, self.row),
                       torch.where(where, by.column, self.column),
                       torch.where(where, by.computations, self.computations))


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
            row, column, seen = turned(
                self._size, self._camera, motion.rotation, self._depth.device)
            return Look(self._first_at(row, column), seen)
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
