"""Lists of the true entries of masks, of fixed lengths and without asking what is in them."""

from dataclasses import dataclass
from typing import Callable, Hashable, Iterable, Mapping

import torch

from mtshare_ros.sharing.head_plan import HeadGeometry
from mtshare_ros.sharing.static import marking


@dataclass(frozen=True)
class HeadLists:
    """
    What heads of one geometry compute, int64.

    ``layers`` are the pixels (p,) of each convolution, ``reached`` (r,) the cells whose enlarged
    output may differ.
    """

    layers: tuple[torch.Tensor, ...]
    reached: torch.Tensor


@dataclass(frozen=True)
class FrameLists:
    """
    The rows of one frame, int64, each list filled up by repeating its last entry.

    ``patches`` (n,) are transmitted, ``cells`` (n,) enter the network; ``forced`` (n,) bool marks
    those of them that must be computed whatever their change.
    """

    patches: torch.Tensor
    cells: torch.Tensor
    forced: torch.Tensor
    heads: Mapping[HeadGeometry, HeadLists]


class MaskRow:
    """
    Masks one behind the other, so that one running sum counts and lists all of them.

    ``lengths`` are their entries by name.
    """

    def __init__(self, lengths: Mapping[Hashable, int], device: torch.device) -> None:
        sizes = torch.tensor(list(lengths.values()))
        bounds = torch.cat((sizes.new_zeros(1), sizes.cumsum(0)))
        self._spans = {name: span for name, span in zip(lengths, bounds.unfold(0, 2, 1))}
        self._bounds = bounds.to(device)
        self.numbers = torch.cat([torch.arange(length) for length in sizes]).to(device)

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The masks, in order."""
        return tuple(self._spans)

    def allocate(self) -> torch.Tensor:
        """Return a buffer for the running sum of all entries, int32, which begins with 0."""
        return self._bounds.new_zeros(self.numbers.shape[0] + 1, dtype=torch.int32)

    def count(self, marks: torch.Tensor, running: torch.Tensor, counts: torch.Tensor) -> None:
        """Sum up all masks (S,) bool, and write the ``counts`` (names,) int32."""
        torch.cumsum(marks, 0, dtype=torch.int32, out=running[1:])
        totals = running.index_select(0, self._bounds)
        torch.sub(totals[1:], totals[:-1], out=counts)

    def table(self, wanted: Iterable[tuple[Hashable, int]]) -> 'ListTable':
        """Return what ``lists`` needs for lists of masks, by name and size."""
        spans, ranks, sizes = [], [], []
        for name, size in wanted:
            spans.append(self._spans[name][:, None].expand(2, size))
            ranks.append(torch.arange(1, size + 1, dtype=torch.int32))
            sizes.append(size)
        device = self._bounds.device
        return ListTable(torch.cat(spans, dim=1).flatten().to(device, torch.int32),
                         torch.cat(ranks).to(device), tuple(sizes))

    def lists(
        self, running: torch.Tensor, table: 'ListTable',
        entries: Callable[..., torch.Tensor] = marking.entries,
    ) -> tuple[torch.Tensor, ...]:
        """
        Return for each list its first true entries, in order, (size,) int64.

        Where a mask has fewer, the last one is repeated; where it has none, the list is of any
        entry. ``entries`` see Operators.
        """
        return entries(running, table.bounds, table.ranks, self.numbers).split(table.sizes)


@dataclass(frozen=True)
class ListTable:
    """
    Lists of E entries together.

    ``ranks`` (E,) int32 count the entries of each from 1; ``bounds`` (2 E,) int32 are where its
    mask begins and ends.
    """

    bounds: torch.Tensor
    ranks: torch.Tensor
    sizes: tuple[int, ...]

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """What takes memory."""
        return self.bounds, self.ranks
