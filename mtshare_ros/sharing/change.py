"""How much each patch of the image changed, compared with the noise of the sensor."""

from dataclasses import dataclass
import math
from typing import Callable

import torch

from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.noise_statistics import (
    adapt,
    CHI_SQUARE,
    COLORS,
    Energies,
    energies,
    energy_matrices,
    KNOTS,
    log_variance_of,
    Pooling,
    quantile_places,
    SIDE,
    SPREAD,
    VALUES,
    weights_of,
)

TYPICAL_PIXEL_NOISE = 2.5
"""Grey levels, assumed of a camera until its noise has been measured."""


@dataclass(frozen=True)
class NoiseState:
    """
    The estimate of one camera's noise; it is kept when the scene changes.

    ``log_variance`` (K,) float32 is the logarithm of the variance of pooled values in squared grey
    levels at K brightness levels. A frame moves the estimate by 1 / ``steps`` () float32 of the
    way to the frame's own.
    """

    log_variance: torch.Tensor
    steps: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.log_variance, self.steps)


class NoiseEstimator:
    """
    Estimates the noise of a camera from the differences of consecutive frames.

    Only the quietest patches count, and of their differences only what is left without the mean of
    each colour, so that moving objects and a drifting exposure are left out. While the camera
    moves, every patch changes and the noise looks too large. So every frame may lower the
    estimate, but only a frame whose quietest quarter looks like white noise may raise it:
    distributed as chi-square, and no larger over two frames than over one. How noise depends on
    brightness is learnt only where the quieter half looks like that.
    """

    def __init__(
        self, device: torch.device, pooling: Pooling,
        find_energies: Callable[..., Energies] = energies, let_adapt: Callable[..., None] = adapt,
    ) -> None:
        self._find_energies, self._let_adapt = find_energies, let_adapt
        self._shrinkage = pooling.shrinkage
        self.rise = torch.tensor(
            [math.inf, *(-0.5 - knot for knot in range(KNOTS - 1)), -math.inf], device=device)
        # half the mean square per degree of freedom, divided by the first quantile of white noise
        self.scale = 1 / (2 * pooling.freedom * CHI_SQUARE[0])
        self.matrices = energy_matrices(self.scale).to(device)
        self.most = torch.tensor([
            spread * expected / CHI_SQUARE[0] for spread, expected in zip(SPREAD, CHI_SQUARE)
        ], device=device)

    def allocate(self) -> NoiseState:
        """Return the state of a new camera."""
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
        Update the estimate with a frame (N, 48), and return the weights of its patches.

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


NOTICED = 2.8
"""
Grey levels, root mean square over a patch: the change with score 1 where the sensor is quiet.

Chosen on handheld clips of rooms: at 4, slow shifts of faint texture go unnoticed, and sharing
costs normals and depth 2 %; below 2, frames count as scene cuts, and far more is computed for
little gain.
"""

DEVIATIONS = 8.0
"""On a noisy sensor, the change with score 1 in deviations of the noise's share of it."""

_LEARNING_INTERVAL = 2


def score(
    current: torch.Tensor, reference: torch.Tensor, rise: torch.Tensor,
    log_variance: torch.Tensor, weights: torch.Tensor | None, least: float,
) -> torch.Tensor:
    """
    Return the scores (N,) of patches (N, 48), whose ``reference`` is what was transmitted.

    ``rise`` and ``log_variance`` are those of NoiseEstimator and NoiseState; ``weights`` are those
    of the estimator, None to compute them. ``least`` is the smallest change that counts, relative
    to the noise's share of a change.
    """
    if weights is None:
        weights = weights_of(current.mean(dim=1), rise)
    variance = (weights @ log_variance).exp_()
    change = torch.linalg.vector_norm(current - reference, dim=1)
    # half of what noise adds minus half of the mean square: negative where the change is larger
    excess = torch.addcmul(variance, change, change, value=-1 / (2 * VALUES)).clamp_(max=0)
    return excess.div_(variance.clamp_(min=NOTICED ** 2 / (2 * least))).mul_(-1 / least).sqrt_()


def take_image(
    image: torch.Tensor, current: torch.Tensor, past: torch.Tensor, lines: torch.Tensor,
    matrix: torch.Tensor, rows: int, columns: int,
) -> None:
    """
    Copy ``current`` to ``past`` (N, 48), and pool an image (1, 3, H, W) uint8 to ``current``.

    ``lines`` and ``matrix`` are those of its Pooling.
    """
    past.copy_(current)
    patches = pool_image(image[0].permute(1, 2, 0), lines, matrix, rows)
    target = current.view(rows, columns, SIDE, SIDE * COLORS)
    target.copy_(patches.view(rows, SIDE, columns, SIDE * COLORS).transpose(1, 2))


def pool_image(
    pixels: torch.Tensor, lines: torch.Tensor, matrix: torch.Tensor, rows: int
) -> torch.Tensor:
    """
    Return the means (16 rows x columns, 12) of areas of an image (H, W, 3), line by line.

    ``lines`` and ``matrix`` are those of a Pooling.
    """
    return _line_sums(pixels, lines, rows).view(-1, matrix.shape[0]) @ matrix


def _line_sums(pixels: torch.Tensor, lines: torch.Tensor, rows: int) -> torch.Tensor:
    """Return the sums of an image's lines (4 x rows, 3 W) over the height of each area."""
    patch_size = lines.shape[1]
    if patch_size % SIDE:
        return lines @ pixels.reshape(rows, patch_size, -1).float()
    # sums along memory are four times as fast as pooling a channels-last image
    return pixels.reshape(rows * SIDE, patch_size // SIDE, -1).float().sum(dim=1)


@dataclass(frozen=True)
class DetectorSteps:
    """Steps of a detector that a device may do in one kernel each; see the functions so named."""

    take_image: Callable[..., None] = take_image
    score: Callable[..., torch.Tensor] = score
    energies: Callable[..., Energies] = energies
    adapt: Callable[..., None] = adapt


@dataclass
class ChangeState:
    """
    A camera's patches, pooled to (N, 48) float32 grey levels.

    ``current`` is the last frame; ``past`` (2, N, 48), whenever noise is learnt, are the one
    before it and the one before that; ``reference`` is each patch when it was last transmitted.
    ``places`` see ``quantile_places``; ``frames`` counts the frames seen.
    """

    grid: tuple[int, int]
    noise: NoiseState
    current: torch.Tensor
    past: torch.Tensor
    reference: torch.Tensor
    places: torch.Tensor
    frames: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return self.noise.nbytes + tensor_bytes(self.current, self.past, self.reference)


class ChangeDetector:
    """
    Scores the change of each patch since it was last transmitted, however long ago that was.

    The score is the root mean square of a patch's change in the means of its 4x4 areas, less what
    noise adds to it on average, divided by the smallest change that counts: NOTICED grey levels
    or, on a noisy sensor, DEVIATIONS of the noise's own share.
    """

    def __init__(
        self, device: torch.device, patch_size: int,
        steps: DetectorSteps = DetectorSteps(),
    ) -> None:
        self._take_image, self._score = steps.take_image, steps.score
        pooling = Pooling.of(patch_size)
        self._noise = NoiseEstimator(device, pooling, steps.energies, steps.adapt)
        self._lines = pooling.lines(device)
        self._matrix = pooling.matrix(device)
        # the mean square of n noise values has a standard deviation of its mean times sqrt(2 / n)
        self._least = DEVIATIONS * math.sqrt(2 / pooling.independent)

    def allocate(self, grid: tuple[int, int], noise: NoiseState | None = None) -> ChangeState:
        """Return the state for a (rows, columns) grid; ``noise`` is a known one of the camera."""
        count = grid[0] * grid[1]
        return ChangeState(
            grid, noise or self._noise.allocate(),
            current=self._matrix.new_zeros(count, VALUES),
            past=self._matrix.new_zeros(2, count, VALUES),
            reference=self._matrix.new_zeros(count, VALUES),
            places=quantile_places(count, self._matrix.device))

    def observe(self, state: ChangeState, image: torch.Tensor) -> torch.Tensor:
        """
        Store a frame (1, 3, H, W) uint8 and return its patches' scores (N,) float32.

        The scores of the first frame are infinite.
        """
        state.frames += 1
        with torch.autocast(image.device.type, enabled=False):
            if state.frames == 1:
                self.begin(state, image)
                return state.current.new_full(state.current.shape[:1], math.inf)
            return self.score(state, image, learn=learns(state.frames))

    def begin(self, state: ChangeState, image: torch.Tensor) -> None:
        """Store the first frame of a camera."""
        self._take(state, image, state.past[0])
        state.past.copy_(state.current)

    def score(self, state: ChangeState, image: torch.Tensor, *, learn: bool) -> torch.Tensor:
        """Store a further frame and return its scores; ``learn`` is what ``learns`` returns."""
        weights = None
        # frames with and without learning alternate, so that ``past`` holds the last two frames
        self._take(state, image, state.past[0 if learn else 1])
        if learn:
            weights = self._noise.learn(state.noise, state.current, state.past, state.places)
        return self._score(state.current, state.reference, self._noise.rise,
                           state.noise.log_variance, weights, self._least)

    def transmit(self, state: ChangeState, rows: torch.Tensor) -> None:
        """Record patches (n,) of the last frame as transmitted."""
        state.reference.index_copy_(0, rows, state.current.index_select(0, rows))

    def transmit_all(self, state: ChangeState) -> None:
        """Record the whole last frame as transmitted."""
        state.reference.copy_(state.current)

    def _take(self, state: ChangeState, image: torch.Tensor, past: torch.Tensor) -> None:
        self._take_image(image, state.current, past, self._lines, self._matrix, *state.grid)


def learns(frame: int) -> bool:
    """
    Tell whether the noise is learnt from a frame, counted from 1.

    Noise changes slowly, so that every other frame is enough and costs half.
    """
    return frame % _LEARNING_INTERVAL == 0
