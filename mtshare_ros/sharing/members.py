"""Every encoder's own blocks, on the rows it has to compute."""

from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

import torch

from mtshare_ros.sharing.block import BlockLimits
from mtshare_ros.sharing.encoder import StageRun
from mtshare_ros.sharing.frame import Frame
from mtshare_ros.sharing.rows import ActiveRows


@dataclass(frozen=True)
class MemberRun:
    """
    What one encoder did in a frame.

    ``survivors`` (n,) are the cells that came out of the last block, None means all; ``taken``
    (m,) those of them that it took over. ``passed`` and ``computed`` are cells by block;
    ``tapped`` are those that left each block which heads read, again None for all.
    """

    survivors: torch.Tensor | None
    passed: tuple[int, ...]
    computed: tuple[int, ...]
    tapped: Mapping[int, torch.Tensor | None]
    taken: torch.Tensor | None = None


@dataclass(frozen=True)
class MemberRuns:
    """
    The encoders that ran, by member, and the multiply-accumulates of their own blocks.

    ``shared`` is what the shared blocks did, for all members alike.
    """

    runs: dict[int, MemberRun]
    macs: int
    shared: MemberRun

    def tapped(self, member: int) -> Mapping[int, torch.Tensor | None]:
        """Return what left each block that heads read, also for a member that did not run."""
        return self.runs.get(member, self.shared).tapped


def run_members(frame: Frame, shared: StageRun) -> MemberRuns:
    """Run the own blocks of the encoders a frame needs, after the shared blocks."""
    before = _member_run(frame, shared, 0)
    if not frame.runners.encoder.own:
        return MemberRuns({0: before}, 0, before)
    needed = frame.members()
    backlog = frame.state.members
    _leave_out(frame, shared.rows.cells_of(0), needed)
    taking = not frame.plan.exact and any(item.task is not None for item in frame.limits.own)
    anew = [member for member in needed
            if backlog.is_cold(member) or (frame.whole and not taking)]
    others = [member for member in needed if member not in anew]
    stages = []
    if anew:
        stages.append((anew, _compute_all(frame, anew)))
    if others:
        stages.append((others, _compute_some(frame, others, shared.rows)))
    runs = {member: _joined(before, _member_run(frame, run, member))
            for members, run in stages for member in members}
    return MemberRuns(runs, sum(run.macs for _, run in stages), before)


def _leave_out(frame: Frame, survivors: torch.Tensor, needed: Sequence[int]) -> None:
    """Note what the encoders that do not run will have to catch up with."""
    for member in range(len(frame.runners.encoder.members)):
        if member in needed:
            continue
        if frame.whole:
            frame.state.members.freeze(member)
        else:
            changed = _mask(frame, survivors)
            frame.state.members.defer(member, changed, frame.settings.max_age)


def _compute_all(frame: Frame, members: Iterable[int]) -> StageRun:
    """Compute every cell of encoders that have nothing to build on."""
    every = frame.every
    lists = {member: every for member in members}
    for member in members:
        frame.state.members.complete(member)
    return _run(frame, lists, None, None)


def _compute_some(frame: Frame, members: Iterable[int], shared: ActiveRows) -> StageRun:
    """Let gates and taking over decide about the rows that came out of the shared blocks."""
    forced, survivors = frame.plan.due, shared.cells_of(0)
    lists = {}
    for member in members:
        if not frame.state.members.is_behind(member):
            lists[member] = survivors
            continue
        old = _overdue(frame, member)
        changed = frame.state.members.catch_up(member, _mask(frame, survivors) | old)
        lists[member] = changed.nonzero()[:, 0]
        forced = old if forced is None else forced | old
    if not shared.total:
        lists = {member: cells for member, cells in lists.items() if cells.shape[0]}
    limits = frame.limits.own
    if frame.whole:
        limits = tuple(BlockLimits(None, item.task) for item in limits)
    return _run(frame, lists, limits, forced)


def _overdue(frame: Frame, member: int) -> torch.Tensor:
    """Return the cells (N,) bool an encoder that missed frames must refresh."""
    encoder = frame.runners.encoder
    oldest = _mask(frame, None)
    for task in frame.tasks:
        old = frame.overdue(task) if encoder.member_of(task) == member else None
        oldest = oldest if old is None else oldest | old
    return oldest


def _mask(frame: Frame, cells: torch.Tensor | None) -> torch.Tensor:
    """Return cells (n,) as a mask (N,)."""
    mask = torch.zeros(frame.cell_count, dtype=torch.bool, device=frame.state.ages.device)
    return mask if cells is None else mask.index_fill_(0, cells, True)


def _run(
    frame: Frame, lists: dict[int, torch.Tensor], limits: Sequence[BlockLimits] | None,
    forced: torch.Tensor | None,
) -> StageRun:
    encoder, state = frame.runners.encoder, frame.state.encoder
    cells = [lists.get(member) for member in range(len(encoder.members))]
    return encoder.run_own(state, encoder.rows(state, cells, forced), limits)


def _member_run(frame: Frame, run: StageRun, member: int) -> MemberRun:
    """Return one member's part of what a row of blocks did."""
    tapped = {block: _cells(frame, rows, member) for block, rows in run.tapped.items()}
    taken = None
    if run.taken is not None:
        start = member * run.rows.token_count
        own = (run.taken >= start) & (run.taken < start + run.rows.token_count)
        taken = run.taken[own] - start
    return MemberRun(_cells(frame, run.rows, member), tuple(item[member] for item in run.passed),
                     tuple(item[member] for item in run.computed), tapped, taken)


def _cells(frame: Frame, rows: ActiveRows, member: int) -> torch.Tensor | None:
    """Return the cells (n,) of a member that are listed, None where all are."""
    everything = rows.cell_counts[member] == frame.cell_count
    return None if everything else rows.cells_of(member)


def _joined(shared: MemberRun, own: MemberRun) -> MemberRun:
    return MemberRun(own.survivors, shared.passed + own.passed, shared.computed + own.computed,
                     {**shared.tapped, **own.tapped}, own.taken)
