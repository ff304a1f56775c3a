"""Position encodings of the token grid."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn
from torch.nn import functional

ROPE_BASE = 100.0
"""Longest wavelength / shortest: enough for grids of some hundred tokens a side."""


@dataclass(frozen=True)
class RotaryTable:
    """
    Rotations of a token grid: cosines and sines, (N, head_dim) each, rows in raster order.

    The first half of a head turns with the row, the second with the column, so attention sees only
    differences of positions: a shifted image gives shifted activations.
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
def rotary_table(rows: int, columns: int, head_dim: int, device: torch.device) -> RotaryTable:
    """Return the rotations of a grid; a pure function of its arguments, remembered per grid."""
    with torch.inference_mode(False):  # training may ask for a table that inference made
        return _rotary_table(rows, columns, head_dim, device)


def _rotary_table(rows: int, columns: int, head_dim: int, device: torch.device) -> RotaryTable:
    frequencies = ROPE_BASE ** -(torch.arange(head_dim // 4) / (head_dim // 4))
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing='ij')
    row_angle = row.reshape(-1, 1) * frequencies
    column_angle = column.reshape(-1, 1) * frequencies
    angles = torch.cat((row_angle, row_angle, column_angle, column_angle), dim=-1)
    return RotaryTable(angles.cos().to(device), angles.sin().to(device))


class AbsolutePosition(nn.Module):
    """A learnt vector per token of a (rows, columns) grid, interpolated for other grids."""

    def __init__(self, grid: tuple[int, int], embed_dim: int) -> None:
        super().__init__()
        self.grid = grid
        self.table = nn.Parameter(torch.zeros(1, grid[0] * grid[1], embed_dim))
        nn.init.trunc_normal_(self.table, std=0.02)

    def forward(self, grid: tuple[int, int]) -> torch.Tensor:
        """Return (1, N, embed_dim) for a grid of N tokens."""
        if grid == self.grid:
            return self.table
        planes = self.table.unflatten(1, self.grid).permute(0, 3, 1, 2)
        resized = functional.interpolate(planes, grid, mode='bicubic', align_corners=False)
        return resized.flatten(2).transpose(1, 2)
