"""What a file of a listed frame needs: lists as inputs, memory as tensors, steps of its own."""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Callable, Iterator, Mapping, Sequence

import torch

from mtshare_ros.export.onnx_file import Port
from mtshare_ros.sharing.head import HeadGeometry
from mtshare_ros.sharing.pixel_maps import ReceptiveField
from mtshare_ros.sharing.static.fixed_lists import FrameLists, HeadLists, ListSizes
from mtshare_ros.sharing.static.operators import PLAIN

_RULE = 'numbers in raster order, ascending, filled up by repeating the last one'


@dataclass(frozen=True)
class ListInputs:
    """
    The lists of frames of some ``sizes`` as inputs of a file.

    They are int32, which every version of TensorRT takes. ``receptive_field`` says which tokens
    depend on the pixels of one patch.
    """

    sizes: ListSizes
    receptive_field: ReceptiveField

    @property
    def cut(self) -> bool:
        """Whether the blocks compute fewer patches than enter."""
        return self.sizes.kept < self.sizes.patches

    @property
    def lengths(self) -> dict[str, int]:
        """The entries of the lists by the name of their input."""
        cells = dict.fromkeys(
            ('patches', 'cells', 'forced') if self.cut else ('patches', 'cells'),
            self.sizes.patches)
        pixels = {_pixels(item, border): count for item, counts in self.sizes.pixels.items()
                  for border, count in zip(item.borders, counts)}
        return {**cells, **pixels}

    @property
    def ports(self) -> tuple[Port, ...]:
        """The inputs, with texts that say what they must hold."""
        texts = {
            'patches': 'patches whose pixels are read from the image',
            'cells': 'patches that are computed: those that the patches above affect'
                     f'{self._so_far}',
            'forced': 'which of the cells are computed however little they changed'}
        for item in self.sizes.pixels:
            for border in item.borders:
                texts[_pixels(item, border)] = (
                    f'pixels, {item.side} along a cell, at most {border} from a listed cell')
        return tuple(Port(name, texts[name]) for name in self.lengths)

    @property
    def facts(self) -> dict[str, Any]:
        """What a program must know to make the lists, for the metadata."""
        return {'list_lengths': self.lengths, 'lists': _RULE, 'kept': self.sizes.kept,
                'reach': [-self.receptive_field.first, self.receptive_field.last]}

    def examples(self) -> tuple[torch.Tensor, ...]:
        """Return lists of the first entries."""
        return tuple(
            torch.zeros(count, dtype=torch.bool) if name == 'forced' else
            torch.arange(count, dtype=torch.int32) for name, count in self.lengths.items())

    def read(self, given: Sequence[torch.Tensor]) -> FrameLists:
        """Return the lists of a frame, given in the order of ``lengths``."""
        # PyTorch indexes with int64
        lists = {name: value if name == 'forced' else value.long()
                 for name, value in zip(self.lengths, given)}
        cells = lists['cells']
        # maps are decoded whole, so the file need not know which patches' maps differ
        heads = {item: HeadLists(
            tuple(lists[_pixels(item, border)] for border in item.borders), cells)
            for item in self.sizes.pixels}
        forced = lists.get('forced', torch.ones_like(cells, dtype=torch.bool))
        return FrameLists(lists['patches'], cells, forced, heads)

    @property
    def _so_far(self) -> str:
        before, behind = -self.receptive_field.first, self.receptive_field.last
        return f', {before} before and {behind} behind' if before or behind else ''


def _pixels(geometry: HeadGeometry, border: int) -> str:
    return f'pixels_{geometry.side}_{border}'


def tensors_of(value: Any) -> dict[str, torch.Tensor]:
    """Return the tensors in dataclasses, mappings and sequences by names that say where."""
    return dict(_leaves(value, ''))


def with_tensors(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Return a copy in which all tensors that ``tensors_of`` names are replaced."""
    return _mapped(value, '', lambda name, _: tensors[name])


def _leaves(value: Any, name: str) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield name, value
    for part, child in _parts(value):
        yield from _leaves(child, f'{name}_{part}'.lstrip('_'))


def _parts(value: Any) -> list[tuple[str, Any]]:
    if is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in fields(value) if field.init]
    if isinstance(value, dict):
        return [(key if isinstance(key, str) else str(number), child)
                for number, (key, child) in enumerate(value.items())]
    if isinstance(value, (tuple, list)):
        return [(str(number), child) for number, child in enumerate(value)]
    return []


def _mapped(
    value: Any, name: str, change: Callable[[str, torch.Tensor], torch.Tensor]
) -> Any:
    if isinstance(value, torch.Tensor):
        return change(name, value)
    children = [_mapped(child, f'{name}_{part}'.lstrip('_'), change)
                for part, child in _parts(value)]
    if is_dataclass(value):
        return replace(value, **{part: child for (part, _), child
                                 in zip(_parts(value), children)})  # type: ignore[type-var]
    if isinstance(value, dict):
        return dict(zip(value, children))
    return type(value)(children) if isinstance(value, (tuple, list)) else value


def _rotate_and_store(
    qkv: torch.Tensor, bias: torch.Tensor | None, rotation: torch.Tensor | None,
    cache: torch.Tensor, index: torch.Tensor, heads: int,
) -> torch.Tensor:
    """Do what ``plain_steps.rotate_and_store`` does, but write to the cache alone."""
    query, key, value = (qkv if bias is None else qkv + bias).chunk(3, dim=-1)
    if rotation is not None:
        query, key = (_rotated(rows, rotation, heads) for rows in (query, key))
    cache.index_copy_(1, index, torch.cat((key, value), dim=-1))
    return query


def _rotated(rows: torch.Tensor, rotation: torch.Tensor, heads: int) -> torch.Tensor:
    vectors = rows.unflatten(-1, (heads, -1))
    first, second, third, fourth = vectors.chunk(4, dim=-1)
    # the signs of the exchanged parts are in the table's sines
    turned = torch.cat((second, first, fourth, third), dim=-1)
    return (vectors * rotation[:, :1] + turned * rotation[:, 1:]).flatten(-2)


OPERATORS = replace(PLAIN, rotate_and_store=_rotate_and_store)
"""The plain steps of a block, none of which overwrites its input."""
