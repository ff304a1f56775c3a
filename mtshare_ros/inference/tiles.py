"""Equal pieces of a map with what lies round them, of single cells or of the whole map."""

from dataclasses import dataclass

import torch

from mtshare_ros.sharing.level import Level


@dataclass(frozen=True)
class Tiles:
    """
    Rectangles of pixels, by their rows (n, h) and columns (n, w) in a map of ``size``.

    A border may stick out of the map.
    """

    rows: torch.Tensor
    columns: torch.Tensor
    size: tuple[int, int]

    @classmethod
    def of_cells(cls, level: Level, cells: torch.Tensor, border: int) -> 'Tiles':
        """Return cells (n,) of a level, each with a border round it."""
        place = torch.arange(-border, level.side + border, device=cells.device)
        tops, lefts = (level.side * start for start in (
            cells // level.grid[1], cells % level.grid[1]))
        return cls(tops[:, None] + place, lefts[:, None] + place, level.size)

    @classmethod
    def whole(cls, level: Level, border: int, device: torch.device) -> 'Tiles':
        """Return a level as one rectangle with a border round it."""
        rows, columns = (torch.arange(-border, side + border, device=device)[None]
                         for side in level.size)
        return cls(rows, columns, level.size)

    def read(self, values: torch.Tensor) -> torch.Tensor:
        """Return a map's values (height, width) as (n, h, w); beyond the edge the nearest one."""
        height, width = values.shape
        rows = self._onto(self.rows, self.size[0], height)
        columns = self._onto(self.columns, self.size[1], width)
        return values.reshape(-1)[rows[:, :, None] * width + columns[:, None, :]]

    def inside(self) -> torch.Tensor:
        """Return which pixels (n, h, w) lie in the map."""
        rows, columns = ((place >= 0) & (place < size)
                         for place, size in zip((self.rows, self.columns), self.size))
        return rows[:, :, None] & columns[:, None, :]

    def cut(self, border: int) -> 'Tiles':
        """Return the rectangles without ``border`` pixels along each side."""
        if border == 0:
            return self
        inner = slice(border, -border)
        return Tiles(self.rows[:, inner], self.columns[:, inner], self.size)

    @staticmethod
    def _onto(place: torch.Tensor, size: int, other: int) -> torch.Tensor:
        """Return which of ``other`` pixels lies where the middle of one of ``size`` does."""
        return (2 * place.clamp(0, size - 1) + 1) * other // (2 * size)
