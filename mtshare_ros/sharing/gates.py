"""
Thresholds, and the formulas by which gates compare changes with them.

The engine applies the formulas to lists of tokens (n, D), training to whole images (B, N, D) and
with their gradients.
"""

from dataclasses import dataclass
from operator import attrgetter
from typing import Mapping, Sequence

import torch

from mtshare_ros.model.backbone import Block
from mtshare_ros.model.description import TaskThresholds
from mtshare_ros.sharing.sharing_settings import SharingSettings


@dataclass(frozen=True)
class BlockThresholds:
    """
    How much a token may differ before a block computes it, relative to the spread of the tokens.

    One value per encoder (M,) float32; None where nothing is gated.
    """

    temporal: torch.Tensor | None = None
    task: torch.Tensor | None = None


def spread_of(rows: torch.Tensor) -> torch.Tensor:
    """
    Return the spread (...) of tokens (..., N, D), which thresholds are relative to.

    It is the root mean square distance from their mean. The mean is left out because it can be
    large in all tokens alike, and would then hide the change of a single one.
    """
    around = rows - rows.mean(dim=-2, keepdim=True)
    return around.square().sum(dim=-1).mean(dim=-1).sqrt()


def distance(rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the distances (...) float32 between tokens (..., D)."""
    return torch.linalg.vector_norm(rows - others, dim=-1, dtype=torch.float32)


def reuse_distance(
    gap: torch.Tensor, kept_gap: torch.Tensor, inputs: torch.Tensor, kept_inputs: torch.Tensor,
    share: torch.Tensor,
) -> torch.Tensor:
    """
    Return how wrong reusing the base task's updates may be, (...); ``reuse`` derives the formula.

    ``gap`` (..., D) is x_s - x_b and ``inputs`` is x_s, ``kept`` are both when the tokens were
    computed; ``share`` is r, see ``delta_share``.
    """
    return distance(gap, kept_gap) + share * distance(inputs, kept_inputs)


def effective(threshold: float) -> float:
    """Return a threshold for ``passes``: -1 for 0, so that unchanged tokens pass as well."""
    return threshold or -1.0


def passes(
    distances: torch.Tensor, bound: torch.Tensor, forced: torch.Tensor | None
) -> torch.Tensor:
    """Return which tokens must be computed: forced ones, and those beyond a bound."""
    # not written as distances > bound, so that NaN passes: a token that was NaN is computed again
    passing = ~(distances <= bound)
    return passing if forced is None else forced | passing


def delta_share(own: Block, base: Block) -> torch.Tensor:
    """
    Return r, how large the delta weights of a sub-task's block are relative to the base weights.

    The larger of |W_s - W_b| / |W_b| over all matrices and over all vectors, so that a block in
    which only norms or biases differ counts as different, too. The weights of ``own`` may be
    parametrized; the gradient is 0 where they are the base's.
    """
    shares = []
    for vectors in (False, True):
        pairs = [(attrgetter(name)(own), weight) for name, weight in base.named_parameters()
                 if (weight.ndim == 1) is vectors]
        delta = torch.stack([(ours - shared).square().sum() for ours, shared in pairs]).sum()
        size = torch.stack([shared.square().sum() for _, shared in pairs]).sum()
        square = delta / size.clamp(min=1e-12)
        # the gradient of sqrt(0) is infinite, and torch.where passes it on: take the root of 1
        root = torch.where(square > 0, square, torch.ones_like(square)).sqrt()
        shares.append(torch.where(square > 0, root, square))
    return torch.stack(shares).amax()


CHANGE_THRESHOLD = 1.0
"""The score above which a patch counts as changed; the user's factor multiplies it."""

_MOST_DOUBLINGS = 15
_FORCED = 2.0 * (_MOST_DOUBLINGS + 1)  # more than the urgency of any other patch


class UrgentPatches:
    """
    The patches (N,) whose score is above a threshold, the most urgent ones first.

    Scores from one power of two times the threshold to the next count as equal; among them the
    oldest patch comes first, then the first in raster order. Forced patches come before all others
    and use up the budget, but pass even where they exceed it. The threshold and the budgets may be
    tensors () on the device of the patches: no shape depends on data, so the choice can be
    captured in a CUDA graph.
    """

    def __init__(
        self, scores: torch.Tensor, forced: torch.Tensor, ages: torch.Tensor,
        threshold: float | torch.Tensor,
    ) -> None:
        self._forced, self._above = forced, scores > threshold
        doublings = (scores / threshold).log2_().floor_().clamp_(0, _MOST_DOUBLINGS)
        # the age adds less than 1, so that it decides only between scores that count as equal
        urgency = doublings.add_(ages / (ages + 32.0)).add_(1).mul_(self._above)
        order = urgency.add_(forced, alpha=_FORCED).sort(descending=True, stable=True).indices
        self._ranks = torch.empty_like(order).scatter_(0, order, torch.arange(
            order.shape[0], device=order.device))

    def within(self, budget: int | torch.Tensor) -> torch.Tensor:
        """Return a mask (N,) of as many as a budget allows, and of all forced patches."""
        return ((self._ranks < budget) & self._above) | self._forced


def raise_due(
    scores: torch.Tensor, due: torch.Tensor, threshold: float | torch.Tensor
) -> torch.Tensor:
    """
    Return scores (N,) in which patches that are ``due`` (N,) for a refresh are above a threshold.

    They are just above it, so that a budget takes them after those that changed more, by age.
    """
    return torch.where(due, scores.clamp(min=1.001 * threshold), scores)


@dataclass(frozen=True)
class FrameThresholds:
    """
    The thresholds of one frame: of the shared blocks, and of the blocks above them.

    ``input_factor`` scales the input gate's threshold; 0 means that every patch enters.
    ``first`` is the temporal threshold of the first block. ``heads`` holds for every task
    the temporal thresholds by block, which its head applies to what the class token adds to all
    patches.
    """

    input_factor: float
    first: float
    shared: tuple[BlockThresholds, ...]
    own: tuple[BlockThresholds, ...]
    heads: Mapping[str, tuple[float, ...]]


class ThresholdTable:
    """The thresholds of frames by tasks and settings, made once for each combination."""

    LARGEST = 64
    """Combinations that are kept; beyond them the table is emptied, so that it cannot grow."""

    def __init__(
        self, calibrated: Mapping[str, TaskThresholds], encoders: Sequence[str], shared_depth: int,
        depth: int, device: torch.device,
    ) -> None:
        self._calibrated = calibrated
        self._encoders = encoders
        self._shared, self._own_blocks = range(shared_depth), range(shared_depth, depth)
        self._device = device
        self._known: dict[object, FrameThresholds] = {}

    def of(self, tasks: tuple[str, ...], settings: SharingSettings) -> FrameThresholds:
        """Return the thresholds for ``tasks``: the strictest of them where they share blocks."""
        temporal = {task: settings.temporal_threshold_of(task) for task in self._calibrated}
        own = {task: settings.task_threshold_of(task) for task in self._calibrated}
        key = (tasks, *temporal.items(), *own.items())
        if key not in self._known:
            if len(self._known) >= self.LARGEST:
                self._known.clear()
            self._known[key] = self._make(tasks, temporal, own)
        return self._known[key]

    def _make(
        self, tasks: tuple[str, ...], temporal: Mapping[str, float], own: Mapping[str, float]
    ) -> FrameThresholds:
        scaled = {
            task: tuple(temporal[task] * value for value in self._calibrated[task].temporal)
            for task in self._calibrated}
        shared = [min(scaled[task][block] for task in tasks) for block in self._shared]
        return FrameThresholds(
            min(temporal[task] for task in tasks), min(scaled[task][0] for task in tasks),
            tuple(BlockThresholds(self._tensor([value])) for value in shared),
            tuple(self._own(block, scaled, own) for block in self._own_blocks),
            scaled,
        )

    def _own(
        self, block: int, scaled: Mapping[str, tuple[float, ...]], own: Mapping[str, float]
    ) -> BlockThresholds:
        reusing = [own[task] * self._calibrated[task].task[block] for task in self._encoders]
        return BlockThresholds(self._tensor([scaled[task][block] for task in self._encoders]),
                               self._tensor(reusing))

    def _tensor(self, values: list[float]) -> torch.Tensor | None:
        """Return a threshold per encoder, below 0 for no gate; None if no encoder has a gate."""
        if not any(values):
            return None
        return torch.tensor([effective(value) for value in values], device=self._device)
