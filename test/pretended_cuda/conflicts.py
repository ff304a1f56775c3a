"""
Writes through lists in which a place stands more than once.

Which of two values stays is not defined on a GPU, so they have to be equal; a CPU would keep the
last one, time after time, and nobody would notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pretended_cuda.errors import MisuseError

_CLOSE = 1e-3  # equal rows of one product may differ in their rounding


def check_writes(name: str, args: Sequence[Any], kwargs: dict[str, Any], result: torch.Tensor,
                 line: str) -> None:
    """Raise MisuseError where an operator has written different values to one place."""
    read = _READ.get(name.rstrip('_'))
    if read is None or kwargs.get('accumulate') or kwargs.get('reduce'):
        return
    found, wanted = read(args, result)
    if not found.numel():
        return
    if found.dtype.is_floating_point:
        same = torch.allclose(found.float(), wanted.float().expand_as(found), _CLOSE, _CLOSE,
                              equal_nan=True)
    else:
        same = bool((found == wanted).all())
    if not same:
        raise MisuseError(f'{name} (at {line}) writes different values to one place: '
                          'which of them stays is not defined on a GPU')


def _index_copy(args: Sequence[Any], result: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    _, dim, index, source = args[:4]
    return result.index_select(dim, index), source


def _index_put(args: Sequence[Any], result: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    _, indices, values = args[:3]
    if len(args) > 3 and args[3]:
        return values[:0], values
    return result[tuple(slice(None) if each is None else each for each in indices)], values


def _scatter(args: Sequence[Any], result: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    _, dim, index, source = args[:4]
    found = result.gather(dim, index)
    if not isinstance(source, torch.Tensor):
        return found[:0], found
    return found, source[tuple(slice(size) for size in index.shape)]


_READ = {'index_copy': _index_copy, 'index_put': _index_put, 'scatter': _scatter}
