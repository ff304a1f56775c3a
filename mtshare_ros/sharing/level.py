"""Maps kept as rows of channels, and where the pixels of a patch stand in them."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch.nn import functional

from mtshare_ros.sharing.memory import overwrite


@dataclass(frozen=True)
class Level:
    """
    A map with ``side`` x ``side`` pixels for each patch of a (rows, columns) ``grid``.

    It is kept as (count + 1, channels): one row of channels a pixel in raster order, so that a
    pixel, and a strip of pixels beside each other, is one piece of memory. The last row stays
    zero: indices of pixels outside the map lead there, which is the zero padding of convolutions.
    """

    grid: tuple[int, int]
    side: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.grid[0] * self.side, self.grid[1] * self.side

    @property
    def count(self) -> int:
        """Pixels."""
        return self.size[0] * self.size[1]

    def allocate(self, channels: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Return zeros of a map (count + 1, channels)."""
        return torch.zeros(self.count + 1, channels, dtype=dtype, device=device)

    def image(self, rows: torch.Tensor) -> torch.Tensor:
        """Return a map as a view (1, channels, height, width)."""
        return rows[:-1].view(1, *self.size, -1).permute(0, 3, 1, 2)

    def strips(self, rows: torch.Tensor) -> torch.Tensor:
        """Return a map as a view in which ``side`` pixels beside each other are one row."""
        return rows[:-1].view(-1, self.side * rows.shape[1])

    def write(self, rows: torch.Tensor, patches: torch.Tensor, values: torch.Tensor) -> None:
        """Overwrite patches (n,) of a map by (n * side * side, channels), each in raster order."""
        strips = self.strips(rows)
        index = strips_of_patches(self, rows.device).index_select(0, patches).view(-1)
        overwrite(strips, index, values.reshape(-1, strips.shape[1]))


@lru_cache(maxsize=32)
def pixels_of_patches(
    level: Level, device: torch.device, *, border: int = 0, nearest: bool = False
) -> torch.Tensor:
    """
    Return the rows of each patch's pixels and a border round them: (N, (side + 2 border) ** 2).

    Pixels outside the map are its last row, or the ``nearest`` pixel inside.
    """
    height, width = level.size
    numbers = torch.arange(level.count).view(1, 1, height, width).double()
    frame = (border,) * 4
    padded = functional.pad(numbers, frame, mode='replicate') if nearest and border else \
        functional.pad(numbers, frame, value=level.count)
    across = level.side + 2 * border
    windows = padded[0, 0].unfold(0, across, level.side).unfold(1, across, level.side)
    return windows.reshape(-1, across * across).long().to(device)


@lru_cache(maxsize=32)
def strips_of_patches(level: Level, device: torch.device) -> torch.Tensor:
    """Return the rows (N, side) of each patch where ``side`` pixels beside each other are one."""
    rows, columns = level.grid
    numbers = torch.arange(rows * level.side * columns).view(rows, level.side, columns)
    return numbers.transpose(1, 2).reshape(-1, level.side).to(device)


@lru_cache(maxsize=32)
def taps_of_pixels(
    source: Level, target: Level, device: torch.device, *, kernel: int, padding: int
) -> torch.Tensor:
    """
    Return which source pixels (count, kernel ** 2) each target pixel of a convolution reads.

    Its stride is the ratio of the levels; padding pixels are the last row. int32: convolutions
    read so many rows that the list itself is worth keeping small.
    """
    stride = source.side // target.side
    rows, columns = (
        (torch.arange(size) * stride - padding)[:, None] + torch.arange(kernel)
        for size in target.size
    )
    height, width = source.size
    row, column = rows[:, None, :, None], columns[None, :, None, :]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    numbers = torch.where(inside, row * width + column, source.count)
    return numbers.reshape(target.count, kernel * kernel).to(device, torch.int32)


@lru_cache(maxsize=32)
def taps_of_patches(
    source: Level, target: Level, device: torch.device, *, kernel: int, padding: int
) -> torch.Tensor:
    """Return the taps of each patch's pixels in turn: (N, side ** 2 * kernel ** 2)."""
    taps = taps_of_pixels(source, target, device, kernel=kernel, padding=padding)
    patches = pixels_of_patches(target, device)
    return taps[patches].reshape(patches.shape[0], -1)
