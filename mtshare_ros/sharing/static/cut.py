"""Which of the cells that entered go through the blocks, where not all of them do."""

import torch

from mtshare_ros.sharing.rules import distance

_FORCED = torch.finfo(torch.float32).max


def most_changed(
    reference: torch.Tensor, cells: torch.Tensor, values: torch.Tensor, forced: torch.Tensor,
    count: int,
) -> torch.Tensor:
    """
    Return the sorted places (count,) in a list of sorted cells (n,) of those to compute.

    ``forced`` (n,) bool come first, then those whose ``values`` (n, D) lie farthest from their
    ``reference`` (N, D); a value that is not a number is among the first. Repetitions of a cell,
    which fill the list up, come last, so that they take nothing from the others.
    """
    scores = distance(values, reference.index_select(0, cells)).masked_fill_(forced, _FORCED)
    scores[1:].masked_fill_(cells[1:] == cells[:-1], -1.0)
    return scores.topk(count, sorted=False).indices.sort().values
