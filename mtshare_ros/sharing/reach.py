"""How far a change spreads through convolutions, worked out from their kernels."""

from dataclasses import dataclass
from fractions import Fraction
import math
from typing import Iterable

import torch
from torch import nn


@dataclass(frozen=True)
class ReceptiveField:
    """
    The output pixels that depend on the pixels of one patch, in each direction.

    They are ``first`` to ``last``, counted from the patch's first pixel.
    """

    first: int
    last: int

    @classmethod
    def of_patch(cls, side: int) -> 'ReceptiveField':
        """Return the pixels of a patch itself."""
        return cls(0, side - 1)

    def through(self, convolutions: Iterable[nn.Conv2d]) -> 'ReceptiveField':
        """Return the output pixels of convolutions, run one after the other, that differ."""
        first, last = self.first, self.last
        for layer in convolutions:
            kernel, stride, padding = layer.kernel_size[0], layer.stride[0], layer.padding[0]
            # output y reads y * stride - padding and the following kernel - 1 pixels
            first = -((kernel - 1 - padding - first) // stride)
            last = (last + padding) // stride
        return ReceptiveField(first, last)

    def enlarged(self, factor: Fraction) -> 'ReceptiveField':
        """
        Return the pixels that differ after bilinear enlargement.

        A pixel differs whose centre lies less than one pixel of the source from that of a source
        pixel that does.
        """
        half = Fraction(1, 2)
        before = (self.first - half) * factor - half
        behind = (self.last + 3 * half) * factor - half
        return ReceptiveField(math.floor(before) + 1, math.ceil(behind) - 1)

    def in_patches(self, side: int) -> 'ReceptiveField':
        """Return the patches of ``side`` pixels that the pixels lie in."""
        return ReceptiveField(self.first // side, self.last // side)

    def border(self, side: int) -> int:
        """Return by how many pixels the wider end sticks out of a patch of ``side`` pixels."""
        return max(-self.first, self.last - (side - 1))

    def followed_by(self, other: 'ReceptiveField') -> 'ReceptiveField':
        """Return the pixels that what is reached reaches."""
        return ReceptiveField(self.first + other.first, self.last + other.last)

    def spread(self, mask: torch.Tensor) -> torch.Tensor:
        """Return a bool mask (rows, columns) with what its true patches reach."""
        return _spread(_spread(mask, self, 0), self, 1)


def _spread(mask: torch.Tensor, field: ReceptiveField, axis: int) -> torch.Tensor:
    """Spread along one axis."""
    size = mask.shape[axis]
    spread = mask.clone()
    first, last = max(field.first, 1 - size), min(field.last, size - 1)
    for offset in range(first, last + 1):
        if offset:
            length = size - abs(offset)
            spread.narrow(axis, max(offset, 0), length).logical_or_(
                mask.narrow(axis, max(-offset, 0), length))
    return spread
