"""What a graph reads anew in every frame, since numbers of Python are frozen into it."""

from dataclasses import astuple, dataclass

import torch

from mtshare_ros.sharing.gates import CHANGE_LIMIT
from mtshare_ros.sharing.plan import PlanLimits
from mtshare_ros.sharing.refresh import last_age
from mtshare_ros.sharing.settings import SharingSettings

CONTROLS = 6
"""How many numbers there are."""

_NEVER = 1 << 24
"""Frames: an age that no cell reaches."""


@dataclass(frozen=True)
class Controls:
    """
    The numbers of one frame, in the order of the buffer.

    ``limit`` is the score above which a patch counts as changed. Cells are due whose turn is
    ``turn`` or whose age is at least ``due_age``. Of a latency target: ``budget`` patches, and
    those of ``forced_age``. ``halo`` 1 computes the cells round a change with it.
    """

    limit: float
    turn: int
    due_age: int
    forced_age: int
    budget: int
    halo: int

    @classmethod
    def of(
        cls, settings: SharingSettings, limits: PlanLimits, *, frame: int, factor: float
    ) -> 'Controls':
        """Return those of a frame, counted from the last reset; ``factor`` as for a Planner."""
        refreshes = settings.policy != 'none'
        forced_age = _NEVER if limits.budget is None else last_age(settings.max_age)
        return cls(
            limit=CHANGE_LIMIT * factor,
            turn=frame % settings.refresh_period if refreshes else -1,
            due_age=last_age(settings.refresh_period) if refreshes else forced_age,
            forced_age=forced_age,
            budget=limits.budget or 0,
            halo=settings.halo,
        )

    def write(self, buffer: torch.Tensor) -> None:
        """Write them into a buffer (CONTROLS,) float32 of the host."""
        buffer.copy_(torch.tensor(astuple(self), dtype=torch.float32))
