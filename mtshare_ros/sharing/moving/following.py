"""Which of the rows around a place holds what lies nearest to it."""

import torch

FARTHEST = 0.875
"""Cells from the middle of a cell beyond which what a row holds is not its content."""


def nearest_rows(
    grid: tuple[int, int], held: torch.Tensor, places: torch.Tensor, empty: torch.Tensor
) -> torch.Tensor:
    """
    Return for each place (n, 2) the cell (n,) whose content is nearest to it, -1 for none.

    ``held`` (N, 2) is where the content of the cells of a grid lies, in cells, near the cell
    itself; ``empty`` (N,) bool are those that hold nothing. Each cell is given once, to the
    nearest of those who want it; the others may have one that nobody wanted.
    """
    first = _given(grid, held, places, empty)
    served = first >= 0
    taken = empty.index_fill(0, first[served], True)
    others = places.masked_fill(served[:, None], torch.nan)
    return torch.where(served, first, _given(grid, held, others, taken))


def _given(
    grid: tuple[int, int], held: torch.Tensor, places: torch.Tensor, empty: torch.Tensor
) -> torch.Tensor:
    """Return what each place gets if all ask for their nearest cell, -1 for nothing."""
    wanted, distance = _nearest(grid, held, places, empty)
    near = distance <= FARTHEST
    closest = torch.full_like(held[:, 0], torch.inf).scatter_reduce_(
        0, wanted, distance.where(near, torch.inf), 'amin')
    won = near & (distance == closest[wanted])
    return torch.where(_first(wanted, won, held.shape[0]), wanted, -1)


def _nearest(
    grid: tuple[int, int], held: torch.Tensor, places: torch.Tensor, empty: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return for each place the nearest of the nine cells around it, and how far that is."""
    known = ~places.isnan().any(dim=1)
    middle = places.where(known[:, None], 0).round().long()
    steps = torch.cartesian_prod(*2 * (torch.arange(-1, 2, device=places.device),))
    around = middle[:, None] + steps
    size = torch.tensor(grid, device=places.device)
    inside = ((around >= 0) & (around < size)).all(dim=2)
    row, column = torch.minimum(around.clamp(min=0), size - 1).unbind(dim=2)
    cells = row * grid[1] + column
    distances = (held[cells] - places[:, None]).norm(dim=2)
    distances = distances.where(inside & ~empty[cells] & known[:, None], torch.inf)
    distance, best = distances.min(dim=1)
    return cells.gather(1, best[:, None])[:, 0], distance


def _first(wanted: torch.Tensor, won: torch.Tensor, count: int) -> torch.Tensor:
    """Return of those (n,) bool who won the same cell the first alone."""
    number = torch.arange(wanted.shape[0], device=wanted.device)
    first = torch.full((count,), wanted.shape[0], device=wanted.device).scatter_reduce_(
        0, wanted, number.where(won, wanted.shape[0]), 'amin')
    return won & (number == first[wanted])
