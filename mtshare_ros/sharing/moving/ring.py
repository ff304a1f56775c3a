"""Which row of the caches belongs to which patch of a view that moves over the world."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch

FARTHEST = 0.875
"""Patches between a patch and what its row shows, above which the row is of no use to it."""


def nearest_rows(
    grid: tuple[int, int], held: torch.Tensor, places: torch.Tensor, empty: torch.Tensor
) -> torch.Tensor:
    """
    Return for each place (n, 2) the patch (n,) whose content is nearest to it, -1 for none.

    Of the nine patches around a place. ``held`` (N, 2) is where the content of each patch of a
    grid lies, in patches, near the patch itself; ``empty`` (N,) bool are patches without content.
    """
    known = ~places.isnan().any(dim=1)
    # a NaN has no whole number; its place finds nothing below
    middle = places.where(known[:, None], 0).round().long()
    steps = torch.cartesian_prod(*2 * (torch.arange(-1, 2, device=places.device),))
    around = middle[:, None] + steps
    size = torch.tensor(grid, device=places.device)
    inside = ((around >= 0) & (around < size)).all(dim=2)
    row, column = torch.minimum(around.clamp(min=0), size - 1).unbind(dim=2)
    patches = row * grid[1] + column
    distances = (held[patches] - places[:, None]).norm(dim=2)
    distances = distances.where(inside & ~empty[patches] & known[:, None], torch.inf)
    distance, best = distances.min(dim=1)
    return patches.gather(1, best[:, None])[:, 0].where(distance <= FARTHEST, -1)


def first_of_each(wanted: torch.Tensor) -> torch.Tensor:
    """Return (n,) bool: the first of those that want the same patch; -1 wants none."""
    count = wanted.shape[0]
    number = torch.arange(count, device=wanted.device)
    first = torch.full((count,), count, device=wanted.device).scatter_reduce_(
        0, wanted.clamp(min=0), number.where(wanted >= 0, count), 'amin')
    return (wanted >= 0) & (number == first[wanted.clamp(min=0)])


@dataclass(frozen=True, eq=False)
class RingGrid:
    """
    A (rows, columns) ``grid`` of patches that moves while the rows of the caches stay in place.

    Only the map ``rows`` (N,) from patches of the view to rows moves: a scroll shifts it like a
    torus, so that rows of patches that left the view go to those that entered it. ``new`` (N,)
    bool are patches that were not computed since they entered. ``offsets`` (N, 2) float32 are how
    far, in patches down and right, the content of a patch lies from its middle, without the
    ``rest``, two floats, by which everything has moved since the last scroll. ``origin`` is the
    place of the first patch in the world, in patches.
    """

    grid: tuple[int, int]
    rows: torch.Tensor
    new: torch.Tensor
    offsets: torch.Tensor
    origin: tuple[int, int] = (0, 0)
    rest: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def at_rest(cls, grid: tuple[int, int], device: torch.device) -> 'RingGrid':
        """Return the map of a view whose patches were all computed in place."""
        count = grid[0] * grid[1]
        return cls(grid, torch.arange(count, device=device),
                   torch.zeros(count, dtype=torch.bool, device=device),
                   torch.zeros(count, 2, device=device))

    @cached_property
    def patches(self) -> torch.Tensor:
        """The patch (N,) that each row belongs to."""
        return torch.empty_like(self.rows).scatter_(
            0, self.rows, torch.arange(self.rows.shape[0], device=self.rows.device))

    @cached_property
    def places(self) -> torch.Tensor:
        """Row and column (N, 2) int64 in the world of the patch that each row belongs to."""
        return self._view.index_select(0, self.patches) + self._tensor(self.origin)

    def moved(self, down: float, right: float) -> 'RingGrid':
        """
        Return the map after the content of the view has moved, in patches.

        It scrolls by whole patches; the remainder is kept for the next call.
        """
        whole, rest = self._advanced(down, right)
        scrolled = self.scrolled(*whole) if any(whole) else self
        return replace(scrolled, rest=rest)

    def scrolled(self, down: int, right: int) -> 'RingGrid':
        """Return the map after the content of the view has moved by whole patches."""
        source = self._view - self._tensor((down, right))
        entered = ((source < 0) | (source >= self._tensor(self.grid))).any(dim=1)
        turned = source % self._tensor(self.grid)
        before = turned[:, 0] * self.grid[1] + turned[:, 1]
        return replace(
            self, rows=self.rows[before], new=self.new[before] | entered,
            offsets=self.offsets[before].masked_fill(entered[:, None], 0),
            origin=(self.origin[0] - down, self.origin[1] - right))

    def followed(self, places: torch.Tensor) -> 'Followed':
        """
        Return the map in which each patch has the row whose content lies nearest, for parallax.

        ``places`` (N, 2) float32 are row and column, in patches, where the view before showed what
        is now in the middle of each patch; NaN where it did not. Where content grows, several
        patches want one row: the first gets it, the others get copies. Patches with no row near
        enough are new.
        """
        held = self._view + self.offsets + self._tensor(self.rest)
        source = nearest_rows(self.grid, held, places, self.new)
        kept, before = source >= 0, source.clamp(min=0)
        # the view moves as most of its content does, even if few rows change their patch
        whole, rest = self._advanced(*_median(self._view - places))
        offsets = torch.where(kept[:, None], held[before] - places - self._tensor(rest), 0)
        first = first_of_each(source)
        rows, copies = _dealt(self.rows, before, first), kept & ~first
        ring = replace(
            self, rows=rows, new=~kept, offsets=offsets.float(),
            origin=(self.origin[0] - whole[0], self.origin[1] - whole[1]), rest=rest)
        return Followed(ring, self.rows[before[copies]], rows[copies])

    def computed(self, patches: torch.Tensor) -> 'RingGrid':
        """Return the map after patches (n,) of the view were computed in place."""
        return replace(self, new=self.new.index_fill(0, patches, False),
                       offsets=self.offsets.index_copy(
                           0, patches, -self._tensor(self.rest).float().expand(len(patches), 2)))

    @cached_property
    def _view(self) -> torch.Tensor:
        """Row and column (N, 2) int64 of each patch of the view."""
        number = torch.arange(self.rows.shape[0], device=self.rows.device)
        return torch.stack((number // self.grid[1], number % self.grid[1]), dim=1)

    def _tensor(self, pair: tuple[float, float]) -> torch.Tensor:
        return torch.tensor(pair, device=self.rows.device)

    def _advanced(
        self, down: float, right: float
    ) -> tuple[tuple[int, int], tuple[float, float]]:
        """Return the whole patches that everything has moved by, and the remainder."""
        total = self.rest[0] + down, self.rest[1] + right
        whole = round(total[0]), round(total[1])
        return whole, (total[0] - whole[0], total[1] - whole[1])


@dataclass(frozen=True)
class Followed:
    """A map, and the rows ``copies`` (n,) that must get what the rows ``originals`` (n,) hold."""

    ring: RingGrid
    originals: torch.Tensor
    copies: torch.Tensor


def _median(steps: torch.Tensor) -> tuple[float, float]:
    """Return by how much most of the content moved, of steps (n, 2); 0 where all are unknown."""
    down, right = steps.nanmedian(dim=0).values.nan_to_num().tolist()
    return down, right


def _dealt(rows: torch.Tensor, before: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Return each patch's row: that of the patch ``before`` where ``kept``, else a free one."""
    reused = rows[before]
    free = torch.ones_like(kept).index_fill_(0, reused[kept], False)
    return reused.masked_scatter(~kept, free.nonzero()[:, 0])
