"""Position encodings of the token grid."""

from dataclasses import dataclass
from functools import lru_cache
import math

import torch
from torch import nn
from torch.nn import functional

ROPE_BASE = 100.0
"""Longest wavelength / shortest: enough for grids of some hundred tokens a side."""


@dataclass(frozen=True)
class RotaryTable:
    """
    Rotations of tokens: cosines and sines, (N + P, head_dim) each, cells in raster order.

    The first half of a head turns with the row, the second with the column, so attention sees only
    differences of positions: a shifted image gives shifted activations. The P tokens after the
    cells stand for no place and do not turn.
    """

    cosine: torch.Tensor
    sine: torch.Tensor

    def rotate(self, heads: torch.Tensor) -> torch.Tensor:
        """Rotate queries or keys (B, num_heads, N, head_dim)."""
        quarter = heads.shape[-1] // 4
        row_a, row_b, column_a, column_b = heads.split(quarter, dim=-1)
        turned = torch.cat((-row_b, row_a, -column_b, column_a), dim=-1)
        return heads * self.cosine.to(heads.dtype) + turned * self.sine.to(heads.dtype)


@lru_cache(maxsize=16)
def rotary_table(
    rows: int, columns: int, head_dim: int, device: torch.device, *,
    centred: bool = False, prefix_tokens: int = 0,
) -> RotaryTable:
    """
    Return the rotations of a grid, and of tokens of no place after it.

    A cell turns by its row and column, or where ``centred`` by where its centre lies from -1 to 1
    on either axis, times 2 pi. A pure function of its arguments, remembered per grid.
    """
    with torch.inference_mode(False):  # training may ask for a table that inference made
        row, column = (_turns(torch.arange(count), count, centred) for count in (rows, columns))
        row, column = torch.meshgrid(row, column, indexing='ij')
        angles = _angles(row.flatten(), column.flatten(), head_dim)
        angles = functional.pad(angles, (0, 0, 0, prefix_tokens))
        return RotaryTable(angles.cos().to(device), angles.sin().to(device))


def rotary_beyond(
    grid: tuple[int, int], cells: torch.Tensor, view: tuple[int, int], head_dim: int, *,
    centred: bool = False, prefix_tokens: int = 0,
) -> RotaryTable:
    """
    Return the rotations of cells (n, 2) of a grid that goes on beyond its border, in float32.

    ``cells`` are their rows and columns, any whole numbers. The tokens of no place that follow
    turn like the first cell of a ``view`` of the grid's size does against that of the grid, so
    that they stand to the cells of the view as they do in ``rotary_table``.
    """
    starts = torch.tensor([(0, 0), view], device=cells.device)
    places = torch.cat((cells, starts)).double()
    row, column = (_turns(places[:, axis], grid[axis], centred) for axis in (0, 1))
    angles = _angles(row, column, head_dim)
    cell, (first, moved) = angles[:-2], angles[-2:]
    angles = torch.cat((cell, (moved - first).expand(prefix_tokens, -1)))
    return RotaryTable(angles.cos().float(), angles.sin().float())


def _turns(cells: torch.Tensor, count: int, centred: bool) -> torch.Tensor:
    """Return by how much rows or columns turn at frequency 1; ``count`` are in the grid."""
    return 2 * math.pi * (2 * (cells + 0.5) / count - 1) if centred else cells


def _angles(row: torch.Tensor, column: torch.Tensor, head_dim: int) -> torch.Tensor:
    """Return the angles (n, head_dim) of tokens by their turns (n,)."""
    frequencies = ROPE_BASE ** -(torch.arange(head_dim // 4) / (head_dim // 4))
    frequencies = frequencies.to(row.device)
    row_angle, column_angle = row[:, None] * frequencies, column[:, None] * frequencies
    return torch.cat((row_angle, row_angle, column_angle, column_angle), dim=-1)


class AbsolutePosition(nn.Module):
    """
    A learnt vector per token of a (rows, columns) grid, interpolated for other grids.

    ``interpolation`` is that of the weights' source, see ``architecture.INTERPOLATIONS``: with
    another one, features differ by a percent.
    """

    def __init__(
        self, grid: tuple[int, int], embed_dim: int, interpolation: str = 'bicubic'
    ) -> None:
        super().__init__()
        self.grid = grid
        self.table = nn.Parameter(torch.zeros(1, grid[0] * grid[1], embed_dim))
        nn.init.trunc_normal_(self.table, std=0.02)
        self._mode, _, self._variant = interpolation.partition('_')

    def forward(self, grid: tuple[int, int]) -> torch.Tensor:
        """Return (1, N, embed_dim) for a grid of N cells."""
        if grid == self.grid:
            return self.table
        planes = self.table.unflatten(1, self.grid).permute(0, 3, 1, 2)
        return self._resized(planes, grid).flatten(2).transpose(1, 2)

    def _resized(self, planes: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
        if self._variant == 'offset':  # torch then samples by the factors, not by the sizes
            factors = [(size + 0.1) / own for size, own in zip(grid, self.grid)]
            return functional.interpolate(planes, scale_factor=factors, mode=self._mode)
        return functional.interpolate(planes, grid, mode=self._mode, align_corners=False,
                                      antialias=self._variant == 'antialias')


class PrefixTokens(nn.Module):
    """The class and register tokens (P, embed_dim), which stand after the cells."""

    def __init__(self, count: int, embed_dim: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.zeros(count, embed_dim))
        nn.init.trunc_normal_(self.tokens, std=0.02)

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        """Return (B, N + P, D) for cells (B, N, D)."""
        return torch.cat((cells, self.tokens.expand(cells.shape[0], -1, -1)), dim=1)
