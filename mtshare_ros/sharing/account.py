"""What a frame cost, in rows and multiply-accumulates."""

from dataclasses import dataclass

import torch

from mtshare_ros.sharing.encoder import StageRun
from mtshare_ros.sharing.frame import Frame
from mtshare_ros.sharing.head import HeadUpdate
from mtshare_ros.sharing.members import MemberRun, MemberRuns

KEPT, TAKEN_OVER, COMPUTED, REFRESHED = range(4)
"""What a map of activity says of a cell."""


@dataclass(frozen=True)
class TaskAccount:
    """
    One task's part of a frame of N cells.

    ``computed`` and ``taken_over`` are cells / N block by block; ``changed`` (m,) are the cells
    whose raw output may differ from the last frame's, None where it may everywhere.
    ``oldest_age`` counts frames since a cell ran ungated through everything.
    """

    computed: tuple[float, ...]
    taken_over: tuple[float, ...]
    changed: torch.Tensor | None
    oldest_age: int
    run: MemberRun


@dataclass(frozen=True)
class FrameAccount:
    """
    What was done for one frame.

    ``macs`` were spent of the ``dense_macs`` that the asked tasks cost when every row is computed
    and the shared blocks run once. ``rows`` of the N cells entered the network; ``due`` (N,) bool
    are those whose refresh turn had come, None where no gate acted; ``due_count`` is how many they
    are, None where nobody counted.
    """

    reset_reason: str
    rows: int
    cell_count: int
    macs: int
    dense_macs: int
    tasks: dict[str, TaskAccount]
    due: torch.Tensor | None
    due_count: int | None = None

    @property
    def refreshed(self) -> float:
        """The share of the cells whose refresh turn had come."""
        if self.due is None:
            return 0.0
        counted = int(self.due.sum()) if self.due_count is None else self.due_count
        return counted / self.cell_count

    def activity(self, task: str) -> torch.Tensor:
        """Return what became of each cell (N,) uint8: kept, taken over, computed, refreshed."""
        run = self.tasks[task].run
        marks = torch.full((self.cell_count,), KEPT, dtype=torch.uint8)
        marks[slice(None) if run.survivors is None else run.survivors.cpu()] = COMPUTED
        if run.taken is not None:
            marks[run.taken.cpu()] = TAKEN_OVER
        if self.due is not None:
            marks[self.due.cpu()] = REFRESHED
        return marks


def account_of(
    frame: Frame, shared: StageRun, members: MemberRuns, outputs: dict[str, HeadUpdate]
) -> FrameAccount:
    """Add up a frame."""
    encoder, count = frame.runners.encoder, frame.cell_count
    entered = count if frame.plan.cells is None else frame.plan.cells.shape[0]
    macs = frame.runners.stem.macs_per_cell * entered + shared.macs + members.macs + sum(
        update.macs for update in outputs.values())
    numbers = [1 + frame.runners.tasks.index(task) for task in frame.tasks]
    oldest = frame.state.ages[numbers].amax(dim=1).tolist()
    tasks = {
        task: _task_account(members.runs[encoder.member_of(task)], outputs[task], age, count)
        for task, age in zip(frame.tasks, oldest)
    }
    return FrameAccount(frame.plan.reset_reason, entered, count, macs, dense_macs(frame), tasks,
                        frame.plan.due)


def dense_macs(frame: Frame) -> int:
    """Return what the asked tasks cost when every row is computed."""
    runners, tokens = frame.runners, frame.state.encoder.token_count
    encoder = runners.encoder
    asked = len({encoder.member_of(task) for task in frame.tasks})
    blocks = sum(block.weights.plain_macs(tokens, tokens) for block in encoder.shared)
    blocks += sum(block.weights.plain_macs(asked * tokens, tokens) for block in encoder.own)
    heads = sum(runners.heads[task].dense_macs(frame.state.grid) for task in frame.tasks)
    return blocks + heads + frame.cell_count * runners.stem.macs_per_cell


def _task_account(run: MemberRun, output: HeadUpdate, age: int, count: int) -> TaskAccount:
    taken = tuple((passed - computed) / count
                  for passed, computed in zip(run.passed, run.computed))
    return TaskAccount(tuple(cells / count for cells in run.computed), taken, output.reached, age,
                       run)
