"""The sensor's noise, estimated while the camera runs and not fooled by what moves."""

from dataclasses import dataclass
import math
from typing import Callable

import torch

from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.noise_learning import (
    adapt,
    CHI_SQUARE,
    Energies,
    energies,
    energy_matrices,
    KNOTS,
    log_variance_of,
    SPREAD,
    weights_of,
)
from mtshare_ros.sharing.pooling import Pooling

TYPICAL_PIXEL_NOISE = 2.5
"""Grey levels, assumed of a camera until it shows something still."""


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

    def __init__(
        self, device: torch.device, pooling: Pooling,
        find_energies: Callable[..., Energies] = energies, let_adapt: Callable[..., None] = adapt,
    ) -> None:
        self._find_energies, self._let_adapt = find_energies, let_adapt
        self._shrinkage = pooling.shrinkage
        self.rise = torch.tensor(
            [math.inf, *(-0.5 - knot for knot in range(KNOTS - 1)), -math.inf], device=device)
        # half the mean square per degree of freedom, over what the first quantile is in noise
        self.scale = 1 / (2 * pooling.freedom * CHI_SQUARE[0])
        self.matrices = energy_matrices(self.scale).to(device)
        self.most = torch.tensor([
            spread * expected / CHI_SQUARE[0] for spread, expected in zip(SPREAD, CHI_SQUARE)
        ], device=device)

    def allocate(self) -> NoiseState:
        """Return the state of a camera of which nothing is known."""
        start = log_variance_of(TYPICAL_PIXEL_NOISE, self._shrinkage)
        return NoiseState(self.rise.new_full((KNOTS,), start), self.rise.new_ones(()))

    def weights(self, brightness: torch.Tensor) -> torch.Tensor:
        """Return how much each brightness level counts (N, K) for patches (N,) of 0-255."""
        return weights_of(brightness, self.rise)

    def variance(self, state: NoiseState, weights: torch.Tensor) -> torch.Tensor:
        """Return the variance of pooled values (N,) of patches with ``weights`` (N, K)."""
        return (weights @ state.log_variance).exp_()

    def learn(
        self, state: NoiseState, current: torch.Tensor, past: torch.Tensor, places: torch.Tensor
    ) -> torch.Tensor:
        """
        Take in one frame (N, 48), and return the weights of its patches.

        ``past`` (2, N, 48) are the last frame and the one before it; ``places`` are
        ``quantile_places`` of N.
        """
        ratio, energy, weights = self._find_energies(
            current, past, self.rise, state.log_variance, self.matrices, self.scale)
        ordered = ratio.sort().values
        growth = energy.kthvalue(max(1, energy.shape[1] // 4), dim=1).values
        self._let_adapt(ratio, energy, ordered, growth, weights, places, self.most,
                        state.log_variance, state.steps, self._shrinkage)
        return weights
