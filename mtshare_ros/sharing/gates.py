"""Token gates: which patches enter the network, by how much they changed."""

from dataclasses import dataclass
from typing import Protocol

import torch

CHANGE_LIMIT = 1.0
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

    limit: float = CHANGE_LIMIT

    def select(
        self, scores: torch.Tensor, forced: torch.Tensor, ages: torch.Tensor
    ) -> torch.Tensor:
        """See TokenGate."""
        return (scores > self.limit) | forced


@dataclass(frozen=True)
class BudgetGate:
    """
    Passes at most ``budget`` of the rows whose score is above ``limit``, the most changed first.

    Changes within the same doubling count as equal; of those the oldest row goes first. Forced
    rows take from the budget before all others and pass even where there are more of them. No
    shape depends on the data, so the selection can be captured in a graph.
    """

    limit: float
    budget: int

    def select(
        self, scores: torch.Tensor, forced: torch.Tensor, ages: torch.Tensor
    ) -> torch.Tensor:
        """See TokenGate."""
        count = min(max(self.budget, 0), scores.shape[0])
        places = _urgency(scores, forced, ages, self.limit).topk(count).indices
        within = torch.zeros_like(forced).index_fill_(0, places, True)
        return (within & (scores > self.limit)) | forced


def raise_due(scores: torch.Tensor, due: torch.Tensor, limit: float) -> torch.Tensor:
    """
    Return scores (N,) in which rows that are ``due`` (N,) for a refresh count as just changed.

    A budget then serves them by their age, after the patches that changed more.
    """
    return torch.where(due, scores.clamp(min=1.001 * limit), scores)


def _urgency(
    scores: torch.Tensor, forced: torch.Tensor, ages: torch.Tensor, limit: float
) -> torch.Tensor:
    """Return a number (N,) for each row: doublings of the limit, ages as fractions of one."""
    above = scores > limit
    doublings = (scores / limit).log2_().floor_().clamp_(0, _MOST_DOUBLINGS)
    waited = ages / (ages + 32.0)
    return torch.where(above, doublings + 1 + waited, scores.new_zeros(())) + forced * _FORCED
