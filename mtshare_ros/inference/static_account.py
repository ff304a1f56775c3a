"""What is computed of a frame on lists of fixed lengths, and what that costs."""

from dataclasses import dataclass

from mtshare_ros.inference.static_camera import StaticCamera
from mtshare_ros.sharing.account import FrameAccount, TaskAccount
from mtshare_ros.sharing.members import MemberRun
from mtshare_ros.sharing.static.gate import GateCounts
from mtshare_ros.sharing.static.sizes import ListSizes


@dataclass(frozen=True)
class Choice:
    """
    What is computed of a frame.

    Lists of ``sizes``, or all cells where they are None, or ``nothing``; ``counts`` are those of
    the gate, None where it was not asked. ``reset_reason`` says why the frame builds on nothing.
    """

    sizes: ListSizes | None = None
    nothing: bool = False
    reset_reason: str = ''
    counts: GateCounts | None = None

    @property
    def computed(self) -> int | None:
        """The cells that the blocks compute, None for all."""
        if self.nothing:
            return 0
        if self.sizes is None or self.counts is None:
            return None
        return min(self.sizes.kept, self.counts.cells)


def account_of(camera: StaticCamera, choice: Choice, oldest_age: int) -> FrameAccount:
    """
    Return the account of a frame.

    Repeated entries of the lists are computed as well, and count among the operations.
    """
    network, state, count = camera.network, camera.state, camera.cell_count
    computed, counts = choice.computed, choice.counts
    whole = computed is None
    listed = 0 if choice.sizes is None else choice.sizes.kept
    run = MemberRun(None if whole else state.kept[:listed], (), (), {})
    shares = ((count if computed is None else computed) / count,)
    tasks = {task: TaskAccount(shares * network.depth, (0.0,) * network.depth, None, oldest_age,
                               run) for task in network.tasks}
    dense_macs = network.macs(state, None)
    macs = 0 if choice.nothing else network.macs(state, choice.sizes)
    rows = count if whole or counts is None else counts.cells
    due, due_count = (None, 0) if counts is None else (state.gate.due, counts.due)
    return FrameAccount(
        choice.reset_reason, rows, count, macs, dense_macs, tasks, due, due_count)
