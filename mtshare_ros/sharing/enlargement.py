"""Bilinear enlargement of whole maps and of single cells."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import torch
from torch.nn import functional

from mtshare_ros.sharing.level import Level, pixels_of_cells


def enlarge(raw: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bring maps (B, C, h, w) to float32 (B, C, H, W) of a size, bilinearly."""
    if raw.shape[2:] == size:
        return raw.float()
    return functional.interpolate(raw.float(), size, mode='bilinear', align_corners=False)


@dataclass(frozen=True)
class Enlargement:
    """
    What ``enlarge`` makes of maps with ``side`` pixels along a side of a cell.

    An enlarged cell has ``target`` pixels along a side and depends on its own pixels before and
    the next ones round them. Where the sides are equal there is nothing to enlarge.
    """

    side: int
    target: int

    @property
    def copies(self) -> bool:
        """Whether the maps have the target size."""
        return self.side == self.target

    def cells(self, raw: torch.Tensor, grid: tuple[int, int], cells: torch.Tensor) -> torch.Tensor:
        """
        Return cells (n,) enlarged: (n, C, target ** 2), pixels of a cell in raster order.

        ``raw`` (pixels, C) are the map's pixels in raster order, float32, of a (rows, columns)
        grid of cells.
        """
        windows = self._windows(raw, grid, cells, 0 if self.copies else 1)
        if self.copies:
            return windows
        if _can_multiply(windows):
            large = torch.mm(windows.flatten(0, 1), _weights(self, raw.device))
            return large.view(*windows.shape[:2], -1)
        return self.inner(self._windows(raw, grid, cells, self.wide_border), self.wide_border)

    @property
    def wide_border(self) -> int:
        """Pixels round a cell that a whole number of enlarged ones covers."""
        return Fraction(self.target, self.side).denominator

    def inner(self, windows: torch.Tensor, border: int) -> torch.Tensor:
        """Return the cells (n, C, target ** 2) in windows with a border (n, C, pixels)."""
        around, across = border * self.target // self.side, self.side + 2 * border
        size = self.target + 2 * around
        large = enlarge(windows.unflatten(2, (across, across)), (size, size))
        own = slice(around, around + self.target)
        return large[..., own, own].flatten(2)

    def _windows(
        self, raw: torch.Tensor, grid: tuple[int, int], cells: torch.Tensor, border: int
    ) -> torch.Tensor:
        """Return the pixels (n, C, pixels) of cells and a border; the edge goes on outside."""
        index = pixels_of_cells(Level(grid, self.side), raw.device, border=border, nearest=True)
        windows = raw.index_select(0, index.index_select(0, cells).view(-1))
        shape = cells.shape[0], index.shape[1], raw.shape[1]
        return windows.view(shape).transpose(1, 2).contiguous()


def _can_multiply(windows: torch.Tensor) -> bool:
    """
    Tell whether a matrix product with the weights enlarges the windows.

    On the CPU it is the fastest way, but spreads a value that is not finite over its window; to
    look for one on CUDA would wait for the device.
    """
    return windows.device.type == 'cpu' and bool(torch.isfinite(windows.sum()))


@lru_cache(maxsize=8)
def _weights(enlargement: Enlargement, device: torch.device) -> torch.Tensor:
    """Return how much each pixel of a window counts ((side + 2) ** 2, target ** 2)."""
    border = enlargement.wide_border
    across = enlargement.side + 2 * border
    units = torch.eye(across ** 2)[None]
    near = torch.arange(across ** 2).view(across, across)
    inside = slice(border - 1, across - border + 1)
    return enlargement.inner(units, border)[0][near[inside, inside].flatten()].to(device)
