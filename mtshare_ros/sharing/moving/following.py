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
    itself; ``empty`` (N,) bool are those that hold nothing. Of the nine cells around a place.
    """
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
    return cells.gather(1, best[:, None])[:, 0].where(distance <= FARTHEST, -1)


def first_of_each(wanted: torch.Tensor) -> torch.Tensor:
    """Return of those (n,) bool who want the same cell the first alone; -1 wants none."""
    count = wanted.shape[0]
    number = torch.arange(count, device=wanted.device)
    first = torch.full((count,), count, device=wanted.device).scatter_reduce_(
        0, wanted.clamp(min=0), number.where(wanted >= 0, count), 'amin')
    return (wanted >= 0) & (number == first[wanted.clamp(min=0)])
