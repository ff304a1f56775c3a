"""The lists of a frame: of a few fixed lengths, and made without waiting for the device."""

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
import math
from typing import Callable, Hashable, Iterable, Mapping, Sequence

import torch

from mtshare_ros.model.description import DEFAULT_TEMPORAL
from mtshare_ros.sharing.head import HeadGeometry
from mtshare_ros.sharing.pixel_maps import ReceptiveField
from mtshare_ros.sharing.static import plain_steps


def sources_of_pixels(grid: tuple[int, int], side: int, border: int) -> torch.Tensor:
    """
    Return for each pixel the patches (pixels, k) int32 that contain it or whose border does.

    A map has ``side`` pixels along a patch; where a pixel has fewer patches, one is repeated.
    """
    return _sources(grid, side, border, border)


def sources_of_patches(grid: tuple[int, int], receptive_field: ReceptiveField) -> torch.Tensor:
    """Return for each patch those whose change affects it, itself among them, (N, k) int32."""
    return _sources(grid, 1, receptive_field.last, -receptive_field.first)


def widened(sources: torch.Tensor, width: int) -> torch.Tensor:
    """Return sources (n, k) as (n, width), the last column repeated."""
    return torch.cat((sources, sources[:, -1:].expand(-1, width - sources.shape[1])), dim=1)


@lru_cache(maxsize=32)
def _sources(grid: tuple[int, int], side: int, before: int, behind: int) -> torch.Tensor:
    """Return (pixels, k) int32 patches in raster order; where there are fewer, one is repeated."""
    rows, columns = (_along(patches, side, before, behind) for patches in grid)
    numbers = rows[:, None, :, None] * grid[1] + columns[None, :, None, :]
    return numbers.reshape(rows.shape[0] * columns.shape[0], -1).int()


def _along(patches: int, side: int, before: int, behind: int) -> torch.Tensor:
    """Return along one axis the patches (pixels, k) from ``before`` to ``behind`` each pixel."""
    pixels = torch.arange(patches * side)
    first, last = ((pixels + step).div(side, rounding_mode='floor').clamp_(0, patches - 1)
                   for step in (-before, behind))
    width = int((last - first).max()) + 1
    return torch.minimum(first[:, None] + torch.arange(width), last[:, None])


SHARES = tuple(Fraction(number, 32) for number in (2, 3, 4, 6, 8, 12, 16))
"""
Lengths of lists as shares of all patches; frames that need more are computed whole.

Each is at most 1.5 times the one before, so that a frame computes little more than it needs.
"""

_HALVING = 1.5 * DEFAULT_TEMPORAL
"""Temporal threshold at which the blocks compute half of the patches that enter."""

_STEP = 8
"""Matrix units process eight rows at once, so lengths in between would save no time."""

_MOST_GROWTH = 3.0
"""Most pixels round patches that a list has room for, as a multiple of their own pixels."""


@dataclass(frozen=True)
class GateCounts:
    """
    What a gate counted in one frame.

    ``fired`` patches changed, ``active`` ones would be transmitted; of these ``due`` ones are due
    for a refresh. ``patches`` would enter the network: heads of each geometry would then compute
    ``pixels``, by convolution, and the maps of ``affected`` patches might differ.
    """

    fired: int
    due: int
    active: int
    patches: int
    pixels: Mapping[HeadGeometry, tuple[int, ...]]
    affected: Mapping[HeadGeometry, int]


@dataclass(frozen=True)
class ListSizes:
    """
    The lengths of a frame's lists.

    ``patches`` enter the network, of which the blocks compute ``kept``. By the geometry of heads:
    the ``pixels`` of each convolution, and the ``affected`` patches, whose maps may differ.
    """

    patches: int
    kept: int
    # mappings have no hash; sizes are keys of one camera, where the two numbers tell them apart
    pixels: Mapping[HeadGeometry, tuple[int, ...]] = field(compare=False)
    affected: Mapping[HeadGeometry, int] = field(compare=False)

    def hold(
        self, patches: int, pixels: Mapping[HeadGeometry, Sequence[int]],
        affected: Mapping[HeadGeometry, int],
    ) -> bool:
        """Tell whether the lists have room for so many entries."""
        return (
            patches <= self.patches
            and all(count <= self.affected[geometry] for geometry, count in affected.items())
            and all(count <= room for geometry, counts in pixels.items()
                    for count, room in zip(counts, self.pixels[geometry])))


def bucket_sizes(
    grid: tuple[int, int], geometries: Iterable[HeadGeometry], keep: float = 1.0
) -> tuple[ListSizes, ...]:
    """
    Return the lengths of lists for a (rows, columns) grid, shortest first.

    ``keep`` is the share of the entering patches that the blocks compute.
    """
    known = tuple(dict.fromkeys(geometries))
    count = grid[0] * grid[1]
    patches = dict.fromkeys(min(_rounded(share * count), count) for share in SHARES)
    return tuple(_sizes(count, entering, keep, known) for entering in patches)


def kept_share(threshold: float) -> float:
    """
    Return the share of the entering patches that the blocks compute.

    ``threshold`` is the temporal threshold of the first block. At that of models without
    calibration the share is a half, at half of it three quarters: the error is then that of gates
    in all blocks, for the rooms models and for ``real_vit_small``. Shares are quarters, because
    each share needs graphs of its own.
    """
    return max(1, round(4 / (1 + threshold / _HALVING))) / 4


def choose(
    buckets: Sequence[ListSizes], patches: int, pixels: Mapping[HeadGeometry, Sequence[int]],
    affected: Mapping[HeadGeometry, int],
) -> ListSizes | None:
    """Return the shortest lists with room for so many entries, None where none has."""
    return next((sizes for sizes in buckets if sizes.hold(patches, pixels, affected)), None)


def _sizes(
    count: int, patches: int, keep: float, geometries: tuple[HeadGeometry, ...]
) -> ListSizes:
    pixels = {
        item: tuple(_room(count, patches, item.side, border) for border in item.borders)
        for item in geometries}
    affected = {item: _room(count, patches, 1, item.patch_border) for item in geometries}
    return ListSizes(patches, min(patches, _rounded(keep * patches)), pixels, affected)


def _rounded(count: float | Fraction) -> int:
    return -(-math.ceil(count) // _STEP) * _STEP


def _room(count: int, patches: int, side: int, border: int) -> int:
    """Return the length of a list of pixels, ``side`` a patch, for patches and their border."""
    growth = min(((side + 2 * border) / side) ** 2, _MOST_GROWTH)
    return min(count * side ** 2, math.ceil(patches * side ** 2 * growth))


@dataclass(frozen=True)
class HeadLists:
    """
    What heads of one geometry compute, int64.

    ``layers`` are the pixels (p,) of each convolution, ``affected`` (r,) the patches whose
    enlarged output may differ.
    """

    layers: tuple[torch.Tensor, ...]
    affected: torch.Tensor


@dataclass(frozen=True)
class FrameLists:
    """
    The lists of one frame, int64, each filled up by repeating its last entry.

    ``transmitted`` (n,) are the patches whose pixels enter the reference image, ``patches`` (n,)
    those that enter the network; ``forced`` (n,) bool marks those of them that the blocks compute
    however little they changed.
    """

    transmitted: torch.Tensor
    patches: torch.Tensor
    forced: torch.Tensor
    heads: Mapping[HeadGeometry, HeadLists]


class MaskRow:
    """
    Masks joined into one row, so that one running sum counts and lists all of them.

    ``lengths`` are the entries of each mask by name.
    """

    def __init__(self, lengths: Mapping[Hashable, int], device: torch.device) -> None:
        sizes = torch.tensor(list(lengths.values()))
        bounds = torch.cat((sizes.new_zeros(1), sizes.cumsum(0)))
        self._spans = {name: span for name, span in zip(lengths, bounds.unfold(0, 2, 1))}
        self._bounds = bounds.to(device)
        self.numbers = torch.cat([torch.arange(length) for length in sizes]).to(device)

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The names of the masks, in order."""
        return tuple(self._spans)

    def allocate(self) -> torch.Tensor:
        """Return a buffer (S + 1,) int32 for the running sum, which begins with 0."""
        return self._bounds.new_zeros(self.numbers.shape[0] + 1, dtype=torch.int32)

    def count(self, marks: torch.Tensor, running: torch.Tensor, counts: torch.Tensor) -> None:
        """Sum up all masks (S,) bool; writes their ``counts`` (names,) int32."""
        torch.cumsum(marks, 0, dtype=torch.int32, out=running[1:])
        totals = running.index_select(0, self._bounds)
        torch.sub(totals[1:], totals[:-1], out=counts)

    def table(self, wanted: Iterable[tuple[Hashable, int]]) -> 'ListTable':
        """Return the table that ``lists`` needs for lists of masks, given by name and length."""
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
        entries: Callable[..., torch.Tensor] = plain_steps.entries,
    ) -> tuple[torch.Tensor, ...]:
        """
        Return for each list the first true entries of its mask, in order, (length,) int64.

        Where a mask has fewer, the last one is repeated; where it has none, the entries mean
        nothing. ``entries`` is that of Operators.
        """
        return entries(running, table.bounds, table.ranks, self.numbers).split(table.sizes)


@dataclass(frozen=True)
class ListTable:
    """
    A table of several lists, which have E entries together.

    ``ranks`` (E,) int32 number the entries of each list from 1; ``bounds`` (2 E,) int32 are where
    the mask of each entry begins and ends in the row.
    """

    bounds: torch.Tensor
    ranks: torch.Tensor
    sizes: tuple[int, ...]

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """The tensors that take memory."""
        return self.bounds, self.ranks
