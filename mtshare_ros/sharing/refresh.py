"""Refresh schedules: when a token is computed anew although nothing seems to have changed."""

from functools import lru_cache
from typing import Protocol

import torch

from mtshare_ros.errors import ConfigError

TILE = 4
"""Tokens: a refreshed tile is TILE x TILE, because a lone token drags its neighbours along."""


class RefreshSchedule(Protocol):
    """Says which tokens are due."""

    def due(self, frame: int, ages: torch.Tensor) -> torch.Tensor:
        """
        Return the tokens to be refreshed in a frame as a mask (N,).

        ``frame`` counts from 0; ``ages`` (N,) integer: frames that passed since a token was
        refreshed, 0 right in the next one.
        """


class RoundRobin:
    """
    Refreshes tile after tile in raster order, spread evenly over a period.

    No token waits longer than ``period`` frames, also where the period was another before.
    Raises ConfigError for a period below 1.
    """

    def __init__(self, grid: tuple[int, int], period: int, device: torch.device) -> None:
        self.period = _checked(period)
        self._turn = _turns(grid, period).to(device)

    def due(self, frame: int, ages: torch.Tensor) -> torch.Tensor:
        """See RefreshSchedule."""
        return (self._turn == frame % self.period) | overdue(ages, self.period)


class KeyframeSchedule:
    """
    Refreshes all tokens in every frame whose number the period divides.

    A token that would be older than ``period`` frames is refreshed before. Raises ConfigError for
    a period below 1.
    """

    def __init__(self, grid: tuple[int, int], period: int, device: torch.device) -> None:
        self.period = _checked(period)
        count = grid[0] * grid[1]
        self._all = torch.ones(count, dtype=torch.bool, device=device)

    def due(self, frame: int, ages: torch.Tensor) -> torch.Tensor:
        """See RefreshSchedule."""
        whole = frame % self.period == 0
        return self._all.clone() if whole else overdue(ages, self.period)


_SCHEDULES: dict[str, type[RoundRobin] | type[KeyframeSchedule]] = {
    'round_robin': RoundRobin, 'keyframe': KeyframeSchedule,
}


class NoRefresh:
    """Refreshes nothing."""

    def due(self, frame: int, ages: torch.Tensor) -> torch.Tensor:
        """See RefreshSchedule."""
        return torch.zeros_like(ages, dtype=torch.bool)


@lru_cache(maxsize=64)
def make_schedule(
    policy: str, grid: tuple[int, int], period: int, device: torch.device | None = None
) -> RefreshSchedule:
    """
    Return the schedule of a (rows, columns) grid, its tensors on ``device`` (the CPU if None).

    Schedules keep no state, so the same arguments give the same object at no cost.
    Raises ConfigError for an unknown policy or a period below 1.
    """
    if policy == 'none':
        return NoRefresh()
    if policy not in _SCHEDULES:
        raise ConfigError(f'the refresh policy is {policy!r}; allowed are '
                          f'{", ".join(_SCHEDULES)} and none')
    return _SCHEDULES[policy](grid, period, device or torch.device('cpu'))


def overdue(ages: torch.Tensor, limit: int) -> torch.Tensor:
    """Return which tokens (N,) must be refreshed now, lest ``limit`` frames pass."""
    return ages >= limit - 1


def _checked(period: int) -> int:
    if period < 1:
        raise ConfigError(f'the refresh period is {period} frames; it must be 1 or more: choose '
                          'how many frames may pass until every token is computed anew')
    return period


def _turns(grid: tuple[int, int], period: int) -> torch.Tensor:
    """Return each token's frame (N,) within the period; a tile counts by its tokens."""
    rows, columns = grid
    tiles_across = -(-columns // TILE)
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing='ij')
    tile = (row // TILE * tiles_across + column // TILE).flatten()
    sizes = torch.bincount(tile)
    before = sizes.cumsum(0) - sizes
    turns = (2 * before + sizes) * period // (2 * rows * columns)
    return turns.clamp_(max=period - 1)[tile]
