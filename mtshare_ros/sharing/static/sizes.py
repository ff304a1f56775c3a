"""How long the lists of a frame are: a few fixed numbers, of which the host picks one set."""

from dataclasses import dataclass, field
from fractions import Fraction
import math
from typing import Iterable, Mapping, Sequence

from mtshare_ros.model.thresholds import DEFAULT_TEMPORAL
from mtshare_ros.sharing.head_plan import HeadGeometry

SHARES = tuple(Fraction(number, 32) for number in (2, 3, 4, 6, 8, 12, 16))
"""
Of the cells: beyond the last, frames are computed whole.

Each is at most 1.5 times the one before, so that a frame pays for little that it does not need.
"""

_HALVING = 1.5 * DEFAULT_TEMPORAL

_STEP = 8
"""Matrix units take rows in eights: fewer would take as long."""

_MOST_GROWTH = 3.0
"""Pixels round the cells may be so many times their own; where they are more, lists are longer."""


@dataclass(frozen=True)
class ListSizes:
    """
    The entries of a frame's lists.

    ``cells`` enter the network, of which the blocks compute ``kept``. By the geometry of heads,
    ``pixels`` are those that each convolution computes and ``reached`` the cells whose maps may
    differ.
    """

    cells: int
    kept: int
    pixels: Mapping[HeadGeometry, tuple[int, ...]] = field(compare=False)
    reached: Mapping[HeadGeometry, int] = field(compare=False)

    def hold(
        self, cells: int, pixels: Mapping[HeadGeometry, Sequence[int]],
        reached: Mapping[HeadGeometry, int],
    ) -> bool:
        """Tell whether so many entries have room."""
        return (
            cells <= self.cells
            and all(count <= self.reached[geometry] for geometry, count in reached.items())
            and all(count <= room for geometry, counts in pixels.items()
                    for count, room in zip(counts, self.pixels[geometry])))


def bucket_sizes(
    grid: tuple[int, int], geometries: Iterable[HeadGeometry], keep: float = 1.0
) -> tuple[ListSizes, ...]:
    """
    Return the sizes for a (rows, columns) grid, smallest first.

    ``keep`` is the share of the entering cells that the blocks compute.
    """
    known = tuple(dict.fromkeys(geometries))
    count = grid[0] * grid[1]
    cells = dict.fromkeys(min(_rounded(share * count), count) for share in SHARES)
    return tuple(_sizes(count, entering, keep, known) for entering in cells)


def kept_share(limit: float) -> float:
    """
    Return the share of the entering cells that the blocks compute.

    ``limit`` is the temporal one of the first block. At that of models which nobody calibrated it
    is half, at half of that three quarters: there the error is that of gates in all blocks, for
    the rooms models and for ``real_vit_small`` alike. In quarters, as each has graphs of its own.
    """
    return max(1, round(4 / (1 + limit / _HALVING))) / 4


def choose(
    buckets: Sequence[ListSizes], cells: int, pixels: Mapping[HeadGeometry, Sequence[int]],
    reached: Mapping[HeadGeometry, int],
) -> ListSizes | None:
    """Return the smallest sizes that have room for so many entries, None where none has."""
    return next((sizes for sizes in buckets if sizes.hold(cells, pixels, reached)), None)


def _sizes(
    count: int, cells: int, keep: float, geometries: tuple[HeadGeometry, ...]
) -> ListSizes:
    pixels = {
        item: tuple(_room(count, cells, item.side, border) for border in item.borders)
        for item in geometries}
    reached = {item: _room(count, cells, 1, item.cell_border) for item in geometries}
    return ListSizes(cells, min(cells, _rounded(keep * cells)), pixels, reached)


def _rounded(count: float | Fraction) -> int:
    return -(-math.ceil(count) // _STEP) * _STEP


def _room(count: int, cells: int, side: int, border: int) -> int:
    """Return the pixels, ``side`` along a cell, for cells of ``count`` and a border round them."""
    growth = min(((side + 2 * border) / side) ** 2, _MOST_GROWTH)
    return min(count * side ** 2, math.ceil(cells * side ** 2 * growth))
