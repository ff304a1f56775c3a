"""How much each patch differs from an expected image, beyond noise and small shifts."""

from dataclasses import dataclass
import math

import torch

from mtshare_ros.sharing.change import DEVIATIONS, NoiseEstimator, pool_image, score
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.noise_statistics import COLORS, Pooling, quantile_places, SIDE, VALUES

SLACK = 0.5
"""Pixels by which an expected image may be shifted without counting as different."""


@dataclass(frozen=True)
class Residuals:
    """
    The difference of an image from the expected one.

    ``scores`` (N,) float32 are those of patches, on a ChangeDetector's scale; ``areas`` (4 rows,
    4 columns) float32 is the root mean square over the colours of each area of a patch, in grey
    levels.
    """

    scores: torch.Tensor
    areas: torch.Tensor


class ResidualDetector:
    """
    Compares images of one camera, of (rows, columns) patches, with expected images.

    It learns the noise of the sensor from the differences of the quietest patches. Edges may be
    ``slack`` pixels away from their expected place.
    """

    def __init__(
        self, grid: tuple[int, int], patch_size: int, device: torch.device, slack: float = SLACK
    ) -> None:
        pooling = Pooling.of(patch_size)
        self._grid, self._slack = grid, slack * SIDE / patch_size
        self._noise = NoiseEstimator(device, pooling)
        self._state = self._noise.allocate()
        self._lines, self._matrix = pooling.lines(device), pooling.matrix(device)
        self._least = DEVIATIONS * math.sqrt(2 / pooling.independent)
        self._places = quantile_places(grid[0] * grid[1], device)

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return self._state.nbytes + tensor_bytes(self._places)

    def compare(
        self, expected: torch.Tensor, image: torch.Tensor, *, learn: bool
    ) -> Residuals:
        """
        Return how an image differs from the ``expected`` one, both (H, W, 3).

        With ``learn`` the estimate of the noise is updated.
        """
        before, now = self._pooled(expected), self._pooled(image)
        difference = (now - before).abs_().sub_(self._forgiven(before)).clamp_(min=0)
        current = self._by_patch(now)
        weights = self._learn(current, self._by_patch(before)) if learn else None
        # the difference that is left is scored as if a reference had differed by it
        scores = score(current, current - self._by_patch(difference), self._noise.rise,
                       self._state.log_variance, weights, self._least)
        return Residuals(scores, difference.square_().mean(dim=2).sqrt_())

    def _pooled(self, image: torch.Tensor) -> torch.Tensor:
        """Return the means of areas (4 rows, 4 columns, 3) of an image."""
        rows, columns = self._grid
        patches = pool_image(image, self._lines, self._matrix, rows)
        return patches.view(rows * SIDE, columns * SIDE, COLORS)

    def _by_patch(self, areas: torch.Tensor) -> torch.Tensor:
        """Return the values (N, 48) of patches."""
        rows, columns = self._grid
        return areas.view(rows, SIDE, columns, SIDE * COLORS).transpose(1, 2).reshape(-1, VALUES)

    def _forgiven(self, areas: torch.Tensor) -> torch.Tensor:
        """Return the difference that a small shift of an image would make."""
        steps = [_central(areas, axis).abs_() for axis in (0, 1)]
        return torch.maximum(*steps).mul_(self._slack)

    def _learn(self, current: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
        return self._noise.learn(
            self._state, current, expected.expand(2, *expected.shape), self._places)


def _central(areas: torch.Tensor, axis: int) -> torch.Tensor:
    """Return central differences of areas along an axis; the outermost are repeated."""
    first, last = areas.narrow(axis, 0, 1), areas.narrow(axis, areas.shape[axis] - 1, 1)
    padded = torch.cat((first, areas, last), dim=axis)
    size = areas.shape[axis]
    return (padded.narrow(axis, 2, size) - padded.narrow(axis, 0, size)).mul_(0.5)
