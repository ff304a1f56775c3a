"""The coarse levels of a dpt head, computed whole."""

import copy
from typing import Sequence

import torch
from torch import nn

from mtshare_ros.model.dpt_head import DptHead, enlarge_aligned, Fusion
from mtshare_ros.sharing.dpt_tap import TapProjection
from mtshare_ros.sharing.linear import PackedLinear

COARSE_SIDE = 2
"""Pixels of the finest of them along a side of a patch."""


class CoarseLevels:
    """Levels 3, 2 and 1 of the pyramid, fused."""

    def __init__(
        self, head: DptHead, projections: Sequence[TapProjection], dtype: torch.dtype, layout: str
    ) -> None:
        self._levels = [_Level(head, number, projections[number], dtype, layout)
                        for number in (3, 2, 1)]

    def __call__(
        self, grid: tuple[int, int], taps: Sequence[torch.Tensor],
        terms: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return (4 N, C) in raster order for all taps (N, D), and class terms (taps, D)."""
        fused = None
        for level in self._levels:
            term = None if terms is None else terms[level.number]
            fused = level(grid, taps[level.number], term, fused)
        return _as_rows(fused)

    def macs(self, grid: tuple[int, int]) -> int:
        """Return the multiply-accumulates of a grid of patches."""
        return sum(level.macs(grid) for level in self._levels)


class _Level:
    """One level, with what fuses it with the coarser ones."""

    def __init__(
        self, head: DptHead, number: int, project: TapProjection, dtype: torch.dtype, layout: str
    ) -> None:
        fusion: Fusion = head.fuse[3 - number]
        self.number = number
        self._project = project
        self._resize, self._lateral, self._joint = (
            _prepared(module, dtype)
            for module in (head.resize[number], head.lateral[number], fusion.res2))
        self._own = nn.Identity() if fusion.res1 is None else _prepared(fusion.res1, dtype)
        # as a matrix: on one thread PyTorch has a slow kernel for convolutions of one pixel
        self._out = PackedLinear(fusion.out.weight.flatten(1), fusion.out.bias, dtype=dtype,
                                 layout=layout)

    def __call__(
        self, grid: tuple[int, int], tap: torch.Tensor, term: torch.Tensor | None,
        coarser: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return the fused level (1, C, h, w)."""
        level = self._lateral(self._resize(_as_planes(self._project(tap, term), grid)))
        if coarser is not None:
            level = enlarge_aligned(coarser, level.shape[2:]) + self._own(level)
        joined = self._joint(level)
        return _as_planes(self._out(_as_rows(joined)), joined.shape[2:])

    def macs(self, grid: tuple[int, int]) -> int:
        """Return the multiply-accumulates of a grid of patches."""
        patches = grid[0] * grid[1]
        pixels = {1: COARSE_SIDE ** 2 * patches, 2: patches,
                  3: -(-grid[0] // 2) * -(-grid[1] // 2)}[self.number]
        at_level = self._out.macs_per_row + sum(map(
            _weights_of, (self._lateral, self._own, self._joint)))
        # a transposed convolution goes once through its weights for each pixel of its input
        return (patches * self._project.macs_per_patch + pixels * at_level
                + min(patches, pixels) * _weights_of(self._resize))


def _prepared(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    return copy.deepcopy(module).to(dtype).to(memory_format=torch.channels_last)


def _weights_of(module: nn.Module) -> int:
    """Return how many weights the matrices of a module have."""
    return sum(weight.numel() for weight in module.parameters() if weight.ndim > 1)


def _as_planes(rows: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Return rows (h w, C) as a view (1, C, h, w)."""
    return rows.view(1, *size, -1).permute(0, 3, 1, 2)


def _as_rows(planes: torch.Tensor) -> torch.Tensor:
    """Return (1, C, h, w) as rows (h w, C)."""
    return planes.permute(0, 2, 3, 1).flatten(0, 2)
