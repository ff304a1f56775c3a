"""Bilinear enlargement of single cells."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import torch

from mtshare_ros.inference.postprocess import enlarge
from mtshare_ros.sharing.level import Level, pixels_of_cells


@dataclass(frozen=True)
class Enlargement:
    """
    What ``enlarge`` makes of raw outputs with ``side`` pixels along a side of a cell.

    An enlarged cell has ``patch_size`` pixels along a side and depends on its own raw pixels and
    the next ones round it. Where the sides are equal there is nothing to enlarge.
    """

    side: int
    patch_size: int

    @property
    def copies(self) -> bool:
        """Whether the raw output has full size."""
        return self.side == self.patch_size

    def cells(self, raw: torch.Tensor, grid: tuple[int, int], cells: torch.Tensor) -> torch.Tensor:
        """
        Return cells (n,) enlarged: (n, C, patch_size ** 2), pixels of a cell in raster order.

        ``raw`` (pixels, C) is a raw output as float32 rows in raster order of a (rows, columns)
        grid.
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
        """Raw pixels round a cell that a whole number of enlarged ones covers."""
        return Fraction(self.patch_size, self.side).denominator

    def inner(self, windows: torch.Tensor, border: int) -> torch.Tensor:
        """Return the cells (n, C, patch_size ** 2) in windows with a border (n, C, pixels)."""
        around, across = border * self.patch_size // self.side, self.side + 2 * border
        size = self.patch_size + 2 * around
        large = enlarge(windows.unflatten(2, (across, across)), (size, size))
        own = slice(around, around + self.patch_size)
        return large[..., own, own].flatten(2)

    def _windows(
        self, raw: torch.Tensor, grid: tuple[int, int], cells: torch.Tensor, border: int
    ) -> torch.Tensor:
        """Return the raw pixels (n, C, pixels) of cells and a border; the edge goes on outside."""
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
    """Return how much each pixel of a window counts ((side + 2) ** 2, patch_size ** 2)."""
    border = enlargement.wide_border
    across = enlargement.side + 2 * border
    units = torch.eye(across ** 2)[None]
    near = torch.arange(across ** 2).view(across, across)
    inside = slice(border - 1, across - border + 1)
    return enlargement.inner(units, border)[0][near[inside, inside].flatten()].to(device)
