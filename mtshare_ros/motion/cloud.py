"""The points that the pixels of kept frames showed, and where the present view finds them."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.motion.kept_frames import Places
from mtshare_ros.motion.points import grid_of, is_turn, Points, turned
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.splatting import Arrivals, close_cracks, fill_holes, pixels_of, splat


@dataclass(frozen=True)
class PixelOrigins:
    """
    Where the pixels (H, W) of a view come from.

    ``frame`` int32 is the kept frame, ``row`` and ``column`` float32 the place in it, ``computed``
    int32 the number of the frame in which the pixel was computed. ``frame`` and ``computed`` are
    single numbers where they are the same for all pixels.
    """

    frame: torch.Tensor | int
    row: torch.Tensor
    column: torch.Tensor
    computed: torch.Tensor | int

    @classmethod
    def here(
        cls, size: tuple[int, int], device: torch.device, frame: int, computed: int
    ) -> 'PixelOrigins':
        """Return the origins of a view that is a kept frame itself."""
        row, column = grid_of(torch.empty(size, device=device))
        return cls(frame, row.expand(size), column.expand(size), computed)

    @classmethod
    def arrived(cls, arrivals: Arrivals) -> 'PixelOrigins':
        """Return where pixels come from that show points."""
        points, number = arrivals.points, arrivals.number.view(-1)
        frame, computed = (part.index_select(0, number).view_as(arrivals.number)
                           for part in (points.frame, points.computed))
        return cls(frame, arrivals.row, arrivals.column, computed)

    @property
    def places(self) -> Places:
        """The places (H * W,) to resample."""
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

    def replaced(self, where: torch.Tensor, by: 'PixelOrigins') -> 'PixelOrigins':
        """Return origins in which pixels ``where`` (H, W) have those of another view."""
        return PixelOrigins(torch.where(where, by.frames, self.frames),
                       torch.where(where, by.row, self.row),
                       torch.where(where, by.column, self.column),
                       torch.where(where, by.computations, self.computations))


@dataclass(frozen=True)
class CloudView:
    """Where the pixels (H, W) of a view come from, and which of them were seen before."""

    origins: PixelOrigins
    seen: torch.Tensor


class Cloud:
    """
    The points that a camera has seen, in the view to which pixels were added last.

    It starts with the pixels of one view of ``depth`` (H, W) that were ``seen`` (H, W). Where
    ``seen`` is None, all pixels are of one frame; they become points only when needed, because a
    camera that only turns does without.
    """

    def __init__(
        self, depth: torch.Tensor, origins: PixelOrigins, camera: Pinhole,
        seen: torch.Tensor | None,
    ) -> None:
        self._depth, self._origins, self._camera = depth, origins, camera
        self._seen, self._size = seen, tuple(depth.shape)
        self._points: Points | None = None
        self._pixels: torch.Tensor | None = None
        self._added = False

    def look(self, motion: RigidMotion) -> CloudView:
        """Return what the view after a motion shows."""
        if self._whole and is_turn(motion, self._camera, self._depth):
            self._pixels = None
            row, column, seen = turned(
                self._size, self._camera, motion.rotation, self._depth.device)
            return CloudView(self._first_at(row, column), seen)
        arrivals = splat(self._as_points(), self._camera, motion, self._size)
        self._pixels = arrivals.pixels
        close_cracks(arrivals)
        seen = fill_holes(arrivals)
        if self._whole:
            return CloudView(self._first_at(arrivals.row, arrivals.column), seen)
        return CloudView(PixelOrigins.arrived(arrivals), seen)

    def _first_at(self, row: torch.Tensor, column: torch.Tensor) -> PixelOrigins:
        """Return origins at other places (H, W) of the frame that all pixels come from."""
        return replace(self._origins, row=row, column=column)

    def add(
        self, new: torch.Tensor, depth: torch.Tensor, origins: PixelOrigins, motion: RigidMotion,
        frame: int,
    ) -> None:
        """
        Add the pixels that are ``new`` (H, W) in the view after a motion.

        They come from the kept ``frame``, which was written last; points of its former content
        are dropped. So are points that fall into new pixels, and those that have left the view.
        There may be no new pixels.
        """
        points = self._as_points()
        pixels = self._pixels
        # unknown after a turn, which needs no points, and once points have been added
        if pixels is None:
            pixels = pixels_of(points, self._camera, motion, self._size)
        added = self._points_of(depth, origins).select(_numbers(new))
        gone = F.pad(new, (1, 1, 1, 1), value=True).view(-1).index_select(0, pixels)
        gone |= points.frame == frame
        self._points = points.select(_numbers(~gone)).moved(motion).joined(added)
        self._pixels, self._added = None, True

    @property
    def nbytes(self) -> int:
        """Bytes of the points."""
        return 0 if self._points is None else self._points.nbytes

    @property
    def _whole(self) -> bool:
        """Whether everything that was seen is one view of one frame."""
        return not self._added and self._seen is None

    def _as_points(self) -> Points:
        if self._points is None:
            points = self._points_of(self._depth, self._origins)
            self._points = points if self._seen is None else points.select(_numbers(self._seen))
        return self._points

    def _points_of(self, depth: torch.Tensor, origins: PixelOrigins) -> Points:
        return Points.of_view(depth, self._camera, origins.frames, origins.computations)


def _numbers(which: torch.Tensor) -> torch.Tensor:
    """Return the indices (n,) of true pixels, counted along the rows."""
    return which.view(-1).nonzero().view(-1)
