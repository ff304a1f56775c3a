"""Which operands may lie on which device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pretended_cuda.lines import lines
from pretended_cuda.operators import is_masked, Operator
from pretended_cuda.tensor import PretendedTensor

# they take a number of the CPU as an argument of the kernel, though they are not pointwise
_TAKE_NUMBERS = frozenset(('fill_', 'fill', 'masked_fill', 'masked_fill_', 'index_fill',
                           'index_fill_'))
# they move a number of the CPU to the device, for which the host waits
_MOVE_NUMBERS = frozenset(('where', 'index_put', 'index_put_', '_index_put_impl_'))
_INDEXING = frozenset(('index', 'index_put', 'index_put_', '_index_put_impl_', '_unsafe_index'))


def check(op: Operator, args: Sequence[Any], tensors: Sequence[torch.Tensor]) -> list[Any]:
    """
    Raise where operands lie on different devices, as the kernels of PyTorch do.

    Return those that PyTorch moves to the device, which makes the host wait.
    """
    devices = {tensor.device for tensor in tensors if isinstance(tensor, PretendedTensor)}
    if len(devices) > 1:
        raise _mixed(op.name, devices)
    plain = [tensor for tensor in tensors if not isinstance(tensor, PretendedTensor)]
    if not plain:
        return []
    indices = [id(index) for index in args[1] or ()] if op.name in _INDEXING else []
    moved = []
    for tensor in plain:
        if id(tensor) in indices or tensor.ndim == 0 and op.name in _MOVE_NUMBERS:
            moved.append(tensor)
        elif tensor.ndim or not (op.name in _TAKE_NUMBERS or op.pointwise):
            raise _mixed(op.name, (*devices, tensor.device))
    if moved and op.name != 'where' and _is_masked_fill(args):
        return []
    return moved


def _is_masked_fill(args: Sequence[Any]) -> bool:
    """Tell whether a number is written through a mask, which is one kernel with an argument."""
    masks = [index for index in args[1] or () if index is not None]
    return len(args) > 2 and args[2].numel() == 1 and is_masked('index', (args[0], masks))


def _mixed(name: str, devices: Any) -> RuntimeError:
    names = ' and '.join(sorted(map(str, devices)))
    return RuntimeError(f'Expected all tensors to be on the same device, but found at least two '
                        f'devices, {names}! (in {name}, at {lines()})')
