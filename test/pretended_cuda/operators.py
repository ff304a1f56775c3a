"""What the pretended device has to know about an operator of PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from pretended_cuda.launches import VIEWS

# composed of others, but not of those that the CPU build can run for CUDA; a kernel on a GPU
_WHOLE = frozenset(('sort', 'scaled_dot_product_attention', 'addmm_', '_to_copy', 'copy_',
                    'nonzero_static'))
_WAITS = frozenset(('nonzero', 'equal', 'masked_select', '_unique2', 'unique_dim',
                    'unique_consecutive', 'bincount', 'is_nonzero', 'allclose'))
_READS_VALUE = frozenset(('index_fill', 'index_fill_', 'masked_fill', 'masked_fill_'))
_MASKED = frozenset(('index', 'index_put', 'index_put_', '_index_put_impl_'))


@dataclass(frozen=True)
class Operator:
    """An overload: its name, whether it is taken apart, and which arguments it writes."""

    name: str
    composed: bool
    is_view: bool
    pointwise: bool
    written_places: tuple[int, ...]
    written_names: tuple[str, ...]

    def written(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """Return the arguments of a call that are overwritten."""
        return [*(args[place] for place in self.written_places if place < len(args)),
                *(kwargs[name] for name in self.written_names if name in kwargs)]


@cache
def operator(func: Any) -> Operator:
    """Return what is known of an overload."""
    schema = func._schema
    name = schema.name.partition('::')[2]
    written = [(place, argument.name) for place, argument in enumerate(schema.arguments)
               if argument.alias_info is not None and argument.alias_info.is_write]
    is_view = name in VIEWS
    return Operator(
        name=name,
        composed=(func._can_decompose() and name not in _WHOLE
                  and not name.startswith('upsample')),
        is_view=is_view,
        pointwise=torch.Tag.pointwise in func.tags,
        written_places=() if is_view else tuple(place for place, _ in written),
        written_names=() if is_view else tuple(name for _, name in written))


def is_masked(name: str, args: tuple[Any, ...]) -> bool:
    """Tell whether an index is a mask whose places must be listed, so that the host waits."""
    if name not in _MASKED or name != 'index' and is_host_number(args[2]):
        return False
    return any(index is not None and index.dtype in (torch.bool, torch.uint8)
               for index in args[1] or ())


def waits(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return how an operator on the device makes the host wait, '' where it does not."""
    if name == '_local_scalar_dense':
        return 'item'
    if name in _WAITS:
        return name
    if is_masked(name, args):
        return 'boolean mask'
    if name in _READS_VALUE and isinstance(args[-1], torch.Tensor) and args[-1].is_cuda:
        return f'value of {name}'
    if name == 'repeat_interleave' and isinstance(args[-1], torch.Tensor) \
            and kwargs.get('output_size') is None:
        return name
    return ''


def is_host_number(value: Any) -> bool:
    """Tell whether a value is one number on the CPU."""
    return isinstance(value, torch.Tensor) and not value.is_cuda and value.numel() == 1
