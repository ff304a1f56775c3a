"""Some cells of a raw output become pixels of maps."""

from dataclasses import dataclass
from typing import Protocol, Sequence

import torch

from mtshare_ros.inference.postprocess import decode_values
from mtshare_ros.sharing.enlargement import CellWindows, Enlargement
from mtshare_ros.sharing.level import Level, strips_of_cells
from mtshare_ros.sharing.memory import overwrite

CHANNELS_AT_ONCE = {'cpu': 2560, 'cuda': 8192}
"""
Enlarged channels of cells that are decoded in one go, by type of device.

On a CPU so many stay in its caches: 64 cells of 40 classes. On a GPU more keep all of it busy, and
for patches of 16 pixels decoding takes 50 MB at most; all cells of 1024 x 1024 would take 600.
"""


@dataclass(frozen=True)
class MapGeometry:
    """
    Where the cells of a grid lie in a raw output and in its maps.

    ``level`` is that of the maps. ``windows`` are what cells read, ``strips`` what they write, see
    ``strips_of_cells``, and ``every`` (N,) are all cells.
    """

    enlargement: Enlargement
    level: Level
    windows: CellWindows
    strips: torch.Tensor
    every: torch.Tensor

    @classmethod
    def of(
        cls, enlargement: Enlargement, grid: tuple[int, int], device: torch.device
    ) -> 'MapGeometry':
        """Return that of a (rows, columns) grid of cells."""
        level = Level(grid, enlargement.target)
        return cls(enlargement, level, enlargement.windows(grid, device),
                   strips_of_cells(level, device),
                   torch.arange(grid[0] * grid[1], device=device))


class CellDecoder(Protocol):
    """
    Decodes cells (n,) of a raw output (1, C, h, w) into the rows of its maps, see ``Level``.

    ``encoding`` is that of the raw output, the maps are in the order of ``fields_of``.
    """

    def __call__(
        self, geometry: MapGeometry, encoding: str, raw: torch.Tensor, cells: torch.Tensor,
        maps: Sequence[torch.Tensor],
    ) -> None:
        """Overwrite the cells' pixels in the maps."""


def decode_cells(
    geometry: MapGeometry, encoding: str, raw: torch.Tensor, cells: torch.Tensor,
    maps: Sequence[torch.Tensor],
) -> None:
    """Decode by operators that every device has; see ``CellDecoder``."""
    rows = raw[0].permute(1, 2, 0).flatten(0, 1).float()
    for some in cells.split(_cells_at_once(rows)):
        values = geometry.enlargement.cells_at(rows, geometry.windows, some)
        strips = geometry.strips.index_select(0, some).view(-1)
        for rows_of_map, found in zip(maps, decode_values(values, encoding)):
            target = rows_of_map[:-1].view(-1, geometry.level.side * rows_of_map.shape[1])
            overwrite(target, strips, found.reshape(-1, target.shape[1]))


def _cells_at_once(raw: torch.Tensor) -> int:
    """Return how many cells of a raw output (pixels, C) to decode in one go."""
    return max(1, CHANNELS_AT_ONCE[raw.device.type] // raw.shape[1])
