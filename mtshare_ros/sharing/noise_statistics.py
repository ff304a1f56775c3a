"""The noise of a sensor from differences of pooled frames, as functions of tensors."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
import math

import torch

COLORS = 3
SIDE = 4
"""Areas along a side of a patch."""

VALUES = COLORS * SIDE ** 2


@dataclass(frozen=True)
class Pooling:
    """
    The means of the equal areas of patches of a size.

    If the size is no multiple of 4, pixels between two areas count for both by their overlap:
    ``weights`` (4, patch_size) float64 say how much of each pixel along a side. Means of
    neighbouring areas then have noise in common, which the properties account for.
    """

    patch_size: int
    weights: torch.Tensor

    @classmethod
    @lru_cache(maxsize=4)
    def of(cls, patch_size: int) -> 'Pooling':
        """Return the pooling of patches of ``patch_size`` pixels a side."""
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
        """The deviation of white noise in a pixel, divided by that in a mean."""
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
        """The number of independent values whose mean square varies as much as a patch's."""
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


LEAST_PIXEL_NOISE = 1.0
"""Grey levels: less noise than that is hidden by rounding to 8 bits."""

MOST_PIXEL_NOISE = 12.0
"""
Grey levels: the most that counts as noise.

A grainy texture that fills the view and moves fast cannot be told from noise; this bound limits
how much change such a mistake hides.
"""

KNOTS = 8
"""Levels of brightness."""

KNOT_STEP = 256.0 / KNOTS
"""Grey levels from one of them to the next."""

MOST_CONTRAST = math.log(4.0)

SHARES = (0.05, 0.25, 0.5)
CHI_SQUARE = (0.6803, 0.8509, 0.9852)
"""
Quantiles of chi-square per degree of freedom at these shares, for 48 values less 3 means.

Those of the means of a patch of 14 pixels, which are not quite independent, are 0.2 % lower.
"""

SPREAD = (1.0, 1.25, 1.5)
"""Factor by which quantiles may exceed those of white noise, relative to the lowest."""

MOST_GROWTH = 1.15  # factor by which noise may look larger over two frames than over one
MOST_STEPS = 10.0  # a quiet frame moves the estimate by at least a tenth of the way to its own
FALL_GAIN = 0.2  # share of the way that a frame which does not look like noise may lower it
PROFILE_GAIN = 0.3  # how fast a level of brightness follows its patches
PROFILE_COUNT = 4.0  # patches that are added to a level's, so that few of them count little
LEAST_SCALE = 1e-6  # keeps a logarithm finite

LOUD = CHI_SQUARE[1] / CHI_SQUARE[0]
"""The ratio below which a patch is in the quietest quarter."""


Energies = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class _Evidence:
    """
    What one frame tells about the noise.

    ``log_scale`` () float32: by how much the estimate is too small; ``quiet`` () bool: whether the
    quietest quarter of the patches looks like noise; ``still`` () bool: whether the quieter half
    does.
    """

    log_scale: torch.Tensor
    quiet: torch.Tensor
    still: torch.Tensor


def weights_of(brightness: torch.Tensor, rise: torch.Tensor) -> torch.Tensor:
    """
    Return the weights (N, K) of K levels for a brightness (N,) of 0-255.

    Between two levels the weights of both are interpolated linearly. ``rise`` (K + 1,) is minus
    the brightness, in steps of KNOT_STEP, at which the weight of each level begins to rise; at the
    ends it is infinite, so that the outermost levels count alone beyond their brightness.
    """
    risen = torch.add(rise, brightness[:, None], alpha=1 / KNOT_STEP).clamp_(0, 1)
    return risen[:, :-1] - risen[:, 1:]


@lru_cache(maxsize=16)
def quantile_places(count: int, device: torch.device) -> torch.Tensor:
    """
    Return the places of low quantiles in sorted values, (count + 1, 3) int64.

    A row is for as many silent patches as its number. They show no noise, such as blown-out
    windows and black borders; they are the lowest values and are left out. If most patches are
    silent there is no noise to measure, and the places are 0.
    """
    silent = torch.arange(count + 1)[:, None]
    places = ((count - silent) * torch.tensor(SHARES)).long() + silent
    return torch.where(silent * 2 < count, places.clamp_(max=count - 1), 0).to(device)


def energies(
    current: torch.Tensor, past: torch.Tensor, rise: torch.Tensor, log_variance: torch.Tensor,
    matrices: torch.Tensor, scale: float,
) -> Energies:
    """
    Return the energies (2, N) of changes since two past frames, see ``energy_matrices``.

    They come second. The first result is the ratio (N,) of the energy since the last frame to the
    known variance; ``adapt`` overwrites it. The third is the weights (N, K) of the patches.
    ``scale`` is the one that the first of the matrices was made with.
    """
    weights = weights_of(current.mean(dim=1), rise)
    energy = ((current - past) @ matrices).square_().sum(dim=2)
    return energy[0] / (weights @ log_variance).exp_(), energy, weights


def adapt(
    ratio: torch.Tensor, energy: torch.Tensor, ordered: torch.Tensor, growth: torch.Tensor,
    weights: torch.Tensor, places: torch.Tensor, most: torch.Tensor, log_variance: torch.Tensor,
    steps: torch.Tensor, shrinkage: float,
) -> None:
    """
    Update ``log_variance`` and ``steps``, see NoiseState, with the result of ``energies``.

    ``ordered`` are the ratios sorted, ``growth`` (2,) is the value that a quarter of each energy
    stays below, and ``most`` (3,) by what factor each quantile may exceed the lowest one.
    """
    evidence = _weigh(ordered, growth, (energy[0] < silence_of(shrinkage)).sum(), places, most)
    counts = weights.sum(dim=0)
    # by level, the patches in the quietest quarter of the image beyond a quarter of its own
    surplus = (ratio.lt_(LOUD) @ weights).sub_(counts, alpha=SHARES[1]).mul_(evidence.still)
    log_variance.addcdiv_(surplus, counts + PROFILE_COUNT, value=-PROFILE_GAIN)
    falling = evidence.log_scale.clamp(max=0).mul_(FALL_GAIN)
    log_variance.add_(torch.where(evidence.quiet, evidence.log_scale / steps, falling))
    _bound(log_variance, counts, ratio.shape[0], shrinkage)
    steps.add_(evidence.quiet).clamp_(max=MOST_STEPS)


def _weigh(
    ordered: torch.Tensor, growth: torch.Tensor, silent: torch.Tensor, places: torch.Tensor,
    most: torch.Tensor,
) -> _Evidence:
    """Compare low quantiles of ratios, the ``silent`` lowest left out, with white noise's."""
    quantiles = ordered.gather(0, places.index_select(0, silent.view(1))[0])
    scale = quantiles[0]
    white = (quantiles <= scale * most) & (growth[1] <= growth[0])
    return _Evidence(scale.clamp(min=LEAST_SCALE).log_(), white[1], white[1] & white[2])


def _bound(
    log_variance: torch.Tensor, counts: torch.Tensor, patches: int, shrinkage: float
) -> None:
    """Bound the differences of levels: else one that only moving objects have would drift."""
    level = torch.dot(log_variance, counts)
    log_variance.sub_(level, alpha=1 / patches).clamp_(-MOST_CONTRAST, MOST_CONTRAST)
    log_variance.add_(level, alpha=1 / patches)
    log_variance.clamp_(*bounds_of(shrinkage))


def silence_of(shrinkage: float) -> float:
    """Return the energy below which a patch shows only the rounding to 8 bits."""
    return 1.0 / (12 * shrinkage ** 2 * CHI_SQUARE[0])


def bounds_of(shrinkage: float) -> tuple[float, float]:
    """Return the least and the greatest logarithm of a variance."""
    return (log_variance_of(LEAST_PIXEL_NOISE, shrinkage),
            log_variance_of(MOST_PIXEL_NOISE, shrinkage))


def log_variance_of(pixel_noise: float, shrinkage: float) -> float:
    """Return the logarithm of the variance of pooled values for a deviation of pixels."""
    return 2 * math.log(pixel_noise / shrinkage)


def energy_matrices(scale: float) -> torch.Tensor:
    """
    Return matrices (2, 48, 48); the squares of their products with differences sum to energies.

    An energy is ``scale`` times the sum of squares of a patch's differences without the mean of
    each colour. The second matrix, for differences over two frames, divides it by MOST_GROWTH.
    """
    means = torch.full((SIDE ** 2, SIDE ** 2), 1 / SIDE ** 2, dtype=torch.float64)
    around = torch.kron(torch.eye(SIDE ** 2) - means, torch.eye(COLORS))
    scales = torch.tensor([scale, scale / MOST_GROWTH], dtype=torch.float64)
    return (scales.sqrt()[:, None, None] * around).float()
