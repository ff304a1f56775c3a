"""The sensor's noise, estimated while the camera runs and not fooled by what moves."""

from dataclasses import dataclass
import math

import torch

from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.pooling import Pooling

LEAST_PIXEL_NOISE = 1.0
"""Grey levels: below one, rounding to 8 bits hides what the sensor does."""

MOST_PIXEL_NOISE = 12.0
"""Grey levels: more may be a grainy texture that fills the view and passes fast, which nothing
tells from noise; the bound keeps what such a mistake hides small."""

TYPICAL_PIXEL_NOISE = 2.5
"""Grey levels, assumed of a camera until it shows something still."""

_KNOTS = 8
_KNOT_STEP = 256.0 / _KNOTS
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
_SLOWEST_GAIN = 0.1
_FALL_GAIN = 0.2
_PROFILE_GAIN = 0.3
_PROFILE_COUNT = 4.0


@dataclass(frozen=True)
class NoiseState:
    """
    What is known of one camera's noise; it outlives a change of the scene.

    ``log_variance`` (K,) float32 is the logarithm of the variance of pooled values in squared
    grey levels at K brightness levels; ``quiet_frames`` () float32 counts the frames it rests on.
    """

    log_variance: torch.Tensor
    quiet_frames: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.log_variance, self.quiet_frames)


@dataclass(frozen=True)
class _Evidence:
    """
    What one frame says of the noise, all () float32.

    ``log_scale``: by how much the estimate is too small; ``quiet``: 1 where the quietest quarter
    of the patches looks like noise; ``still``: 1 where the quieter half does.
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
        self._rounding = 1.0 / (12 * pooling.shrinkage ** 2)
        self._knots = torch.arange(_KNOTS, dtype=torch.float32, device=device)
        self._shares = torch.tensor(_SHARES, device=device)
        self._expected = torch.tensor(_CHI_SQUARE, device=device)
        self._spread = torch.tensor(_SPREAD, device=device)

    def allocate(self) -> NoiseState:
        """Return the state of a camera of which nothing is known."""
        start = self._log_variance(TYPICAL_PIXEL_NOISE)
        return NoiseState(torch.full_like(self._knots, start), self._knots.new_zeros(()))

    def weights(self, brightness: torch.Tensor) -> torch.Tensor:
        """Return how much each brightness level counts (N, K) for patches (N,) of 0-255."""
        position = (brightness / _KNOT_STEP - 0.5).clamp_(0, _KNOTS - 1)
        return (1 - (position[:, None] - self._knots).abs_()).clamp_(min=0)

    def variance(self, state: NoiseState, weights: torch.Tensor) -> torch.Tensor:
        """Return the variance of pooled values (N,) of patches with ``weights`` (N, K)."""
        return (weights @ state.log_variance).exp_()

    def learn(self, state: NoiseState, weights: torch.Tensor, energy: torch.Tensor) -> None:
        """
        Take in one frame.

        ``energy`` (2, N) is half the mean square of a patch's differences, without the mean of
        each colour, per degree of freedom: to the last frame and to the one before it.
        """
        ratio = energy[0] / self.variance(state, weights)
        evidence = self._weigh(ratio, energy)
        gain = (state.quiet_frames + 1).reciprocal_().clamp_(min=_SLOWEST_GAIN)
        shift = torch.lerp(evidence.log_scale.clamp(max=0) * _FALL_GAIN,
                           evidence.log_scale * gain, evidence.quiet)
        counts = weights.sum(dim=0)
        lean = _lean(ratio, weights, counts) * (evidence.still * _PROFILE_GAIN)
        state.log_variance.add_(lean.add_(shift))
        self._bound(state.log_variance, counts)
        state.quiet_frames.add_(evidence.quiet)

    def _weigh(self, ratio: torch.Tensor, energy: torch.Tensor) -> _Evidence:
        """Compare the quantiles of (N,) ratios with those of white noise."""
        scales = self._quantiles(ratio, (energy[0] < self._rounding).sum()).div_(self._expected)
        scale = scales[0]
        growth = energy.kthvalue(max(1, energy.shape[1] // 4), dim=1).values
        stays = growth[1] <= growth[0] * _MOST_GROWTH
        _, quiet, still = ((scales <= scale * self._spread) & stays).float().unbind()
        return _Evidence(scale.clamp(min=1e-6).log_(), quiet, still * quiet)

    def _quantiles(self, ratio: torch.Tensor, silent: torch.Tensor) -> torch.Tensor:
        """
        Return low quantiles (3,) of (N,) ratios, leaving out the ``silent`` lowest ones.

        Blown-out windows and black borders are silent whatever the sensor does; where most of the
        image is, there is no noise, and the quantiles are 0.
        """
        count = ratio.shape[0]
        noisy = silent * 2 < count
        skipped = silent * noisy
        places = ((count - skipped) * self._shares).long().add_(skipped).clamp_(max=count - 1)
        return ratio.sort().values.gather(0, places).mul_(noisy)

    def _bound(self, log_variance: torch.Tensor, counts: torch.Tensor) -> None:
        """Keep the levels together, so that a brightness only movers have cannot run away."""
        level = torch.dot(log_variance, counts) / counts.sum()
        log_variance.clamp_(level - _MOST_CONTRAST, level + _MOST_CONTRAST)
        log_variance.clamp_(self._log_variance(LEAST_PIXEL_NOISE),
                            self._log_variance(MOST_PIXEL_NOISE))

    def _log_variance(self, pixel_noise: float) -> float:
        """Return the logarithm of the variance of pooled values for a deviation of pixels."""
        return 2 * math.log(pixel_noise / self._shrinkage)


def _lean(ratio: torch.Tensor, weights: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return for each brightness (K,) how many patches less than a quarter are in its quarter."""
    below = (ratio < _CHI_SQUARE[1]).float() @ weights
    return (_SHARES[1] * counts - below) / (counts + _PROFILE_COUNT)
