"""Which rows of a frame enter the network."""

from dataclasses import dataclass
from typing import Callable

import torch

from mtshare_ros.sharing.gates import CHANGE_THRESHOLD, raise_due, ThresholdGate, UrgentPatches
from mtshare_ros.sharing.reach import ReceptiveField
from mtshare_ros.sharing.refresh import make_schedule, overdue
from mtshare_ros.sharing.settings import SharingSettings

SCENE_CUT = 'scene cut'

HALO = ReceptiveField(-1, 1)
"""The patches that are computed with a changed one where the user asks for it."""


@dataclass(frozen=True)
class FramePlan:
    """
    The rows of one frame.

    ``transmitted`` (p,) are transmitted and ``patches`` (n,) computed; both are None where all
    are. ``due`` (N,) bool marks rows whose refresh turn has come: no gate drops them. ``changed``
    (N,) bool marks patches that changed, ``halo`` (N,) bool rows that the first gate may not drop
    either. With ``exact`` no gate acts at all.
    """

    transmitted: torch.Tensor | None = None
    patches: torch.Tensor | None = None
    due: torch.Tensor | None = None
    changed: torch.Tensor | None = None
    halo: torch.Tensor | None = None
    exact: bool = False
    reset_reason: str = ''


def everything(reset_reason: str = '') -> FramePlan:
    """Return the plan of a frame that is computed whole, from nothing but its pixels."""
    return FramePlan(exact=True, reset_reason=reset_reason)


@dataclass(frozen=True)
class PlanBounds:
    """
    What bounds the rows of a frame.

    Above ``crossover``, a share of the rows, all are computed; when a larger share than
    ``scene_cut`` changed, all are computed from nothing. ``budget`` is the largest number of rows
    that may enter, None for any.
    """

    crossover: float = 1.0
    scene_cut: float = 1.0
    budget: int | None = None

    def cuts(self, fired: int, count: int) -> bool:
        """Tell whether so many of ``count`` patches changed that nothing is worth keeping."""
        return fired > self.scene_cut * count

    def exceeded(self, rows: int, count: int) -> bool:
        """Tell whether so many of ``count`` rows enter that all may as well."""
        return rows > self.crossover * count


class Planner:
    """
    Chooses the rows of a frame from the change of its patches and from the refresh schedule.

    ``affected`` returns, for a mask (rows, columns) bool of patches that changed, that of patches
    whose stem tokens depend on them.
    """

    def __init__(self, affected: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._affected = affected

    def plan(
        self, grid: tuple[int, int], frame: int, scores: torch.Tensor, ages: torch.Tensor,
        factor: float, settings: SharingSettings, bounds: PlanBounds,
    ) -> FramePlan:
        """
        Return the rows of a frame by the patches' scores (N,) and their ages (N,).

        ``factor`` scales the input gate's threshold; 0 lets everything in.
        """
        threshold, count = CHANGE_THRESHOLD * factor, scores.shape[0]
        schedule = make_schedule(
            settings.policy, grid, settings.refresh_period, scores.device)
        due = schedule.due(frame, ages)
        if factor == 0:
            return FramePlan(due=due)
        fired = scores > threshold
        if bounds.budget is None:
            active = ThresholdGate(threshold).select(scores, due, ages)
        else:
            forced = overdue(ages, settings.max_age)
            due |= forced
            active = self._within(grid, scores, due, forced, ages, threshold, bounds.budget)
        rows = self._rows(grid, active, fired, due, settings.halo)
        fired_count, row_count = torch.stack((fired.sum(), rows.mask.sum())).tolist()
        if bounds.cuts(fired_count, count):
            return everything(SCENE_CUT)
        if bounds.exceeded(row_count, count):
            return FramePlan(due=due)
        return rows.plan()

    def _within(
        self, grid: tuple[int, int], scores: torch.Tensor, due: torch.Tensor,
        forced: torch.Tensor, ages: torch.Tensor, threshold: float, budget: int,
    ) -> torch.Tensor:
        """Return the patches whose patches stay within a budget; what a patch reaches counts."""
        urgent = UrgentPatches(raise_due(scores, due, threshold), forced, ages, threshold)
        active = urgent.within(budget)
        affected = self._rows(grid, active, scores > threshold, due, 0).mask.sum().item()
        return active if affected <= budget else urgent.within(budget * budget // affected)

    def _rows(
        self, grid: tuple[int, int], active: torch.Tensor, fired: torch.Tensor,
        due: torch.Tensor, halo: int,
    ) -> '_Rows':
        changed = active & fired
        affected = self._affected(changed.view(grid))
        around = HALO.spread(affected).view(-1) if halo else None
        mask = active | (affected.view(-1) if around is None else around)
        return _Rows(mask, active, active & due, changed, around)


@dataclass(frozen=True)
class _Rows:
    """The rows of a frame as masks (N,) bool."""

    mask: torch.Tensor
    active: torch.Tensor
    due: torch.Tensor
    changed: torch.Tensor
    halo: torch.Tensor | None

    def plan(self) -> FramePlan:
        return FramePlan(self.active.nonzero()[:, 0], self.mask.nonzero()[:, 0], self.due,
                         self.changed, self.halo)
