"""Every task's head, on the cells it has to decode."""

from dataclasses import dataclass
from functools import cached_property

import torch

from mtshare_ros.sharing.frame import Frame
from mtshare_ros.sharing.members import MemberRun, MemberRuns


@dataclass(frozen=True)
class OutputRun:
    """
    What one head did: ``cells`` of them were decoded.

    ``changed`` (m,) are the cells whose raw output may differ, None where it may everywhere.
    """

    cells: int
    changed: torch.Tensor | None


@dataclass(frozen=True)
class DirtyCells:
    """Cells (N,) bool whose token or whose pixels changed."""

    mask: torch.Tensor

    @cached_property
    def index(self) -> torch.Tensor:
        """The same cells as a list (n,), one tensor for all heads: they share work by it."""
        return self.mask.nonzero()[:, 0]


def run_outputs(frame: Frame, members: MemberRuns) -> dict[str, OutputRun]:
    """Renew the raw outputs of the asked tasks; note for the others what they miss."""
    encoder, backlog = frame.runners.encoder, frame.state.outputs
    dirty = {member: _dirty_cells(frame, run) for member, run in members.runs.items()}
    outputs = {}
    for number, task in enumerate(frame.runners.tasks):
        member = encoder.member_of(task)
        if task in frame.tasks:
            _grow_young(frame, task, number, members.runs[member])
            outputs[task] = _decode(frame, task, number, dirty[member])
        elif frame.whole:
            backlog.freeze(number)
        else:
            missed = dirty.get(member)
            backlog.defer(number, frame.plan.changed if missed is None else missed.mask,
                          frame.settings.max_age)
    return outputs


def _dirty_cells(frame: Frame, run: MemberRun) -> DirtyCells | None:
    """Return the cells whose token or whose pixels changed, None where all did."""
    if run.survivors is None or frame.plan.changed is None:
        return None
    return DirtyCells(frame.plan.changed.index_fill(0, run.survivors, True))


def _grow_young(frame: Frame, task: str, number: int, run: MemberRun) -> None:
    """Set back the ages of the rows that ran ungated through blocks and head."""
    ages, shared = frame.state.ages[1 + number], frame.state.ages[0]
    if frame.whole and all(rows == frame.token_count for rows in run.computed):
        ages.zero_()
    elif frame.state.outputs.is_cold(number):
        ages.copy_(shared)
    elif frame.plan.due is not None:
        ages.masked_fill_(frame.plan.due, 0)
    old = frame.overdue(task)
    if old is not None:
        torch.where(old, shared, ages, out=ages)


def _decode(frame: Frame, task: str, number: int, dirty: DirtyCells | None) -> OutputRun:
    head, state, backlog = frame.runners.heads[task], frame.state, frame.state.outputs
    tokens = state.encoder.tokens_of(frame.runners.encoder.member_of(task))
    if dirty is None or backlog.is_cold(number):
        backlog.complete(number)
        head.update(state.heads[task], tokens, state.stem, frame.every)
        return OutputRun(frame.token_count, None)
    cells = dirty.index
    if backlog.is_behind(number):
        old = frame.overdue(task)
        cells = backlog.catch_up(number, dirty.mask if old is None else dirty.mask | old)
    if cells.shape[0] == 0:
        return OutputRun(0, cells)
    return OutputRun(cells.shape[0], head.update(state.heads[task], tokens, state.stem, cells))
