"""Refresh schedules: when a token is computed anew although nothing seems to have changed."""

from functools import lru_cache
from typing import Callable, Protocol

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


class TurnSchedule:
    """
    Refreshes every token when its turn comes, once in a period.

    ``turns`` (N,) int64 are the tokens' frames within the period. None waits longer than
    ``period`` frames, also where the period was another before.
    """

    def __init__(self, turns: torch.Tensor, period: int) -> None:
        self.turns, self.period = turns, period

    def due(self, frame: int, ages: torch.Tensor) -> torch.Tensor:
        """See RefreshSchedule."""
        return (self.turns == frame % self.period) | overdue(ages, self.period)


class NoRefresh:
    """Refreshes nothing."""

    def due(self, frame: int, ages: torch.Tensor) -> torch.Tensor:
        """See RefreshSchedule."""
        return torch.zeros_like(ages, dtype=torch.bool)


@lru_cache(maxsize=64)
def make_schedule(
    policy: str, grid: tuple[int, int], period: int, device: torch.device | None = None
) -> TurnSchedule | NoRefresh:
    """
    Return the schedule of a (rows, columns) grid, its tensors on ``device`` (the CPU if None).

    Schedules keep no state, so the same arguments give the same object at no cost.
    Raises ConfigError for an unknown policy or a period below 1.
    """
    if policy == 'none':
        return NoRefresh()
    if policy not in _TURNS:
        raise ConfigError(f'the refresh policy is {policy!r}; allowed are '
                          f'{", ".join(_TURNS)} and none')
    if period < 1:
        raise ConfigError(f'the refresh period is {period} frames; it must be 1 or more: choose '
                          'how many frames may pass until every token is computed anew')
    turns = _TURNS[policy](grid, period)
    return TurnSchedule(turns.to(device or torch.device('cpu')), period)


def overdue(ages: torch.Tensor, limit: int) -> torch.Tensor:
    """Return which tokens (N,) must be refreshed now, lest ``limit`` frames pass."""
    return ages >= last_age(limit)


def last_age(limit: int) -> int:
    """Return the age at which a token must be refreshed, lest ``limit`` frames pass."""
    return limit - 1


def _tile_by_tile(grid: tuple[int, int], period: int) -> torch.Tensor:
    """Let tile after tile have its turn in raster order; a tile counts by its tokens."""
    rows, columns = grid
    tiles_across = -(-columns // TILE)
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing='ij')
    tile = (row // TILE * tiles_across + column // TILE).flatten()
    sizes = torch.bincount(tile)
    before = sizes.cumsum(0) - sizes
    turns = (2 * before + sizes) * period // (2 * rows * columns)
    return turns.clamp_(max=period - 1)[tile]


def _all_at_once(grid: tuple[int, int], period: int) -> torch.Tensor:
    """Let all tokens have their turn in every frame whose number the period divides."""
    return torch.zeros(grid[0] * grid[1], dtype=torch.int64)


_TURNS: dict[str, Callable[[tuple[int, int], int], torch.Tensor]] = {
    'round_robin': _tile_by_tile, 'keyframe': _all_at_once,
}
