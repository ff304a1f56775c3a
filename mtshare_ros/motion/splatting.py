"""Which point each pixel of a view shows, and what is shown where no point falls."""

from dataclasses import dataclass

import numpy as np
import torch

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.motion.points import grid_of, Points
from mtshare_ros.motion.rigid import RigidMotion

_NOTHING = int(np.float32(np.inf).view(np.int32)) << 32
_NUMBER = (1 << 32) - 1
"""The key of a pixel without a point, and the mask of the point's number in a key."""

_OPPOSITE = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Steps down and right to one of two opposite neighbours."""

_SAME = 0.95
"""Ratio of two depths above which neighbours are on one surface."""

_NEXT_BUT_ONE = 3.0
"""Pixels of a kept frame within which a pixel and the next but one of a surface lie."""


@dataclass(frozen=True)
class Arrivals:
    """
    What the pixels of a view show; closing cracks and filling holes change it in place.

    ``number`` (H, W) int64 is that of the point, ``row`` and ``column`` (H, W) float32 the place
    of the pixel's middle in the point's frame, ``depth`` (H, W) the z, infinite where there is
    nothing. ``pixels`` (n,) int64 is the pixel into which each point falls, counted along the rows
    of the view with one more pixel on each side, which takes what leaves the view.
    """

    points: Points
    pixels: torch.Tensor
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
        """Let pixels (n,) show what other pixels (n,) show."""
        self.write(where, tuple(part.index_select(0, other) for part in self.flat))


def splat(
    points: Points, camera: Pinhole, motion: RigidMotion, size: tuple[int, int]
) -> Arrivals:
    """Return what a view of ``size`` (H, W) shows of points after a motion."""
    rows, columns, depth = points.projected(camera, motion)
    pixels = _pixel_of(rows, columns, size)
    shown = _nearest(pixels, depth, size)
    number = (shown & _NUMBER).view(-1)
    found = (shown >> 32).int().view(torch.float32)
    row, column = grid_of(found)
    # the offset of a point from the middle of its pixel, scaled to the frame the point is from
    scale = depth / points.distance

    def place(middle: torch.Tensor, fell: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
        start = torch.addcmul(origin, fell, scale, value=-1).index_select(0, number)
        return torch.addcmul(start.view(size), middle, stretched)
    stretched = scale.index_select(0, number).view(size)
    return Arrivals(points, pixels, number.view(size), place(row, rows, points.row),
                    place(column, columns, points.column), found)


def pixels_of(
    points: Points, camera: Pinhole, motion: RigidMotion, size: tuple[int, int]
) -> torch.Tensor:
    """Return the pixel (n,) into which each point falls, see ``Arrivals``."""
    rows, columns, _ = points.projected(camera, motion)
    return _pixel_of(rows, columns, size)


def _pixel_of(
    rows: torch.Tensor, columns: torch.Tensor, size: tuple[int, int]
) -> torch.Tensor:
    """Return the pixel (n,) of each place, see ``Arrivals``."""
    height, width = size
    return (rows.round().clamp_(-1, height).mul_(width + 2)
            .add_(columns.round().clamp_(-1, width)).add_(width + 3)).long()


def _nearest(pixels: torch.Tensor, depth: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """
    Return for each pixel (H, W) the depth and the number of the nearest point in it.

    Both are in one int64: the bits of positive floats sort as the numbers do, so that one
    scattered minimum finds the nearest point and its number.
    """
    height, width = size
    number = torch.arange(depth.shape[0], device=depth.device)
    key = (depth.view(torch.int32).long() << 32).bitwise_or_(number)
    shown = torch.full(((height + 2) * (width + 2),), _NOTHING, device=depth.device)
    shown.scatter_reduce_(0, pixels, key, 'amin')
    return shown.view(height + 2, width + 2)[1:-1, 1:-1].contiguous()


def close_cracks(arrivals: Arrivals) -> None:
    """
    Give pixels in cracks what lies between their neighbours on the surface.

    Cracks open where a surface grows in the view: its pixels are no longer side by side, and what
    is behind them shows in between.
    """
    cracks = _behind_neighbours(arrivals.depth)
    if cracks.shape[0]:
        _close(arrivals, cracks, _to_nearest_pair(arrivals.depth, cracks))


def _to_nearest_pair(depth: torch.Tensor, cracks: torch.Tensor) -> torch.Tensor:
    """Return the steps (n,) from pixels to the nearest of their pairs of opposite neighbours."""
    steps = torch.tensor([down * depth.shape[1] + right for down, right in _OPPOSITE],
                         device=depth.device)
    values = depth.view(-1)
    pairs = torch.maximum(values[cracks - steps[:, None]], values[cracks + steps[:, None]])
    # diagonal neighbours count only where they are on another, nearer surface
    pairs[2:] /= _SAME
    return steps.index_select(0, pairs.min(dim=0).indices)


def _behind_neighbours(depth: torch.Tensor) -> torch.Tensor:
    """Return the pixels (n,) that are behind two opposite neighbours, none at a border."""
    height, width = depth.shape
    behind = torch.zeros_like(depth, dtype=torch.bool)
    nearer = torch.full((height - 2, width - 2), torch.inf, device=depth.device)
    for down, right in _OPPOSITE:
        pair = (depth[1 + sign * down:height - 1 + sign * down,
                      1 + sign * right:width - 1 + sign * right] for sign in (-1, 1))
        torch.minimum(nearer, torch.maximum(*pair), out=nearer)
    torch.lt(nearer, depth[1:-1, 1:-1] * _SAME, out=behind[1:-1, 1:-1])
    return behind.view(-1).nonzero().view(-1)


def _close(arrivals: Arrivals, cracks: torch.Tensor, step: torch.Tensor) -> None:
    """Fill the cracks (n,) whose neighbours, ``step`` (n,) before and after, share a surface."""
    depth = arrivals.depth.view(-1)
    first, second = cracks - step, cracks + step
    one, other, own = (depth.index_select(0, pixels) for pixels in (first, second, cracks))
    near, far = torch.minimum(one, other), torch.maximum(one, other)
    closes = (near > far * _SAME) & (far < own * _SAME)
    # uncovered areas have corners, whose diagonal neighbours only seem to enclose them
    straight = (step == 1) | (step == arrivals.depth.shape[1])
    closes &= (own.isinf() & straight) | _were_neighbours(arrivals, first, second)
    where, first, second = (part[closes] for part in (cracks, first, second))
    number, *places = (part.index_select(0, first) for part in arrivals.flat)
    others = [part.index_select(0, second) for part in arrivals.flat[1:]]
    between = _apart(places[0], others[0]) & _apart(places[1], others[1])
    middle = [torch.where(between, (place + other) / 2, place)
              for place, other in zip(places, others)]
    arrivals.write(where, (number, *middle))


def _apart(place: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Tell whether places (n,) are near enough for pixels with one pixel between them."""
    return (place - other).abs_() < _NEXT_BUT_ONE


def _were_neighbours(
    arrivals: Arrivals, first: torch.Tensor, second: torch.Tensor
) -> torch.Tensor:
    """Tell for pairs of pixels (n,) whether they show neighbouring pixels of one frame."""
    points, number = arrivals.points, arrivals.number.view(-1)
    one, other = number.index_select(0, first), number.index_select(0, second)
    near = points.frame.index_select(0, one) == points.frame.index_select(0, other)
    for part in (points.row, points.column):
        near &= (part.index_select(0, one) - part.index_select(0, other)).abs_() <= 1
    return near


def fill_holes(arrivals: Arrivals) -> torch.Tensor:
    """
    Give pixels without a point what the farther neighbour shows; return which had one (H, W).

    Holes open where the view extends beyond the old one, or behind a near thing.
    """
    seen = arrivals.depth < torch.inf
    holes = (~seen).view(-1).nonzero().view(-1)
    if holes.shape[0] == seen.numel():
        arrivals.row.zero_()
        arrivals.column.zero_()
    elif holes.shape[0]:
        arrivals.copy(holes, _farther_beside(arrivals.depth, holes))
        _fill_rows(arrivals, seen.any(dim=1))
    return seen


def _farther_beside(depth: torch.Tensor, holes: torch.Tensor) -> torch.Tensor:
    """Return for each hole (n,) the farther of the two seen pixels beside it in its row."""
    width, values = depth.shape[1], depth.view(-1)
    starts = holes % width == 0
    starts[:1] = True
    starts[1:] |= holes[1:] != holes[:-1] + 1
    run = starts.cumsum(0) - 1
    # a run ends where the next one starts, the last one before the first one does
    first, last = holes[starts], holes[starts.roll(-1)]
    left = torch.where(first % width > 0, first - 1, last)
    right = torch.where(last % width < width - 1, last + 1, first)
    # there is nothing beyond the border of the view: it must not count as farther
    far = [torch.where(beside.isinf(), 0.0, beside) for beside in (values[left], values[right])]
    return torch.where(far[1] > far[0], right, left).index_select(0, run)


def _fill_rows(arrivals: Arrivals, shows: torch.Tensor) -> None:
    """Let rows without any point show what the nearest row that ``shows`` (H,) some does."""
    empty, full = (~shows).nonzero(), shows.nonzero().view(-1)
    if not empty.shape[0]:
        return
    nearest = full[(empty - full).abs().argmin(dim=1)]
    for part in (arrivals.number, arrivals.row, arrivals.column, arrivals.depth):
        part[empty.view(-1)] = part[nearest]
