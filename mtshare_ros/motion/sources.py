"""Which kept frame each pixel of a view is from, and where it lies there."""

from dataclasses import dataclass, fields

import torch

from mtshare_ros.motion.points import grid_of
from mtshare_ros.motion.resampling import Places
from mtshare_ros.motion.splatting import Arrivals


@dataclass(frozen=True)
class Sources:
    """
    Where the pixels (H, W) of a view are from.

    ``frame`` int32 is the kept frame, ``row`` and ``column`` float32 the place in it, ``computed``
    int32 the number of the frame in which the pixel was computed.
    """

    frame: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    computed: torch.Tensor

    @classmethod
    def here(
        cls, size: tuple[int, int], device: torch.device, frame: int, computed: int
    ) -> 'Sources':
        """Return the pixels of a view that lie in a kept frame as they do in the view."""
        frames = torch.full(size, frame, dtype=torch.int32, device=device)
        row, column = grid_of(frames)
        return cls(frames, row.expand(size), column.expand(size),
                   torch.full_like(frames, computed))

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
        return Places(tuple(self.frame.shape), self.frame.view(-1), self.row.reshape(-1),
                      self.column.reshape(-1))

    def replaced(self, where: torch.Tensor, by: 'Sources') -> 'Sources':
        """Return sources that are others where (H, W) says so."""
        return Sources(*(torch.where(where, getattr(by, part.name), getattr(self, part.name))
                         for part in fields(self)))
