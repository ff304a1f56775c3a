"""Which patches enter the network: changed ones and those due for a refresh, within a budget."""

from dataclasses import dataclass
from functools import lru_cache
import math
from typing import Callable

import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.sharing.gates import CHANGE_THRESHOLD, raise_due, UrgentPatches
from mtshare_ros.sharing.pixel_maps import ReceptiveField
from mtshare_ros.sharing.sharing_settings import SharingSettings

TILE = 4
"""Patches along a side of a refreshed tile: heads compute a border round each tile as well."""


class TurnSchedule:
    """
    Refreshes every patch once in a period.

    ``turns`` (N,) int64 is the frame of the period in which each patch is refreshed. No patch gets
    older than ``period`` frames, even if the period was longer before.
    """

    def __init__(self, turns: torch.Tensor, period: int) -> None:
        self.turns, self.period = turns, period

    def due(self, frame: int, ages: torch.Tensor) -> torch.Tensor:
        """
        Return the patches to be refreshed in a frame as a mask (N,).

        ``frame`` counts from 0; ``ages`` (N,) integer is the number of frames between a patch's
        last refresh and this frame.
        """
        return (self.turns == frame % self.period) | overdue(ages, self.period)


class NoRefresh:
    """Refreshes nothing."""

    def due(self, frame: int, ages: torch.Tensor) -> torch.Tensor:
        """Return a mask (N,) in which nothing is true, see TurnSchedule."""
        return torch.zeros_like(ages, dtype=torch.bool)


@lru_cache(maxsize=64)
def make_schedule(
    policy: str, grid: tuple[int, int], period: int, device: torch.device | None = None
) -> TurnSchedule | NoRefresh:
    """
    Return the schedule of a (rows, columns) grid, its tensors on ``device`` (the CPU if None).

    Schedules keep no state, so equal arguments give one and the same object.
    Raises ConfigError for an unknown policy or a period below 1.
    """
    if policy == 'none':
        return NoRefresh()
    if policy not in _TURNS:
        raise ConfigError(f'the refresh policy is {policy!r}; allowed are '
                          f'{", ".join(_TURNS)} and none')
    if period < 1:
        raise ConfigError(f'the refresh period is {period} frames; it must be 1 or more: choose '
                          'how many frames may pass until every token is computed again')
    turns = _TURNS[policy](grid, period)
    return TurnSchedule(turns.to(device or torch.device('cpu')), period)


def overdue(ages: torch.Tensor, limit: int) -> torch.Tensor:
    """Return which patches (N,) must be refreshed now so that none gets older than ``limit``."""
    return ages >= last_age(limit)


def last_age(limit: int) -> int:
    """Return the age at which a patch must be refreshed to get no older than ``limit``."""
    return limit - 1


def _tile_by_tile(grid: tuple[int, int], period: int) -> torch.Tensor:
    """Return turns (N,): tile by tile in raster order, a tile counting as its patches."""
    rows, columns = grid
    tiles_across = -(-columns // TILE)
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing='ij')
    tile = (row // TILE * tiles_across + column // TILE).flatten()
    sizes = torch.bincount(tile)
    before = sizes.cumsum(0) - sizes
    turns = (2 * before + sizes) * period // (2 * rows * columns)
    return turns.clamp_(max=period - 1)[tile]


def _all_at_once(grid: tuple[int, int], period: int) -> torch.Tensor:
    """Return turns (N,) that are all in the same frame of a period."""
    return torch.zeros(grid[0] * grid[1], dtype=torch.int64)


_TURNS: dict[str, Callable[[tuple[int, int], int], torch.Tensor]] = {
    'round_robin': _tile_by_tile, 'keyframe': _all_at_once,
}


_RESERVE = 0.8  # share of the latency target that a frame is planned to take
_ATTACK = 0.5  # share of the way to a larger slowdown that one frame moves the estimate
_RELEASE = 0.05  # the same to a smaller slowdown
_LARGEST_JUMP = 2.0
_LEAST_SLOWDOWN = 0.25


@dataclass(frozen=True)
class FrameCost:
    """
    The time of a frame on a device without other load.

    ``base_ms`` is that of a frame without patches; each patch adds ``ms_per_patch``.
    """

    base_ms: float
    ms_per_patch: float

    def time_ms(self, patches: int) -> float:
        """Return the milliseconds of a frame in which ``patches`` patches enter."""
        return self.base_ms + self.ms_per_patch * patches

    def patches_within(self, time_ms: float) -> float:
        """Return how many patches fit, infinity where a patch costs nothing."""
        if self.ms_per_patch <= 0:
            return math.inf if time_ms >= self.base_ms else 0.0
        return max(0.0, (time_ms - self.base_ms) / self.ms_per_patch)


class LatencyController:
    """
    Keeps at least 95 % of one camera's frames faster than ``target_ms``.

    Its estimate of the slowdown, a frame's time over its cost, rises fast and falls slowly; one
    outlier counts as at most twice the estimate. The budget never falls below the patches
    that must be computed so that none gets older than ``max_age``, even if that misses the target.
    Raises ConfigError for a target that is not a time above 0.
    """

    def __init__(
        self, target_ms: float, cost: FrameCost, *, patch_count: int, max_age: int
    ) -> None:
        if not (math.isfinite(target_ms) and target_ms > 0):
            raise ConfigError(f'the latency target is {target_ms} ms; a controller needs a time '
                              'above 0: leave it out to switch the target off')
        self.target_ms = target_ms
        self.max_age = max_age
        self.cost = cost
        self.slowdown = 1.0
        self._most = patch_count
        self._least = min(patch_count, math.ceil(patch_count / max(1, max_age)))

    def budget(self) -> int:
        """Return how many patches the next frame may compute."""
        fitting = self.cost.patches_within(self.target_ms * _RESERVE / self.slowdown)
        return int(min(max(fitting, self._least), self._most))

    def observe(self, patches: int, milliseconds: float) -> None:
        """Update the slowdown by the time of a frame with ``patches`` patches, if it is valid."""
        expected = self.cost.time_ms(patches)
        if expected <= 0 or not math.isfinite(milliseconds) or milliseconds <= 0:
            return
        seen = min(milliseconds / expected, _LARGEST_JUMP * self.slowdown)
        pace = _ATTACK if seen > self.slowdown else _RELEASE
        self.slowdown = max(_LEAST_SLOWDOWN, self.slowdown + pace * (seen - self.slowdown))


SCENE_CUT = 'scene cut'

HALO = ReceptiveField(-1, 1)
"""The patches computed with a changed one if the user sets ``halo``."""


@dataclass(frozen=True)
class FramePlan:
    """
    The patches of one frame.

    The pixels of ``transmitted`` (p,) enter the reference, ``patches`` (n,) enter the network;
    both are None for all. ``due`` (N,) bool are due for a refresh, so that no gate drops them.
    ``changed`` (N,) bool marks patches that changed, ``halo`` (N,) bool patches that the first
    gate may not drop either. With ``exact`` no gate acts at all.
    """

    transmitted: torch.Tensor | None = None
    patches: torch.Tensor | None = None
    due: torch.Tensor | None = None
    changed: torch.Tensor | None = None
    halo: torch.Tensor | None = None
    exact: bool = False
    reset_reason: str = ''


def everything(reset_reason: str = '') -> FramePlan:
    """Return the plan of a whole frame that uses nothing of earlier frames."""
    return FramePlan(exact=True, reset_reason=reset_reason)


@dataclass(frozen=True)
class PlanBounds:
    """
    What bounds the patches of a frame.

    Above ``crossover``, a share of the patches, all are computed; when a larger share than
    ``scene_cut`` changed, all are computed and nothing is kept. ``budget`` is the largest number
    of patches that may enter, None for any.
    """

    crossover: float = 1.0
    scene_cut: float = 1.0
    budget: int | None = None

    def cuts(self, fired: int, count: int) -> bool:
        """Tell whether ``fired`` changed patches of ``count`` are a scene cut."""
        return fired > self.scene_cut * count

    def exceeded(self, entering: int, count: int) -> bool:
        """Tell whether a whole frame is faster than ``entering`` patches of ``count``."""
        return entering > self.crossover * count


class Planner:
    """
    Chooses the patches that enter by their change and by the refresh schedule.

    ``affected`` takes a mask (rows, columns) bool of changed patches and returns the mask of the
    patches whose stem tokens depend on them.
    """

    def __init__(self, affected: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._affected = affected

    def plan(
        self, grid: tuple[int, int], frame: int, scores: torch.Tensor, ages: torch.Tensor,
        factor: float, settings: SharingSettings, bounds: PlanBounds,
    ) -> FramePlan:
        """
        Return the plan of a frame for scores (N,) and ages (N,) of its patches.

        ``factor`` scales the input gate's threshold; with 0 every patch enters.
        """
        threshold, count = CHANGE_THRESHOLD * factor, scores.shape[0]
        schedule = make_schedule(
            settings.policy, grid, settings.refresh_period, scores.device)
        due = schedule.due(frame, ages)
        if factor == 0:
            return FramePlan(due=due)
        fired = scores > threshold
        if bounds.budget is None:
            active = fired | due
        else:
            forced = overdue(ages, settings.max_age)
            due |= forced
            active = self._within(grid, scores, due, forced, ages, threshold, bounds.budget)
        masks = self._masks(grid, active, fired, due, settings.halo)
        fired_count, entering = torch.stack((fired.sum(), masks.mask.sum())).tolist()
        if bounds.cuts(fired_count, count):
            return everything(SCENE_CUT)
        if bounds.exceeded(entering, count):
            return FramePlan(due=due)
        return masks.plan()

    def _within(
        self, grid: tuple[int, int], scores: torch.Tensor, due: torch.Tensor,
        forced: torch.Tensor, ages: torch.Tensor, threshold: float, budget: int,
    ) -> torch.Tensor:
        """Return the patches that fit a budget, counting the patches that each affects."""
        urgent = UrgentPatches(raise_due(scores, due, threshold), forced, ages, threshold)
        active = urgent.within(budget)
        affected = self._masks(grid, active, scores > threshold, due, 0).mask.sum().item()
        # each patch brings in those that it affects: where these exceed the budget, take fewer
        return active if affected <= budget else urgent.within(budget * budget // affected)

    def _masks(
        self, grid: tuple[int, int], active: torch.Tensor, fired: torch.Tensor,
        due: torch.Tensor, halo: int,
    ) -> '_Masks':
        changed = active & fired
        affected = self._affected(changed.view(grid))
        around = HALO.spread(affected).view(-1) if halo else None
        mask = active | (affected.view(-1) if around is None else around)
        return _Masks(mask, active, active & due, changed, around)


@dataclass(frozen=True)
class _Masks:
    """The patches of a frame as masks (N,) bool."""

    mask: torch.Tensor
    active: torch.Tensor
    due: torch.Tensor
    changed: torch.Tensor
    halo: torch.Tensor | None

    def plan(self) -> FramePlan:
        return FramePlan(self.active.nonzero()[:, 0], self.mask.nonzero()[:, 0], self.due,
                         self.changed, self.halo)
