"""The lists of a frame as inputs of a file: their names, their lengths, what they must hold."""

from dataclasses import dataclass
from typing import Any, Sequence

import torch

from mtshare_ros.export.graph import Port
from mtshare_ros.sharing.head_plan import HeadGeometry
from mtshare_ros.sharing.reach import Reach
from mtshare_ros.sharing.static.lists import FrameLists, HeadLists
from mtshare_ros.sharing.static.sizes import ListSizes

_RULE = 'numbers in raster order, ascending, filled up by repeating the last one'


@dataclass(frozen=True)
class ListInputs:
    """
    The lists of frames of some ``sizes``: int32, which every version of TensorRT takes.

    ``reach`` are the cells whose tokens differ when the pixels of one patch do.
    """

    sizes: ListSizes
    reach: Reach

    @property
    def cut(self) -> bool:
        """Whether the blocks compute fewer cells than enter."""
        return self.sizes.kept < self.sizes.cells

    @property
    def lengths(self) -> dict[str, int]:
        """The entries of the lists by the name of their input."""
        cells = dict.fromkeys(
            ('patches', 'cells', 'forced') if self.cut else ('patches', 'cells'),
            self.sizes.cells)
        pixels = {_pixels(item, border): count for item, counts in self.sizes.pixels.items()
                  for border, count in zip(item.borders, counts)}
        return {**cells, **pixels}

    @property
    def ports(self) -> tuple[Port, ...]:
        """The inputs, with what they must hold."""
        texts = {
            'patches': 'patches whose pixels are taken over',
            'cells': f'cells that are computed: those that the patches reach{self._so_far}',
            'forced': 'which of the cells are computed however little they changed'}
        for item in self.sizes.pixels:
            for border in item.borders:
                texts[_pixels(item, border)] = (
                    f'pixels, {item.side} along a cell, at most {border} from a listed cell')
        return tuple(Port(name, texts[name]) for name in self.lengths)

    @property
    def facts(self) -> dict[str, Any]:
        """What a program has to know to make the lists, for the metadata."""
        return {'list_lengths': self.lengths, 'lists': _RULE, 'kept': self.sizes.kept,
                'reach': [-self.reach.first, self.reach.last]}

    def examples(self) -> tuple[torch.Tensor, ...]:
        """Return lists of the first entries."""
        return tuple(
            torch.zeros(count, dtype=torch.bool) if name == 'forced' else
            torch.arange(count, dtype=torch.int32) for name, count in self.lengths.items())

    def read(self, given: Sequence[torch.Tensor]) -> FrameLists:
        """Return the lists of a frame, given in the order of ``lengths``."""
        lists = {name: value if name == 'forced' else value.long()
                 for name, value in zip(self.lengths, given)}
        cells = lists['cells']
        # which cells' maps differ, only a program that decodes those alone has to know
        heads = {item: HeadLists(
            tuple(lists[_pixels(item, border)] for border in item.borders), cells)
            for item in self.sizes.pixels}
        forced = lists.get('forced', torch.ones_like(cells, dtype=torch.bool))
        return FrameLists(lists['patches'], cells, forced, heads)

    @property
    def _so_far(self) -> str:
        before, behind = -self.reach.first, self.reach.last
        return f', {before} before and {behind} behind' if before or behind else ''


def _pixels(geometry: HeadGeometry, border: int) -> str:
    return f'pixels_{geometry.side}_{border}'
