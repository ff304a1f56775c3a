"""Every task's head, on the cells it has to decode."""

import torch

from mtshare_ros.sharing.dirty_cells import DirtyCells
from mtshare_ros.sharing.frame import Frame
from mtshare_ros.sharing.head import HeadUpdate
from mtshare_ros.sharing.members import MemberRun, MemberRuns


def run_outputs(frame: Frame, members: MemberRuns) -> dict[str, HeadUpdate]:
    """Renew the raw outputs of the asked tasks; note for the others what they miss."""
    encoder, backlog = frame.runners.encoder, frame.state.outputs
    whole, outputs = DirtyCells(frame.state.stem), {}
    dirty = _dirty_cells(frame, members, whole)
    for number, task in enumerate(frame.runners.tasks):
        cells = dirty[task]
        if task in frame.tasks:
            _grow_young(frame, task, number, members.runs[encoder.member_of(task)])
            cells = whole if backlog.is_cold(number) else cells
            outputs[task] = _decode(frame, task, number, cells)
        elif cells.mask is None:
            backlog.freeze(number)
        else:
            backlog.defer(number, cells.mask, frame.settings.max_age)
    return outputs


def _dirty_cells(
    frame: Frame, members: MemberRuns, whole: DirtyCells
) -> dict[str, DirtyCells]:
    """Return for every task the cells whose pixels, or whose rows at one of its taps, changed."""
    encoder = frame.runners.encoder
    known: dict[tuple[int, tuple[int, ...]], DirtyCells] = {}
    dirty = {}
    for task in frame.runners.tasks:
        member, blocks = encoder.member_of(task), encoder.taps.blocks_of(task)
        key = member, blocks
        if key not in known:
            tapped = members.tapped(member)
            cells = _changed(frame, [tapped[at] for at in blocks if at in tapped], whole)
            # equal ones share what heads work out from them
            known[key] = next(filter(cells.equals, known.values()), cells)
        dirty[task] = known[key]
    return dirty


def _changed(
    frame: Frame, lists: list[torch.Tensor | None], whole: DirtyCells
) -> DirtyCells:
    """Return the patches that heads see change and listed cells (n,), None for all."""
    mask = frame.plan.changed
    if mask is None or any(cells is None for cells in lists):
        return whole
    if not frame.state.stem.feeds_heads:
        mask = torch.zeros_like(mask)
    for cells in lists:
        mask = mask.index_fill(0, cells, True)
    return DirtyCells(frame.state.stem, mask)


def _grow_young(frame: Frame, task: str, number: int, run: MemberRun) -> None:
    """Set back the ages of the cells that ran ungated through blocks and head."""
    ages, shared = frame.state.ages[1 + number], frame.state.ages[0]
    if frame.whole and all(cells == frame.cell_count for cells in run.computed):
        ages.zero_()
    elif frame.state.outputs.is_cold(number):
        ages.copy_(shared)
    elif frame.plan.due is not None:
        ages.masked_fill_(frame.plan.due, 0)
    old = frame.overdue(task)
    if old is not None:
        torch.where(old, shared, ages, out=ages)


def _decode(frame: Frame, task: str, number: int, cells: DirtyCells) -> HeadUpdate:
    state, backlog = frame.state, frame.state.outputs
    if cells.mask is None:
        backlog.complete(number)
    elif backlog.is_behind(number):
        old = frame.overdue(task)
        changed = cells.mask if old is None else cells.mask | old
        cells = DirtyCells(state.stem, backlog.catch_up(number, changed))
    inputs = frame.runners.encoder.head_inputs(state.encoder, task, state.stem)
    return frame.runners.heads[task].update(
        state.heads[task], inputs, cells, frame.limits.heads[task])
