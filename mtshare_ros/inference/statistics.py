"""The statistics of a frame, from what the sharing engine did."""

from dataclasses import replace
from typing import Mapping, Sequence

import numpy as np

from mtshare_ros.inference.clock import StageClock
from mtshare_ros.inference.prediction import FrameStats, MotionStats
from mtshare_ros.sharing.account import FrameAccount


def with_derived(
    account: FrameAccount, sources: Mapping[str, Sequence[str]]
) -> FrameAccount:
    """
    Return an account that names tasks without weights as well, with what their depth took.

    ``sources`` are by task the tasks of the network it is made of, the depth last.
    """
    derived = {task: account.tasks[made_of[-1]] for task, made_of in sources.items()
               if task not in account.tasks}
    return replace(account, tasks={**account.tasks, **derived}) if derived else account


def frame_stats(
    account: FrameAccount, grid: tuple[int, int], clock: StageClock, *,
    non_finite: tuple[str, ...], activity: bool, motion: MotionStats | None = None,
) -> FrameStats:
    """
    Return what a frame of a (rows, columns) grid took.

    With ``activity`` also the maps of what was recomputed.
    """
    stages = clock.stages()
    tasks = account.tasks
    return FrameStats(
        total_ms=clock.total_ms(),
        stage_ms=stages,
        input_fraction=account.rows / account.cell_count,
        refreshed=account.refreshed,
        active={task: item.computed for task, item in tasks.items()},
        reused={task: item.taken_over for task, item in tasks.items()},
        macs=account.macs,
        dense_macs=account.dense_macs,
        oldest_age={task: item.oldest_age for task, item in tasks.items()},
        reset_reason=account.reset_reason,
        non_finite=non_finite,
        activity=_activity(account, grid) if activity else {},
        motion=motion,
    )


def _activity(account: FrameAccount, grid: tuple[int, int]) -> dict[str, np.ndarray]:
    return {task: account.activity(task).view(grid).numpy() for task in account.tasks}
