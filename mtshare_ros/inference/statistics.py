"""The statistics of a frame, from what the sharing engine did."""

import numpy as np

from mtshare_ros.inference.clock import StageClock
from mtshare_ros.inference.prediction import FrameStats
from mtshare_ros.sharing.account import FrameAccount
from mtshare_ros.sharing.cache import ActivationCache


def frame_stats(
    account: FrameAccount, cache: ActivationCache, clock: StageClock, *,
    non_finite: tuple[str, ...], activity: bool,
) -> FrameStats:
    """Return what a frame took; with ``activity`` also the maps of what was recomputed."""
    stages = clock.stages()
    tasks = account.tasks
    return FrameStats(
        total_ms=clock.total_ms(),
        stage_ms=stages,
        input_fraction=account.rows / account.cell_count,
        refreshed=account.refreshed,
        active={task: item.computed for task, item in tasks.items()},
        taken_over={task: item.taken_over for task, item in tasks.items()},
        macs=account.macs,
        dense_macs=account.dense_macs,
        oldest_age={task: item.oldest_age for task, item in tasks.items()},
        reset_reason=account.reset_reason,
        non_finite=non_finite,
        activity=_activity(account, cache) if activity else {},
    )


def _activity(account: FrameAccount, cache: ActivationCache) -> dict[str, np.ndarray]:
    grid = cache.camera.grid
    return {task: account.activity(task).view(grid).numpy() for task in account.tasks}
