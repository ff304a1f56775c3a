"""Values of kept frames between their pixels."""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Places:
    """
    Where pixels (n,) lie in kept frames of ``size`` (H, W).

    ``frame`` (n,) is the number of the kept frame, one number for all, ``row`` and ``column``
    (n,) float32 the place in it; beyond the frame's borders lies what its border shows.
    """

    size: tuple[int, int]
    frame: torch.Tensor | int
    row: torch.Tensor
    column: torch.Tensor

    def select(self, which: torch.Tensor) -> 'Places':
        """Return some of the places (m,)."""
        frame = self.frame
        if not isinstance(frame, int):
            frame = frame.index_select(0, which)
        return Places(self.size, frame, self.row.index_select(0, which),
                      self.column.index_select(0, which))

    @cached_property
    def nearest(self) -> torch.Tensor:
        """The nearest pixels (n,) int32 in a table of all frames' pixels."""
        height, width = self.size
        row = self.row.round().clamp_(0, height - 1)
        column = self.column.round().clamp_(0, width - 1)
        return row.mul_(width).add_(column).int().add_(self._start)

    @cached_property
    def _start(self) -> torch.Tensor | int:
        return self.frame * (self.size[0] * self.size[1])

    @cached_property
    def corners(self) -> torch.Tensor:
        """The four pixels (n, 4) int32 about each place, in a table of all frames' pixels."""
        width = self.size[1]
        first = (self._top * width).add_(self._left).int().add_(self._start)
        steps = torch.tensor((0, 1, width, width + 1), dtype=torch.int32, device=first.device)
        return first[:, None] + steps

    @cached_property
    def weights(self) -> torch.Tensor:
        """How much each of the four counts: (n, 4) float16."""
        down = (self.row - self._top).clamp_(0, 1)
        right = (self.column - self._left).clamp_(0, 1)
        both = down * right
        weights = torch.empty(*down.shape, 4, dtype=torch.float16, device=down.device)
        for corner, part in enumerate((1 - down - right + both, right - both, down - both, both)):
            weights[..., corner] = part
        return weights

    @cached_property
    def _top(self) -> torch.Tensor:
        return self.row.floor().clamp_(0, self.size[0] - 2)

    @cached_property
    def _left(self) -> torch.Tensor:
        return self.column.floor().clamp_(0, self.size[1] - 2)


def blend(table: torch.Tensor, places: Places) -> torch.Tensor:
    """
    Return values (n, C) between the pixels of a table (pixels of all frames, C), both float16.

    All C values of a pixel lie together, so that each place takes four reads.
    """
    return F.embedding_bag(places.corners, table, mode='sum', per_sample_weights=places.weights)


def pick(table: torch.Tensor, places: Places) -> torch.Tensor:
    """Return the values (n,) of the nearest pixels of a table (pixels of all frames,)."""
    return table.index_select(0, places.nearest)
