"""Which kept frame each pixel of a view is from, and where it lies there."""

from dataclasses import dataclass

import torch

from mtshare_ros.motion.points import grid_of
from mtshare_ros.motion.resampling import Places
from mtshare_ros.motion.splatting import Arrivals


@dataclass(frozen=True)
class Sources:
    """
    Where the pixels (H, W) of a view are from.

    ``frame`` int32 is the kept frame, ``row`` and ``column`` float32 the place in it, ``computed``
    int32 the number of the frame in which the pixel was computed. Where all pixels have the same,
    ``frame`` and ``computed`` are just a number.
    """

    frame: torch.Tensor | int
    row: torch.Tensor
    column: torch.Tensor
    computed: torch.Tensor | int

    @classmethod
    def here(
        cls, size: tuple[int, int], device: torch.device, frame: int, computed: int
    ) -> 'Sources':
        """Return the pixels of a view that lie in a kept frame as they do in the view."""
        row, column = grid_of(torch.empty(size, device=device))
        return cls(frame, row.expand(size), column.expand(size), computed)

    @classmethod
    def arrived(cls, arrivals: Arrivals) -> 'Sources':
        """Return where the pixels are from that show points."""
        points, number = arrivals.points, arrivals.number.view(-1)
        frame, computed = (part.index_select(0, number).view_as(arrivals.number)
                           for part in (points.frame, points.computed))
        return cls(frame, arrivals.row, arrivals.column, computed)

    @property
    def places(self) -> Places:
        """The same for resampling."""
        frame = self.frame if isinstance(self.frame, int) else self.frame.view(-1)
        return Places(tuple(self.row.shape), frame, self.row.reshape(-1), self.column.reshape(-1))

    @property
    def frames(self) -> torch.Tensor:
        """The kept frame of each pixel (H, W) int32."""
        return self._filled(self.frame)

    @property
    def computations(self) -> torch.Tensor:
        """The number of the frame in which each pixel (H, W) was computed, int32."""
        return self._filled(self.computed)

    def _filled(self, number: torch.Tensor | int) -> torch.Tensor:
        if isinstance(number, int):
            return torch.full_like(self.row, number, dtype=torch.int32)
        return number

    def replaced(self, where: torch.Tensor, by: 'Sources') -> 'Sources':
        """Return sources that are others where (H, W) says so."""
        return Sources(torch.where(where, by.frames, self.frames),
                       torch.where(where, by.row, self.row),
                       torch.where(where, by.column, self.column),
                       torch.where(where, by.computations, self.computations))
