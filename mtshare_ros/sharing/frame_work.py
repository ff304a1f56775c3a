"""What one frame computed: tokens and multiply-accumulates, by task and in all."""

from dataclasses import dataclass
from typing import Mapping

import torch

from mtshare_ros.sharing.camera_cache import Frame
from mtshare_ros.sharing.head import HeadUpdate
from mtshare_ros.sharing.transformer import StageRun


@dataclass(frozen=True)
class EncoderRun:
    """
    What one encoder did in a frame.

    ``survivors`` (n,) are the patches that left the last block, None for all, and ``reused`` (m,)
    those of them that it reused. ``passed`` and ``computed`` count patches by block; ``tapped``
    are those that left each block that heads read, None for all.
    """

    survivors: torch.Tensor | None
    passed: tuple[int, ...]
    computed: tuple[int, ...]
    tapped: Mapping[int, torch.Tensor | None]
    reused: torch.Tensor | None = None


@dataclass(frozen=True)
class EncoderRuns:
    """
    What the encoders did, by number, and the multiply-accumulates of their own blocks.

    ``shared`` is what the shared blocks did, equal for all encoders.
    """

    runs: dict[int, EncoderRun]
    macs: int
    shared: EncoderRun

    def tapped(self, encoder: int) -> Mapping[int, torch.Tensor | None]:
        """Return the patches that left each tapped block, also for an encoder that did not run."""
        return self.runs.get(encoder, self.shared).tapped


KEPT, REUSED, COMPUTED, REFRESHED = range(4)
"""The values of a patch in a map of activity."""


@dataclass(frozen=True)
class TaskWork:
    """
    One task's part of a frame of N patches.

    ``computed`` and ``reused`` are patches / N block by block; ``changed`` (m,) are the patches
    whose raw output may differ from the last frame's, None where it may everywhere. ``oldest_age``
    is the largest number of frames since a patch passed all blocks ungated. ``run`` is what the
    task's encoder did.
    """

    computed: tuple[float, ...]
    reused: tuple[float, ...]
    changed: torch.Tensor | None
    oldest_age: int
    run: EncoderRun


@dataclass(frozen=True)
class FrameWork:
    """
    What was computed for one frame.

    ``macs`` are multiply-accumulates; ``dense_macs`` are those of the requested tasks when every
    token is computed and the shared blocks run once. ``entered`` of the N patches entered the
    network; ``due`` (N,) bool are those that were due for a refresh, None where no gate acted;
    ``due_count`` is their number if it is known.
    """

    reset_reason: str
    entered: int
    patch_count: int
    macs: int
    dense_macs: int
    tasks: dict[str, TaskWork]
    due: torch.Tensor | None
    due_count: int | None = None

    @property
    def refreshed(self) -> float:
        """The share of the patches that were due for a refresh."""
        if self.due is None:
            return 0.0
        counted = int(self.due.sum()) if self.due_count is None else self.due_count
        return counted / self.patch_count

    def activity(self, task: str) -> torch.Tensor:
        """Return for each patch (N,) uint8 whether it was KEPT, REUSED, COMPUTED or REFRESHED."""
        run = self.tasks[task].run
        marks = torch.full((self.patch_count,), KEPT, dtype=torch.uint8)
        marks[slice(None) if run.survivors is None else run.survivors.cpu()] = COMPUTED
        if run.reused is not None:
            marks[run.reused.cpu()] = REUSED
        if self.due is not None:
            marks[self.due.cpu()] = REFRESHED
        return marks


def work_of(
    frame: Frame, shared: StageRun, encoders: EncoderRuns, outputs: dict[str, HeadUpdate]
) -> FrameWork:
    """Return what a frame computed, by task and in all."""
    transformer, count = frame.runners.transformer, frame.patch_count
    entered = count if frame.plan.patches is None else frame.plan.patches.shape[0]
    macs = frame.runners.stem.macs_per_patch * entered + shared.macs + encoders.macs + sum(
        update.macs for update in outputs.values())
    numbers = [1 + frame.runners.tasks.index(task) for task in frame.tasks]
    oldest = frame.state.ages[numbers].amax(dim=1).tolist()
    tasks = {
        task: _task_work(encoders.runs[transformer.number_of(task)], outputs[task], age, count)
        for task, age in zip(frame.tasks, oldest)
    }
    return FrameWork(frame.plan.reset_reason, entered, count, macs, dense_macs(frame), tasks,
                     frame.plan.due)


def dense_macs(frame: Frame) -> int:
    """Return the multiply-accumulates of the requested tasks when every token is computed."""
    runners, tokens = frame.runners, frame.state.transformer.token_count
    transformer = runners.transformer
    asked = len({transformer.number_of(task) for task in frame.tasks})
    blocks = sum(block.weights.plain_macs(tokens, tokens) for block in transformer.shared)
    blocks += sum(block.weights.plain_macs(asked * tokens, tokens) for block in transformer.own)
    heads = sum(runners.heads[task].dense_macs(frame.state.grid) for task in frame.tasks)
    return blocks + heads + frame.patch_count * runners.stem.macs_per_patch


def _task_work(run: EncoderRun, output: HeadUpdate, age: int, count: int) -> TaskWork:
    reused = tuple((passed - computed) / count
                   for passed, computed in zip(run.passed, run.computed))
    computed = tuple(patches / count for patches in run.computed)
    return TaskWork(computed, reused, output.affected, age, run)
