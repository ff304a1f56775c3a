"""
The steps of a gate after its scores, as operators that one kernel can do.

``marks`` (4, N) bool are, of N patches or the cells they are in, those that changed, those whose
refresh turn has come, those that are transmitted, and those that enter the network.
"""

import torch

from mtshare_ros.sharing.static.sources import any_of


def mark(
    scores: torch.Tensor, turns: torch.Tensor, ages: torch.Tensor, controls: torch.Tensor,
    around: torch.Tensor, due: torch.Tensor, forced: torch.Tensor,
) -> torch.Tensor:
    """
    Return the marks of a frame without a budget.

    ``controls`` see Controls; around (N, k) int32 are the patches whose change makes a cell enter.
    Writes ``due`` and ``forced`` (N,) bool, see GateState.
    """
    limit, turn, due_age, _, _, halo = controls.unbind()
    fired = scores > limit
    torch.logical_or(turns == turn, ages >= due_age, out=due)
    return marks_of(fired, due, fired | due, fired, halo, around, forced)


def marks_of(
    fired: torch.Tensor, due: torch.Tensor, active: torch.Tensor, changed: torch.Tensor,
    halo: torch.Tensor, around: torch.Tensor, forced: torch.Tensor,
) -> torch.Tensor:
    """Return the marks where ``active`` patches (N,) bool are transmitted; writes ``forced``."""
    reached = any_of(changed, around)
    torch.logical_or(due, torch.logical_and(reached, halo), out=forced)
    return torch.stack((fired, due, active, active | reached))


def spread(marks: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Return all marks in a row, then whether any source (n, k) int32 of a pixel enters."""
    return torch.cat((marks.view(-1), any_of(marks[3], sources)))


def entries(
    running: torch.Tensor, bounds: torch.Tensor, ranks: torch.Tensor, numbers: torch.Tensor
) -> torch.Tensor:
    """
    Return the entries (E,) int64 of lists, see ListTable, by their number in the own mask.

    ``running`` (S + 1,) int32 is the running sum of masks one behind the other, beginning with 0;
    ``numbers`` (S,) int64 are those of all their entries.
    """
    before, last = running.index_select(0, bounds).view(2, -1)
    ranks = torch.minimum(before + ranks, last)
    return numbers.index_select(0, torch.searchsorted(running[1:], ranks))


def settle(
    patches: torch.Tensor, current: torch.Tensor, reference: torch.Tensor, due: torch.Tensor,
    ages: torch.Tensor, oldest: torch.Tensor,
) -> None:
    """
    Let patches (n,) of the ``current`` values be the reference, and all cells but due ones age.

    Writes the greatest of the ``ages`` (N,) int32 to ``oldest`` () int32.
    """
    reference.index_copy_(0, patches, current.index_select(0, patches))
    ages.add_(1).masked_fill_(due, 0)
    torch.amax(ages, 0, out=oldest)
