"""Token gates: which patches enter the network, by how much they changed."""

from dataclasses import dataclass
from typing import Protocol

import torch

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
