"""What a frame cost, told in cells of the view instead of rows of the caches."""

from dataclasses import replace

import torch

from mtshare_ros.sharing.account import FrameAccount
from mtshare_ros.sharing.members import MemberRun
from mtshare_ros.sharing.moving.ring import RingGrid


def account_of_view(ring: RingGrid, account: FrameAccount, more_macs: int) -> FrameAccount:
    """Return the account with ``more_macs``; what heads reached is of the view already."""
    due = account.due
    return replace(
        account, macs=account.macs + more_macs,
        due=None if due is None else due.index_select(0, ring.rows),
        tasks={task: replace(item, run=_run_of_view(ring, item.run))
               for task, item in account.tasks.items()})


def _run_of_view(ring: RingGrid, run: MemberRun) -> MemberRun:
    return replace(
        run, survivors=_cells(ring, run.survivors), taken=_cells(ring, run.taken),
        tapped={block: _cells(ring, rows) for block, rows in run.tapped.items()})


def _cells(ring: RingGrid, rows: torch.Tensor | None) -> torch.Tensor | None:
    """Return the cells (n,), sorted, that rows (n,) stand for; None for all."""
    return None if rows is None else ring.cells.index_select(0, rows).sort().values
