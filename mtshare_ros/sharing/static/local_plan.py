"""Which pixels the local heads compute in a frame, found once for all of them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Iterable

import torch

from mtshare_ros.sharing.head_plan import HeadGeometry, pixels_in_merging_order
from mtshare_ros.sharing.level import Level, pixels_of_cells, taps_of_pixels
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.static.lists import FrameLists
from mtshare_ros.sharing.static.operators import Operators
from mtshare_ros.sharing.stem import StemState


@dataclass(frozen=True)
class LocalTables:
    """
    Index tables of a grid, kept for the graphs that point to them.

    ``merging`` (N, side ** 2) are each cell's pixels in merging order, ``eighth`` (N, side ** 2
    / 4) those at half the side. ``taps`` (count, kernel ** 2) are what pixels read, by kernel and
    padding.
    """

    level: Level
    merging: torch.Tensor
    eighth: torch.Tensor
    taps: dict[tuple[int, int], torch.Tensor]

    @classmethod
    def of(
        cls, level: Level, geometries: Iterable[HeadGeometry], device: torch.device
    ) -> 'LocalTables':
        """Return the tables of heads of some geometries."""
        kinds = {kind for item in geometries for kind in zip(item.kernels, item.paddings)}
        return cls(
            level, pixels_in_merging_order(level, device),
            pixels_of_cells(Level(level.grid, level.side // 2), device),
            {kind: taps_of_pixels(level, level, device, kernel=kind[0], padding=kind[1])
             for kind in kinds})

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        return tensor_bytes(self.merging, self.eighth, *self.taps.values())


@dataclass(frozen=True)
class LocalPlan:
    """What to compute for the cells of ``lists``, None for all, with the stem as it is."""

    tables: LocalTables
    stem: StemState
    operators: Operators
    lists: FrameLists | None = None

    @cached_property
    def merged(self) -> torch.Tensor:
        """The pixels (n * side ** 2,) of the cells, in merging order."""
        table = self.tables.merging
        return (table if self.lists is None else table.index_select(0, self.lists.cells)).view(-1)

    @cached_property
    def eighth(self) -> torch.Tensor | None:
        """The stem's features (n * side ** 2 / 4, C) at half the side."""
        if self.stem.eighth is None:
            return None
        if self.lists is None:
            return self.stem.eighth.index_select(0, self.tables.eighth.view(-1))
        features = self.operators.gather(
            self.stem.eighth[None], self.tables.eighth, self.lists.cells)
        return features.view(-1, self.stem.eighth.shape[1])

    @cached_property
    def quarter(self) -> torch.Tensor | None:
        """The stem's features (n * side ** 2, C) of the merged pixels."""
        if self.stem.quarter is None:
            return None
        return self.stem.quarter.index_select(0, self.merged)

    def layer(self, geometry: HeadGeometry, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the pixels (p,) of a convolution, not for all cells, and what pixels read."""
        if self.lists is None:
            raise RuntimeError('convolutions of all cells have no lists of pixels')
        kind = geometry.kernels[number], geometry.paddings[number]
        return self.lists.heads[geometry].layers[number], self.tables.taps[kind]
