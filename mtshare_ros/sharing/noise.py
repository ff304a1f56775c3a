"""The sensor's noise, estimated while the camera runs and not fooled by what moves."""

from dataclasses import dataclass
from functools import lru_cache
import math

import torch

from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.pooling import COLORS, Pooling, SIDE

LEAST_PIXEL_NOISE = 1.0
"""Grey levels: below one, rounding to 8 bits hides what the sensor does."""

MOST_PIXEL_NOISE = 12.0
"""Grey levels: more may be a grainy texture that fills the view and passes fast, which nothing
tells from noise; the bound keeps what such a mistake hides small."""

TYPICAL_PIXEL_NOISE = 2.5
"""Grey levels, assumed of a camera until it shows something still."""

_KNOTS = 8
KNOT_STEP = 256.0 / _KNOTS
"""Grey levels from one brightness level to the next."""
_MOST_CONTRAST = math.log(4.0)

_SHARES = (0.05, 0.25, 0.5)
_CHI_SQUARE = (0.6803, 0.8509, 0.9852)
"""
Quantiles of chi-square per degree of freedom at these shares, for 48 values less 3 means.

Those of the means of a patch of 14 pixels, which are not quite independent, are 0.2 % lower.
"""

_SPREAD = (1.0, 1.25, 1.5)
"""How many times as far as in white noise the quantiles may lie from the lowest of them."""

_MOST_GROWTH = 1.15
_MOST_STEPS = 10.0
_FALL_GAIN = 0.2
_PROFILE_GAIN = 0.3
_PROFILE_COUNT = 4.0


@dataclass(frozen=True)
class NoiseState:
    """
    What is known of one camera's noise; it outlives a change of the scene.

    ``log_variance`` (K,) float32 is the logarithm of the variance of pooled values in squared
    grey levels at K brightness levels. ``steps`` () float32: what a frame says is followed by one
    step of so many.
    """

    log_variance: torch.Tensor
    steps: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.log_variance, self.steps)


@dataclass(frozen=True)
class _Evidence:
    """
    What one frame says of the noise.

    ``log_scale`` () float32: by how much the estimate is too small; ``quiet`` () bool: whether the
    quietest quarter of the patches looks like noise; ``still`` () bool: whether the quieter half
    does.
    """

    log_scale: torch.Tensor
    quiet: torch.Tensor
    still: torch.Tensor


class NoiseEstimator:
    """
    Follows the noise of a camera from the differences of consecutive frames.

    Only the quietest patches speak, and of their differences only what is left without the mean
    of each colour: neither movers nor a drifting exposure are heard. Where the camera moves, every
    patch changes and the noise can only look too large. So the estimate falls with any frame but
    rises only with one whose quietest quarter looks like white noise: spread as chi-square is, and
    no larger over two frames than over one. Which brightness is how noisy is learnt only
    where the quieter half looks like that.
    """

    def __init__(self, device: torch.device, pooling: Pooling) -> None:
        self._shrinkage = pooling.shrinkage
        self._silence = 1.0 / (12 * pooling.shrinkage ** 2 * _CHI_SQUARE[0])
        self.rise = torch.tensor(
            [math.inf, *(-0.5 - knot for knot in range(_KNOTS - 1)), -math.inf], device=device)
        self._energy = _energy_matrices(pooling).to(device)
        self._most = torch.tensor([
            spread * expected / _CHI_SQUARE[0] for spread, expected in zip(_SPREAD, _CHI_SQUARE)
        ], device=device)

    def allocate(self) -> NoiseState:
        """Return the state of a camera of which nothing is known."""
        start = self._log_variance(TYPICAL_PIXEL_NOISE)
        return NoiseState(self.rise.new_full((_KNOTS,), start), self.rise.new_ones(()))

    def weights(self, brightness: torch.Tensor) -> torch.Tensor:
        """Return how much each brightness level counts (N, K) for patches (N,) of 0-255."""
        return weights_of(brightness, self.rise)

    def variance(self, state: NoiseState, weights: torch.Tensor) -> torch.Tensor:
        """Return the variance of pooled values (N,) of patches with ``weights`` (N, K)."""
        return (weights @ state.log_variance).exp_()

    def learn(
        self, state: NoiseState, weights: torch.Tensor, change: torch.Tensor, places: torch.Tensor
    ) -> None:
        """
        Take in one frame.

        ``change`` (2, N, 48) is what became of the patches since the last frame and since the one
        before it; ``places`` are ``quantile_places`` of N.
        """
        energy = (change @ self._energy).square_().sum(dim=2)
        ratio = energy[0] / self.variance(state, weights)
        evidence = self._weigh(ratio, energy, places)
        counts = weights.sum(dim=0)
        # by level, how many patches more than a quarter are in its quietest quarter
        surplus = (ratio.lt_(_CHI_SQUARE[1] / _CHI_SQUARE[0]) @ weights).sub_(
            counts, alpha=_SHARES[1]).mul_(evidence.still)
        state.log_variance.addcdiv_(surplus, counts + _PROFILE_COUNT, value=-_PROFILE_GAIN)
        state.log_variance.add_(_shift(evidence, state.steps))
        self._bound(state.log_variance, counts, ratio.shape[0])
        state.steps.add_(evidence.quiet).clamp_(max=_MOST_STEPS)

    def _weigh(
        self, ratio: torch.Tensor, energy: torch.Tensor, places: torch.Tensor
    ) -> _Evidence:
        """Compare low quantiles of (N,) ratios with those of white noise."""
        silent = (energy[0] < self._silence).sum().view(1)
        quantiles = ratio.sort().values.gather(0, places.index_select(0, silent)[0])
        scale = quantiles[0]
        growth = energy.kthvalue(max(1, energy.shape[1] // 4), dim=1).values
        white = (quantiles <= scale * self._most) & (growth[1] <= growth[0])
        return _Evidence(scale.clamp(min=1e-6).log_(), white[1], white[1] & white[2])

    def _bound(self, log_variance: torch.Tensor, counts: torch.Tensor, patches: int) -> None:
        """Keep the levels together, so that a brightness only movers have cannot run away."""
        level = torch.dot(log_variance, counts)
        log_variance.sub_(level, alpha=1 / patches).clamp_(-_MOST_CONTRAST, _MOST_CONTRAST)
        log_variance.add_(level, alpha=1 / patches)
        log_variance.clamp_(self._log_variance(LEAST_PIXEL_NOISE),
                            self._log_variance(MOST_PIXEL_NOISE))

    def _log_variance(self, pixel_noise: float) -> float:
        """Return the logarithm of the variance of pooled values for a deviation of pixels."""
        return 2 * math.log(pixel_noise / self._shrinkage)


def weights_of(brightness: torch.Tensor, rise: torch.Tensor) -> torch.Tensor:
    """
    Return how much each of K levels counts (N, K) for a brightness (N,) of 0-255.

    From each level to the next, one rises from 0 to 1 and the other falls. ``rise`` (K + 1,) is
    where, in levels, that begins: the first counts wholly below it, the last above it.
    """
    risen = torch.add(rise, brightness[:, None], alpha=1 / KNOT_STEP).clamp_(0, 1)
    return risen[:, :-1] - risen[:, 1:]


@lru_cache(maxsize=16)
def quantile_places(count: int, device: torch.device) -> torch.Tensor:
    """
    Return where low quantiles of sorted values stand, (count + 1, 3) int64, by the silent ones.

    Blown-out windows and black borders are silent whatever the sensor does, and left out: they are
    the lowest. Where most of the image is, there is no noise, and the place is the first.
    """
    silent = torch.arange(count + 1)[:, None]
    places = ((count - silent) * torch.tensor(_SHARES)).long() + silent
    return torch.where(silent * 2 < count, places.clamp_(max=count - 1), 0).to(device)


def _shift(evidence: _Evidence, steps: torch.Tensor) -> torch.Tensor:
    """Return by how much () the estimate rises, or falls as it may with any frame."""
    falling = evidence.log_scale.clamp(max=0).mul_(_FALL_GAIN)
    return torch.where(evidence.quiet, evidence.log_scale / steps, falling)


def _energy_matrices(pooling: Pooling) -> torch.Tensor:
    """
    Return (2, 48, 48): the squares of a patch's differences, multiplied by them, sum to an energy.

    It is half the mean square of the differences without the mean of each colour, per degree of
    freedom, over what the first quantile of white noise is; that since the frame before the last
    also over how much larger it may be.
    """
    means = torch.full((SIDE ** 2, SIDE ** 2), 1 / SIDE ** 2, dtype=torch.float64)
    around = torch.kron(torch.eye(SIDE ** 2) - means, torch.eye(COLORS))
    since_last = 1 / math.sqrt(2 * pooling.freedom * _CHI_SQUARE[0])
    scales = torch.tensor([since_last, since_last / math.sqrt(_MOST_GROWTH)], dtype=torch.float64)
    return (scales[:, None, None] * around).float()
