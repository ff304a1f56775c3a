"""Which operands may lie on which device."""

from collections.abc import Sequence
from typing import Any

import torch

from pretended_cuda.lines import lines
from pretended_cuda.tensor import PretendedTensor

# they read a number of the CPU as an argument of the kernel, though they are not pointwise
_TAKE_NUMBERS = frozenset(('fill_', 'fill', 'masked_fill', 'masked_fill_', 'index_fill',
                           'index_fill_', 'index_put', 'index_put_', 'where'))
_INDEXING = frozenset(('index', 'index_put', 'index_put_', '_index_put_impl_', '_unsafe_index'))


def check(func: Any, name: str, args: Sequence[Any], tensors: Sequence[torch.Tensor]) -> bool:
    """
    Raise where operands lie on different devices, as the kernels of PyTorch do.

    Return whether an index on the CPU has to be moved, which makes the host wait.
    """
    devices = {tensor.device for tensor in tensors if isinstance(tensor, PretendedTensor)}
    if len(devices) > 1:
        raise _mixed(name, devices)
    plain = [tensor for tensor in tensors if not isinstance(tensor, PretendedTensor)]
    if not plain:
        return False
    moved = _indices(args) if name in _INDEXING else []
    for tensor in plain:
        if any(tensor is index for index in moved):
            continue
        if tensor.ndim or not (name in _TAKE_NUMBERS or torch.Tag.pointwise in func.tags):
            raise _mixed(name, (*devices, tensor.device))
    return any(tensor is index for tensor in plain for index in moved)


def _indices(args: Sequence[Any]) -> list[torch.Tensor]:
    return [index for index in args[1] or () if isinstance(index, torch.Tensor)]


def _mixed(name: str, devices: Any) -> RuntimeError:
    names = ' and '.join(sorted(map(str, devices)))
    return RuntimeError(f'Expected all tensors to be on the same device, but found at least two '
                        f'devices, {names}! (in {name}, at {lines()})')
