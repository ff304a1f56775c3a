"""Which cells decide about a pixel: tables with as many entries for each, whatever changed."""

from functools import lru_cache

import torch

from mtshare_ros.sharing.reach import Reach


def sources_of_pixels(grid: tuple[int, int], side: int, border: int) -> torch.Tensor:
    """
    Return the cells that have a pixel inside them or in a border round them, see ``_sources``.

    A map has ``side`` pixels along a cell.
    """
    return _sources(grid, side, border, border)


def sources_of_cells(grid: tuple[int, int], reach: Reach) -> torch.Tensor:
    """Return the cells that reach a cell, see ``_sources``; a cell must reach itself."""
    return _sources(grid, 1, reach.last, -reach.first)


def any_of(mask: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Return whether any source (n, k) of an entry is true in a mask (N,), (n,) bool."""
    return mask.index_select(0, sources.view(-1)).view(sources.shape).any(dim=1)


def widened(sources: torch.Tensor, width: int) -> torch.Tensor:
    """Return sources (n, k) as (n, width), the last column being repeated."""
    return torch.cat((sources, sources[:, -1:].expand(-1, width - sources.shape[1])), dim=1)


@lru_cache(maxsize=32)
def _sources(grid: tuple[int, int], side: int, before: int, behind: int) -> torch.Tensor:
    """Return (pixels, k) int32 cells in raster order; where there are fewer, one is repeated."""
    rows, columns = (_along(cells, side, before, behind) for cells in grid)
    numbers = rows[:, None, :, None] * grid[1] + columns[None, :, None, :]
    return numbers.reshape(rows.shape[0] * columns.shape[0], -1).int()


def _along(cells: int, side: int, before: int, behind: int) -> torch.Tensor:
    """Return along one axis the cells (pixels, k) from ``before`` to ``behind`` a pixel."""
    pixels = torch.arange(cells * side)
    first, last = ((pixels + step).div(side, rounding_mode='floor').clamp_(0, cells - 1)
                   for step in (-before, behind))
    width = int((last - first).max()) + 1
    return torch.minimum(first[:, None] + torch.arange(width), last[:, None])
