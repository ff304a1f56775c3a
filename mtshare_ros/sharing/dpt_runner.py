"""
The dpt decode head on the patches that changed.

Through the coarse levels of the pyramid a token affects half of the picture, but hardly changes
what is far away, and those levels are a quarter of the work. So they are computed whole, and only
pixels that changed by more than the temporal threshold are passed on to the fine levels, which are
computed where their input then differs.
"""

import copy
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Sequence

import torch
from torch import nn

from mtshare_ros.model.dpt_head import DptHead, enlarge_aligned, Fusion
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.dpt_fine import FineStages, FineState
from mtshare_ros.sharing.dpt_regions import Region, TapProjection
from mtshare_ros.sharing.gates import distance, passes, spread_of
from mtshare_ros.sharing.head import ChangedPatches, HeadUpdate
from mtshare_ros.sharing.linear import PackedLinear
from mtshare_ros.sharing.linear_runner import ClassTerms
from mtshare_ros.sharing.memory import AUTO, tensor_bytes
from mtshare_ros.sharing.pixel_maps import Level, ReceptiveField
from mtshare_ros.sharing.taps import HeadInputs

COARSE_SIDE = 2
"""Pixels of the finest coarse level along a side of a patch."""


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
        # a transposed convolution uses each weight once for each pixel of its input
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


@dataclass
class DptHeadState:
    """
    What one task's head remembers of one camera.

    ``terms`` (taps, D) are what class tokens add, None where they are not read. ``coarse`` (see
    ``Level``) is what the coarse levels passed on, ``spread`` () the spread of its pixels when all
    were last computed.
    """

    level: Level
    terms: ClassTerms | None
    coarse: torch.Tensor
    spread: torch.Tensor
    fine: FineState

    @cached_property
    def raw(self) -> torch.Tensor:
        """The raw output as a view (1, C, rows x side, columns x side)."""
        return self.level.image(self.fine.output)

    @property
    def nbytes(self) -> int:
        """Bytes the buffers take."""
        terms = 0 if self.terms is None else self.terms.nbytes
        return tensor_bytes(self.coarse, self.spread) + self.fine.nbytes + terms


class DptRunner:
    """One task's dpt head, prepared once; its weights are in ``dtype``."""

    def __init__(
        self, network: MultiTaskNetwork, task: str, dtype: torch.dtype = torch.float32,
        layout: str = AUTO,
    ) -> None:
        head: DptHead = network.heads[task]
        shape = network.config
        self._blocks = shape.taps_of(head.config)
        self._dtype, self._width, self._channels = dtype, shape.embed_dim, head.config.channels
        self._class_token = head.config.class_token
        self._projections = [TapProjection(head, number, dtype, layout)
                             for number in range(len(self._blocks))]
        self._coarse = CoarseLevels(head, self._projections, dtype, layout)
        self._fine = FineStages(head, self._projections[0], dtype, layout)
        self.side = self._fine.side
        output = ReceptiveField.of_patch(self.side).enlarged(Fraction(shape.patch_size, self.side))
        self._around = output.in_patches(shape.patch_size)

    def allocate(self, grid: tuple[int, int], device: torch.device) -> DptHeadState:
        """Return the state of one camera for a grid of (rows, columns) patches."""
        terms = ClassTerms.allocate(len(self._blocks), self._width, device)
        return DptHeadState(
            Level(grid, self.side), terms if self._class_token else None,
            Level(grid, COARSE_SIDE).allocate(self._channels, self._dtype, device),
            torch.ones((), device=device), self._fine.allocate(grid, device))

    def update(
        self, state: DptHeadState, inputs: HeadInputs, patches: ChangedPatches,
        thresholds: Sequence[float] = (),
    ) -> HeadUpdate:
        """See HeadRunner."""
        renewed = self._renew(state, inputs, patches, thresholds)
        if patches.index.shape[0] == 0 and not renewed:
            return HeadUpdate(patches.index, 0)
        dirty = None if patches.whole or renewed else patches.mask
        grid, terms = state.level.grid, None if state.terms is None else state.terms.used
        moved = self._let_through(state, self._coarse(grid, inputs.taps, terms), dirty, thresholds)
        region, macs = self._fine.update(
            state.fine, dirty, inputs.taps[0], None if terms is None else terms[0],
            state.coarse, moved)
        differing = region.patches()
        affected = None if differing is None else (
            self._around.spread(differing).flatten().nonzero()[:, 0])
        return HeadUpdate(affected, macs + self._coarse.macs(grid))

    def dense_macs(self, grid: tuple[int, int]) -> int:
        """See HeadRunner."""
        return self._coarse.macs(grid) + self._fine.dense_macs(grid)

    def _renew(
        self, state: DptHeadState, inputs: HeadInputs, patches: ChangedPatches,
        thresholds: Sequence[float],
    ) -> bool:
        """Update what the class tokens add; tell whether it differs."""
        if state.terms is None:
            return False
        terms = torch.stack([project.term(token) for project, token
                             in zip(self._projections, inputs.class_tokens())])
        if patches.whole:
            state.terms.start(terms, torch.stack([
                project.spread(tap) for project, tap in zip(self._projections, inputs.taps)]))
            return True
        return state.terms.renew(terms, [thresholds[block - 1] for block in self._blocks])

    def _let_through(
        self, state: DptHeadState, coarse: torch.Tensor, dirty: torch.Tensor | None,
        thresholds: Sequence[float],
    ) -> Region:
        """Store the coarse pixels (4 N, C) that changed, or are of dirty patches; return which."""
        level = Level(state.level.grid, COARSE_SIDE)
        own = Region.of_patches(level, dirty)
        if own.mask is None:
            state.coarse[:-1].copy_(coarse)
            state.spread.copy_(spread_of(coarse.float()))
            return own
        bound = min(thresholds[block - 1] for block in self._blocks[1:]) * state.spread
        moved = passes(distance(coarse, state.coarse[:-1]), bound, own.mask.flatten())
        index = moved.nonzero()[:, 0]
        state.coarse.index_copy_(0, index, coarse.index_select(0, index))
        return Region(level, moved.view(level.size))
