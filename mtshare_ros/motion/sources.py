"""Which kept frame each pixel of a view is from, and where it lies there."""

from dataclasses import dataclass, fields

import torch

from mtshare_ros.motion.reprojection import Reprojection
from mtshare_ros.motion.resampling import Places


@dataclass(frozen=True)
class Sources:
    """
    Where the pixels (H, W) of a view are from.

    ``frame`` int32 is the kept frame, ``down`` and ``right`` float32 by how much further down and
    right a pixel lies there, ``computed`` int32 the number of the frame in which it was computed.
    """

    frame: torch.Tensor
    down: torch.Tensor
    right: torch.Tensor
    computed: torch.Tensor

    @classmethod
    def here(
        cls, size: tuple[int, int], device: torch.device, frame: int, computed: int
    ) -> 'Sources':
        """Return the pixels of a view that lie in a kept frame as they do in the view."""
        still = torch.zeros(size, device=device)
        return cls(torch.full(size, frame, dtype=torch.int32, device=device), still, still,
                   torch.full(size, computed, dtype=torch.int32, device=device))

    @property
    def place(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Row and column (H, W) of each pixel in its frame."""
        row, column = (torch.arange(float(length), device=self.down.device)
                       for length in self.frame.shape)
        return self.down + row[:, None], self.right + column

    @property
    def places(self) -> Places:
        """The same for resampling."""
        row, column = self.place
        return Places(tuple(self.frame.shape), self.frame.view(-1), row.view(-1), column.view(-1))

    def moved(self, to: Reprojection) -> 'Sources':
        """Return the sources of the next view."""
        index = to.source.view(-1)
        frame, down, right, computed = (
            getattr(self, part.name).view(-1).index_select(0, index).view_as(to.source)
            for part in fields(self))
        return Sources(frame, down.add_(to.down), right.add_(to.right), computed)

    def replaced(self, where: torch.Tensor, by: 'Sources') -> 'Sources':
        """Return sources that are others where (H, W) says so."""
        return Sources(*(torch.where(where, getattr(by, part.name), getattr(self, part.name))
                         for part in fields(self)))
