"""
The dpt decode head on the patches that changed.

A token reaches half of the picture through the coarse levels of the pyramid, but hardly changes
what is far away, and those levels are a quarter of the work. So they are computed whole, and what
comes out of them goes on only where it moved by more than the limit of the temporal rule. The fine
levels are computed on the pixels that then differ.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Sequence

import torch

from mtshare_ros.model.dpt_head import DptHead
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.class_term import ClassTerms
from mtshare_ros.sharing.dirty_cells import ChangedPatches
from mtshare_ros.sharing.dpt_coarse import COARSE_SIDE, CoarseLevels
from mtshare_ros.sharing.dpt_fine import FineStages, FineState
from mtshare_ros.sharing.dpt_tap import TapProjection
from mtshare_ros.sharing.head import HeadUpdate
from mtshare_ros.sharing.head_inputs import HeadInputs
from mtshare_ros.sharing.layout import AUTO
from mtshare_ros.sharing.level import Level
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.reach import ReceptiveField
from mtshare_ros.sharing.region import Region
from mtshare_ros.sharing.rules import distance, passes, spread_of


@dataclass
class DptHeadState:
    """
    What one task's head remembers of one camera.

    ``terms`` (taps, D) are what class tokens add, None where they are not read. ``coarse`` (see
    ``Level``) is what went on from the coarse levels, ``spread`` () how far its pixels spread when
    all were computed last.
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
        """Bring what the class tokens add up to date; tell whether it differs."""
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
        """Take in the pixels (4 N, C) that moved, and those of dirty patches; return which."""
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
