"""The list of rows that are active in a block."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch

from mtshare_ros.sharing.attention import RowRotation


@dataclass(frozen=True)
class ActiveRows:
    """
    Token rows of one or several members (tasks), one member's after the other's.

    ``index`` (n,) int64, sorted, counts rows through all members: member x T + token, with
    ``token_count`` = T. ``counts`` are the rows of each member. ``forced`` (n,) bool marks rows
    that no gate may drop, None where there are none. ``rotation`` turns their queries and keys.
    Tokens are the N cells of the grid and after them ``prefix`` = T - N rows that stand for no
    place of it: each member that has rows has all of these, forced, at the end.
    """

    index: torch.Tensor
    counts: tuple[int, ...]
    token_count: int
    forced: torch.Tensor | None = None
    rotation: RowRotation | None = None
    prefix: int = 0

    @property
    def total(self) -> int:
        """Rows of all members."""
        return self.index.shape[0]

    @cached_property
    def tokens(self) -> torch.Tensor:
        """Each row's token (n,)."""
        return self.index if len(self.counts) == 1 else self.index % self.token_count

    @property
    def cell_counts(self) -> tuple[int, ...]:
        """How many cells of each member are listed."""
        return self.cells_among(self.counts)

    def cells_among(self, counts: tuple[int, ...]) -> tuple[int, ...]:
        """Return how many of so many rows of each member are cells."""
        return tuple(max(count - self.prefix, 0) for count in counts)

    def cells_of(self, member: int) -> torch.Tensor:
        """Return the cells (k,) of a member that are listed."""
        first = sum(self.counts[:member])
        index = self.index[first:first + self.cell_counts[member]]
        return index - member * self.token_count if member else index

    def per_row(self, values: torch.Tensor) -> torch.Tensor:
        """Return each row's own of one value per member (M,)."""
        if len(self.counts) == 1:
            return values
        repeats = torch.tensor(self.counts, device=values.device)
        return torch.repeat_interleave(values, repeats, output_size=self.total)

    def at(self, places: torch.Tensor) -> 'ActiveRows':
        """Return the rows at sorted positions (m,) of the list."""
        index = self.index.index_select(0, places)
        return ActiveRows(
            index, count_members(index, len(self.counts), self.token_count), self.token_count,
            None if self.forced is None else self.forced.index_select(0, places),
            None if self.rotation is None else self.rotation.at(places), self.prefix,
        )

    def force(self, forced: torch.Tensor | None) -> 'ActiveRows':
        """Return the same rows with other ones forced."""
        return replace(self, forced=forced)


def count_members(index: torch.Tensor, members: int, token_count: int) -> tuple[int, ...]:
    """Return how many of the sorted rows belong to each member."""
    if members == 1:
        return (index.shape[0],)
    ends = torch.arange(1, members + 1, device=index.device) * token_count
    places = torch.searchsorted(index, ends).tolist()
    return tuple(end - start for start, end in zip([0, *places], places))
