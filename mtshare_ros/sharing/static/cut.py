"""Which rows of a list are computed, where not all of them are."""

import torch

from mtshare_ros.sharing.rules import distance

_FORCED = torch.finfo(torch.float32).max


def urgency(
    reference: torch.Tensor, index: torch.Tensor, values: torch.Tensor, forced: torch.Tensor
) -> torch.Tensor:
    """
    Return how urgent it is to compute the rows ``index`` (n,), as numbers (n,) float32.

    ``forced`` (n,) bool come first, then those whose ``values`` (n, D) lie farthest from their
    ``reference`` (T, D); what is not finite is ahead of all. Repetitions of the entry before,
    which fill a list up, come last, so that they take nothing from the others.
    """
    scores = distance(values, reference.index_select(0, index)).masked_fill_(forced, _FORCED)
    scores[1:].masked_fill_(index[1:] == index[:-1], -1.0)
    return scores


def most_urgent(scores: torch.Tensor, count: int) -> torch.Tensor:
    """Return the sorted places (count,) of the largest of some scores (n,)."""
    return scores.topk(count, sorted=False).indices.sort().values
