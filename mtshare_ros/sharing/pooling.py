"""A patch as the means of 4 x 4 areas, and what becomes of white noise in them."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch

COLORS = 3
SIDE = 4
"""Areas along a side of a patch."""

VALUES = COLORS * SIDE ** 2


@dataclass(frozen=True)
class Pooling:
    """
    The means of the equal areas of patches of a size.

    Where the size is no multiple of 4, pixels between two areas count for both by their share in
    each: ``weights`` (4, patch_size) float64 say how much of each pixel along a side. Means of
    neighbouring areas then have noise in common, which the properties account for.
    """

    patch_size: int
    weights: torch.Tensor

    @classmethod
    @lru_cache(maxsize=4)
    def of(cls, patch_size: int) -> 'Pooling':
        """Return the pooling of patches of so many pixels a side."""
        area = patch_size / SIDE
        starts = torch.arange(SIDE, dtype=torch.float64)[:, None] * area
        pixels = torch.arange(patch_size, dtype=torch.float64)
        ends = torch.minimum(starts + area, pixels + 1)
        return cls(patch_size, (ends - torch.maximum(starts, pixels)).clamp(min=0))

    @property
    def pixels_of_area(self) -> int | None:
        """Pixels along a side of an area, None where that is no whole number."""
        return self.patch_size // SIDE if self.patch_size % SIDE == 0 else None

    @cached_property
    def shrinkage(self) -> float:
        """By how much the deviation of white noise is smaller in a mean than in a pixel."""
        return 1 / float(self._covariance[0, 0])

    @cached_property
    def freedom(self) -> float:
        """
        Degrees of freedom of a patch's values, each colour's mean left out.

        The sum of squares left without the mean, over the variance of a value.
        """
        variance = self._covariance[0, 0] ** 2
        common = self._covariance.sum() ** 2 / SIDE ** 2
        return COLORS * float((SIDE ** 2 * variance - common) / variance)

    @cached_property
    def independent(self) -> float:
        """As many independent values have a mean square that deviates as much as a patch's."""
        covariance = self._covariance
        return COLORS * float(covariance.trace() ** 2 / covariance.square().sum()) ** 2

    def lines(self, device: torch.device) -> torch.Tensor:
        """Return the weights (4, patch_size) float32 that sum a patch's lines."""
        return self.weights.float().to(device)

    def matrix(self, device: torch.device) -> torch.Tensor:
        """Return (3 patch_size, 12) float32: summed lines of pixels to the means of areas."""
        area = self.patch_size / SIDE
        matrix = torch.kron(self.weights.t().contiguous(), torch.eye(COLORS, dtype=torch.float64))
        return (matrix / area ** 2).float().to(device)

    @property
    def _covariance(self) -> torch.Tensor:
        """That of means along one side (4, 4), of pixels of variance 1."""
        along = self.weights / (self.patch_size / SIDE)
        return along @ along.t()
