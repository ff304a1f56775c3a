"""Which point each pixel of a view shows: the nearest of those that fall into it."""

from dataclasses import dataclass

import numpy as np
import torch

from mtshare_ros.motion.points import grid_of, Points
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.pinhole import Pinhole

_NOTHING = int(np.float32(np.inf).view(np.int32)) << 32
_NUMBER = (1 << 32) - 1


@dataclass(frozen=True)
class Arrivals:
    """
    What the pixels of a view show, changed in place by what follows.

    ``number`` (H, W) int64 is that of the point, ``row`` and ``column`` (H, W) float32 the place
    of the pixel's middle in the point's frame, ``depth`` (H, W) the z, infinite where there is
    nothing. ``cells`` (n,) int64 is the pixel into which each point falls, counted along the rows
    of the view with one more pixel on each side, which takes what leaves the view.
    """

    points: Points
    cells: torch.Tensor
    number: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    depth: torch.Tensor

    @property
    def flat(self) -> tuple[torch.Tensor, ...]:
        """Number, row, column and depth as (H * W,)."""
        return tuple(part.view(-1) for part in (self.number, self.row, self.column, self.depth))

    def write(self, where: torch.Tensor, values: tuple[torch.Tensor, ...]) -> None:
        """Overwrite pixels (n,) by values (n,) of all four."""
        for part, given in zip(self.flat, values):
            part.index_copy_(0, where, given)

    def copy(self, where: torch.Tensor, other: torch.Tensor) -> None:
        """Let pixels (n,) show what others (n,) do."""
        self.write(where, tuple(part.index_select(0, other) for part in self.flat))


def splat(
    points: Points, camera: Pinhole, motion: RigidMotion, size: tuple[int, int]
) -> Arrivals:
    """Return what a view of ``size`` (H, W) shows of points that a motion brings before it."""
    rows, columns, depth = points.projected(camera, motion)
    cells = _cells(rows, columns, size)
    shown = _nearest(cells, depth, size)
    number = (shown & _NUMBER).view(-1)
    found = (shown >> 32).int().view(torch.float32)
    row, column = grid_of(found)
    # from the middle of a pixel to where its point lies is as far as there, but for the scale
    scale = depth / points.distance

    def place(middle: torch.Tensor, fell: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
        start = torch.addcmul(origin, fell, scale, value=-1).index_select(0, number)
        return torch.addcmul(start.view(size), middle, stretched)
    stretched = scale.index_select(0, number).view(size)
    return Arrivals(points, cells, number.view(size), place(row, rows, points.row),
                    place(column, columns, points.column), found)


def cells_of(
    points: Points, camera: Pinhole, motion: RigidMotion, size: tuple[int, int]
) -> torch.Tensor:
    """Return the pixel (n,) into which each point falls, see ``Arrivals``."""
    rows, columns, _ = points.projected(camera, motion)
    return _cells(rows, columns, size)


def _cells(
    rows: torch.Tensor, columns: torch.Tensor, size: tuple[int, int]
) -> torch.Tensor:
    """Return the pixel (n,) of each place, see ``Arrivals``."""
    height, width = size
    return (rows.round().clamp_(-1, height).mul_(width + 2)
            .add_(columns.round().clamp_(-1, width)).add_(width + 3)).long()


def _nearest(cells: torch.Tensor, depth: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """
    Return for each pixel (H, W) the depth and the number of the nearest point in it.

    They are one int64 each: the bits of a float above zero are ordered as the number is.
    """
    height, width = size
    number = torch.arange(depth.shape[0], device=depth.device)
    key = (depth.view(torch.int32).long() << 32).bitwise_or_(number)
    shown = torch.full(((height + 2) * (width + 2),), _NOTHING, device=depth.device)
    shown.scatter_reduce_(0, cells, key, 'amin')
    return shown.view(height + 2, width + 2)[1:-1, 1:-1].contiguous()
