"""Parts of maps that differ, and how they spread."""

from dataclasses import dataclass
from functools import cached_property

import torch

from mtshare_ros.sharing.aligned import AlignedEnlargement
from mtshare_ros.sharing.level import Level, taps_of_pixels
from mtshare_ros.sharing.reach import ReceptiveField

LARGEST_SHARE = 0.5
"""Share of pixels above which a whole map is computed faster than its parts."""

_NEIGHBOURS = ReceptiveField(-1, 1)


@dataclass(frozen=True)
class Region:
    """Pixels of a map at a level: a mask (height, width) bool, None for all of them."""

    level: Level
    mask: torch.Tensor | None = None

    @classmethod
    def of_patches(cls, level: Level, patches: torch.Tensor | None) -> 'Region':
        """Return all pixels of the patches of a mask (N,), None for every patch."""
        if patches is None:
            return cls(level)
        grid, side = level.grid, level.side
        return cls(level, patches.view(grid).repeat_interleave(side, 0).repeat_interleave(side, 1))

    @cached_property
    def pixels(self) -> torch.Tensor | None:
        """The pixels (p,) to compute, None where it is faster to compute all."""
        if self.mask is None:
            return None
        pixels = self.mask.flatten().nonzero()[:, 0]
        return None if pixels.shape[0] > LARGEST_SHARE * self.level.count else pixels

    @property
    def computed(self) -> int:
        """How many pixels are computed for it."""
        return self.level.count if self.pixels is None else self.pixels.shape[0]

    def taps(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return what a 3x3 convolution reads for some pixels (p,): (p * 9,)."""
        taps = taps_of_pixels(self.level, self.level, pixels.device, kernel=3, padding=1)
        return taps.index_select(0, pixels).view(-1)

    def grown(self) -> 'Region':
        """Return the pixels that a 3x3 convolution makes different."""
        if self.mask is None:
            return self
        return Region(self.level, _NEIGHBOURS.spread(self.mask))

    def enlarged(self, enlargement: AlignedEnlargement) -> 'Region':
        """Return the pixels of the larger map that read one of these."""
        if self.mask is None:
            return Region(enlargement.target)
        return Region(enlargement.target, enlargement.affected(self.mask))

    def united(self, other: 'Region') -> 'Region':
        """Return the pixels that are in either of two regions of a level."""
        if self.mask is None or other.mask is None:
            return Region(self.level)
        return Region(self.level, self.mask | other.mask)

    def patches(self) -> torch.Tensor | None:
        """Return the patches (rows, columns) bool that pixels lie in, None for all."""
        if self.mask is None:
            return None
        side = self.level.side
        return self.mask.unflatten(1, (-1, side)).unflatten(0, (-1, side)).any(dim=3).any(dim=1)
