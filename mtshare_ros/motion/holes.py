"""
Pixels of a moved view to which nothing came.

Cracks open where a surface grows: its pixels no longer lie side by side, and what lies behind
shows between them. They belong to that surface. Holes open where the view reaches beyond the old
one or behind a near thing.
"""

from dataclasses import dataclass

import torch

_SAME = 0.95
"""Ratio of two depths above which neighbours lie on one surface."""


@dataclass(frozen=True)
class Arrivals:
    """
    What came to the pixels of a view, changed in place by what follows.

    ``down``, ``right``, ``depth`` (H, W) float32 and ``source`` (H, W) int64 are those of
    ``Reprojection``; where nothing came the depth is infinite.
    """

    down: torch.Tensor
    right: torch.Tensor
    source: torch.Tensor
    depth: torch.Tensor

    @property
    def flat(self) -> tuple[torch.Tensor, ...]:
        """All four as (H * W,)."""
        return tuple(part.view(-1) for part in self._parts)

    @property
    def _parts(self) -> tuple[torch.Tensor, ...]:
        return self.down, self.right, self.source, self.depth

    def write(self, where: torch.Tensor, values: tuple[torch.Tensor, ...]) -> None:
        """Overwrite pixels (n,) by values (n,) of all four."""
        for part, given in zip(self.flat, values):
            part.index_copy_(0, where, given)

    def copy(self, where: torch.Tensor, other: torch.Tensor) -> None:
        """Let pixels (n,) show what others (n,) do."""
        self.write(where, tuple(part.index_select(0, other) for part in self.flat))


def close_cracks(arrivals: Arrivals) -> None:
    """Give pixels in cracks what lies between their neighbours on the surface."""
    height, width = arrivals.depth.shape
    cracks = _behind_neighbours(arrivals.depth)
    for step in (1, width, 1):
        if not cracks.shape[0]:
            return
        cracks = cracks[~_close(arrivals, cracks, step)]


def _behind_neighbours(depth: torch.Tensor) -> torch.Tensor:
    """Return the pixels (n,) that lie behind their neighbours on both sides, not at a border."""
    behind = torch.zeros_like(depth, dtype=torch.bool)
    middle = depth[1:-1, 1:-1] * _SAME
    across = torch.maximum(depth[1:-1, :-2], depth[1:-1, 2:])
    along = torch.maximum(depth[:-2, 1:-1], depth[2:, 1:-1])
    torch.lt(torch.minimum(across, along), middle, out=behind[1:-1, 1:-1])
    return behind.view(-1).nonzero().view(-1)


def _close(arrivals: Arrivals, cracks: torch.Tensor, step: int) -> torch.Tensor:
    """Fill the cracks (n,) whose neighbours ``step`` before and behind are one; return which."""
    down, right, source, depth = arrivals.flat
    first, second = cracks - step, cracks + step
    ends = torch.stack((depth.index_select(0, first), depth.index_select(0, second)))
    near, far = ends.aminmax(dim=0)
    own = depth.index_select(0, cracks)
    closes = (near > far * _SAME) & (far < own * _SAME)
    closes &= own.isinf() | _adjoin(arrivals, first, second)
    where, first, second = cracks[closes], first[closes], second[closes]
    middle = tuple((part.index_select(0, first) + part.index_select(0, second)) / 2
                   for part in (down, right, depth))
    arrivals.write(where, (*middle[:2], source.index_select(0, first), middle[2]))
    return closes


def _adjoin(arrivals: Arrivals, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Tell for pairs of pixels (n,) whether they come from neighbours in the old view."""
    width = arrivals.depth.shape[1]
    source = arrivals.source.view(-1)
    one, other = source.index_select(0, first), source.index_select(0, second)
    rows = (one // width - other // width).abs()
    columns = (one % width - other % width).abs()
    return torch.maximum(rows, columns) <= 1


def fill_holes(arrivals: Arrivals) -> torch.Tensor:
    """Give pixels without anything what the farther neighbour shows; return which had (H, W)."""
    seen = arrivals.depth.isfinite()
    holes = (~seen).view(-1).nonzero().view(-1)
    if holes.shape[0] and holes.shape[0] < seen.numel():
        arrivals.copy(holes, _farther_beside(arrivals.depth, seen, holes))
        _fill_rows(arrivals, seen.any(dim=1))
    return seen


def _farther_beside(
    depth: torch.Tensor, seen: torch.Tensor, holes: torch.Tensor
) -> torch.Tensor:
    """Return for each hole (n,) the farther of the seen pixels beside it in its row."""
    width = depth.shape[1]
    column = torch.arange(width, device=depth.device)
    left = torch.where(seen, column, -1).cummax(dim=1).values.view(-1).index_select(0, holes)
    right = torch.where(seen, column, width).flip(1).cummin(dim=1).values.flip(1)
    right = right.reshape(-1).index_select(0, holes)
    start = holes - holes % width
    left, right = (torch.where((side >= 0) & (side < width), start + side, -1)
                   for side in (left, right))
    values = depth.view(-1)
    far_left, far_right = (
        torch.where(side >= 0, values.index_select(0, side.clamp(min=0)), -1.0)
        for side in (left, right))
    return torch.where(far_right > far_left, right, left).clamp_(min=0)


def _fill_rows(arrivals: Arrivals, shows: torch.Tensor) -> None:
    """Let rows in which nothing was seen show what the nearest row does that ``shows`` (H,)."""
    empty, full = (~shows).nonzero(), shows.nonzero().view(-1)
    if not empty.shape[0]:
        return
    nearest = full[(empty - full).abs().argmin(dim=1)]
    for part in (arrivals.down, arrivals.right, arrivals.source, arrivals.depth):
        part[empty.view(-1)] = part[nearest]
