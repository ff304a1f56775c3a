"""Thresholds, and the formulas by which gates compare changes with them."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Mapping, Protocol, Sequence

import torch

from mtshare_ros.model.backbone import Block
from mtshare_ros.model.description import TaskThresholds
from mtshare_ros.sharing.settings import SharingSettings


@dataclass(frozen=True)
class BlockThresholds:
    """
    How much a row may differ before a block computes it, relative to the spread of the rows.

    One value per encoder (M,) float32; None where nothing is gated.
    """

    temporal: torch.Tensor | None = None
    task: torch.Tensor | None = None


def spread_of(rows: torch.Tensor) -> torch.Tensor:
    """
    Return how far rows (..., N, D) spread, (...), which thresholds are relative to.

    The root mean square distance from their mean: what all rows have in common says nothing of
    how much one of them changed.
    """
    around = rows - rows.mean(dim=-2, keepdim=True)
    return around.square().sum(dim=-1).mean(dim=-1).sqrt()


def distance(rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the distances (...) float32 between rows (..., D)."""
    return torch.linalg.vector_norm(rows - others, dim=-1, dtype=torch.float32)


def reuse_distance(
    gap: torch.Tensor, kept_gap: torch.Tensor, inputs: torch.Tensor, kept_inputs: torch.Tensor,
    share: torch.Tensor,
) -> torch.Tensor:
    """
    Return by how much taking rows over may be wrong, (...); ``reuse`` says why.

    ``gap`` (..., D) is x_s - x_b and ``inputs`` x_s, both beside what they were when the rows were
    computed; ``share`` is r, see ``delta_share``.
    """
    return distance(gap, kept_gap) + share * distance(inputs, kept_inputs)


def effective(threshold: float) -> float:
    """Return a threshold for ``passes``: one of 0 gates nothing, not even what is equal."""
    return threshold or -1.0


def passes(
    distances: torch.Tensor, bound: torch.Tensor, forced: torch.Tensor | None
) -> torch.Tensor:
    """Return which rows must be computed: forced ones, and those beyond a bound."""
    # written so that a row that is not a number passes, and with it the next good one
    passing = ~(distances <= bound)
    return passing if forced is None else forced | passing


def delta_share(own: Block, base: Block) -> torch.Tensor:
    """
    Return r, how large the delta weights of a sub-task's block are relative to the base weights.

    The larger of |W_s - W_b| / |W_b| over all matrices and the same over all vectors: where only
    norms or biases differ, the block is another one too. The weights of ``own`` may be
    parametrized; the gradient is 0 where they are the base's.
    """
    shares = []
    for vectors in (False, True):
        pairs = [(attrgetter(name)(own), weight) for name, weight in base.named_parameters()
                 if (weight.ndim == 1) is vectors]
        delta = torch.stack([(ours - shared).square().sum() for ours, shared in pairs]).sum()
        size = torch.stack([shared.square().sum() for _, shared in pairs]).sum()
        square = delta / size.clamp(min=1e-12)
        # the gradient of the root of 0 is infinite, which no where hides once the root is taken
        root = torch.where(square > 0, square, torch.ones_like(square)).sqrt()
        shares.append(torch.where(square > 0, root, square))
    return torch.stack(shares).amax()


CHANGE_THRESHOLD = 1.0
"""The score above which a patch counts as changed; the user's factor multiplies it."""

_MOST_DOUBLINGS = 15
_FORCED = 2.0 * (_MOST_DOUBLINGS + 1)


class TokenGate(Protocol):
    """Chooses the rows of a frame; a factor of 0 is exact and never asks a gate."""

    def select(
        self, scores: torch.Tensor, forced: torch.Tensor, ages: torch.Tensor
    ) -> torch.Tensor:
        """
        Return the chosen rows as a mask (N,).

        ``scores`` (N,) float32, ``forced`` (N,) bool: rows that pass whatever their score;
        ``ages`` (N,) integer: frames since a row was last computed.
        """


@dataclass(frozen=True)
class ThresholdGate:
    """Passes every row whose score is above ``limit``."""

    limit: float = CHANGE_THRESHOLD

    def select(
        self, scores: torch.Tensor, forced: torch.Tensor, ages: torch.Tensor
    ) -> torch.Tensor:
        """See TokenGate."""
        return (scores > self.limit) | forced


@dataclass(frozen=True)
class BudgetGate:
    """
    Passes at most ``budget`` of the rows whose score is above ``limit``, the most changed first.

    Changes within the same doubling count as equal; of those the oldest row goes first, then the
    first in order. Forced rows take from the budget before all others and pass even where there
    are more of them. No shape depends on the data, so the selection can be captured in a graph.
    """

    limit: float
    budget: int

    def select(
        self, scores: torch.Tensor, forced: torch.Tensor, ages: torch.Tensor
    ) -> torch.Tensor:
        """See TokenGate."""
        return UrgentPatches(scores, forced, ages, self.limit).within(self.budget)


class UrgentPatches:
    """
    The rows (N,) that ``BudgetGate`` would pass, the most urgent ones first.

    ``limit``, and the budgets, may be tensors () on the device of the rows.
    """

    def __init__(
        self, scores: torch.Tensor, forced: torch.Tensor, ages: torch.Tensor,
        limit: float | torch.Tensor,
    ) -> None:
        self._forced, self._above = forced, scores > limit
        doublings = (scores / limit).log2_().floor_().clamp_(0, _MOST_DOUBLINGS)
        urgency = doublings.add_(ages / (ages + 32.0)).add_(1).mul_(self._above)
        order = urgency.add_(forced, alpha=_FORCED).sort(descending=True, stable=True).indices
        self._ranks = torch.empty_like(order).scatter_(0, order, torch.arange(
            order.shape[0], device=order.device))

    def within(self, budget: int | torch.Tensor) -> torch.Tensor:
        """Return as many of them as a budget allows, and all forced rows, as a mask (N,)."""
        return ((self._ranks < budget) & self._above) | self._forced


def raise_due(
    scores: torch.Tensor, due: torch.Tensor, limit: float | torch.Tensor
) -> torch.Tensor:
    """
    Return scores (N,) in which rows that are ``due`` (N,) for a refresh count as just changed.

    A budget then serves them by their age, after the patches that changed more.
    """
    return torch.where(due, scores.clamp(min=1.001 * limit), scores)


@dataclass(frozen=True)
class FrameThresholds:
    """
    The thresholds of one frame: of the shared blocks, and of the blocks above them.

    ``input_factor`` scales the input gate's threshold; 0 means that nothing is gated in time.
    ``first`` is the limit of the temporal rule at the first block. ``heads`` holds for every task
    the thresholds of the temporal rule by block, which its head applies to what its patches have
    in common.
    """

    input_factor: float
    first: float
    shared: tuple[BlockThresholds, ...]
    own: tuple[BlockThresholds, ...]
    heads: Mapping[str, tuple[float, ...]]


class ThresholdTable:
    """Limits by tasks and settings, made once for each combination."""

    LARGEST = 64

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
        """Return one value per encoder, below 0 where nothing is gated; None if that is all."""
        if not any(values):
            return None
        return torch.tensor([effective(value) for value in values], device=self._device)
