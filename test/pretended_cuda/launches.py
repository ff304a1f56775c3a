"""
How many kernels, fills and copies an operator of PyTorch launches on a GPU.

Read from ATen's sources for CUDA (PyTorch 2.5 to 2.11) and counted for the GPU that
``torch_cuda`` describes. What no source tells is left out: the products that cuBLAS or cuDNN split
or convert to another layout on their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, prod
from typing import Any

import torch

from pretended_cuda.attention import attention_kernels

VIEWS = frozenset((
    '_reshape_alias', '_unsafe_view', 'alias', 'as_strided', 'chunk', 'detach', 'detach_',
    'diagonal', 'expand', 'expand_as', 'flatten', 'lift', 'lift_fresh', 'narrow', 'permute',
    'reshape', 'select', 'slice', 'split', 'split_with_sizes', 'squeeze', 'squeeze_', 't', 't_',
    'transpose', 'transpose_', 'unbind', 'unflatten', 'unfold', 'unsqueeze', 'unsqueeze_', 'view',
    'view_as', 'view_as_complex', 'view_as_real'))
ALLOCATIONS = frozenset((
    'empty', 'empty_like', 'empty_strided', 'new_empty', 'new_empty_strided', 'resize_', 'set_'))
_FREE = VIEWS | ALLOCATIONS | {'_local_scalar_dense', 'is_nonzero', 'is_pinned', 'record_stream'}
_NOTHING_TO_DO = frozenset(('cat', 'copy_', 'fill_', 'index_add_', 'index_copy_', 'index_fill_',
                            'scatter_', 'zero_'))

# they copy what they are given, then write into the copy
_COPY_FIRST = frozenset((
    'baddbmm', 'index_add', 'index_copy', 'index_fill', 'index_put', 'index_reduce',
    'masked_fill', 'put', 'scatter', 'scatter_add', 'scatter_reduce'))
_REDUCTIONS = frozenset((
    'all', 'amax', 'amin', 'any', 'argmax', 'argmin', 'linalg_vector_norm', 'max', 'mean', 'min',
    'norm', 'prod', 'std', 'std_mean', 'sum', 'var', 'var_mean'))
_SEMAPHORES_FROM = 256 * 512  # numbers for one result, as many as one block's threads take
_SHORT_SORT = 4096
_INPUTS_OF_CAT = 128
MASKED = 6  # nonzero, then the gathering or scattering

_FIXED = {
    '_native_batch_norm_legit_no_training': 2,  # the inverse deviations first
    '_unique2': 6,  # a radix sort and what follows it
    'bincount': 5,  # least and greatest, fill, count
    'eye': 2,  # fill, the diagonal
    'masked_scatter': 3,  # a scan of the mask, the scattering
    'masked_scatter_': 3,
    'masked_select': MASKED,
    'multinomial': 2,
    'native_group_norm': 3,  # moments, their product with the weights, the values
    'repeat_interleave': 3,  # a scan of two kernels, the repeating
    'unique_consecutive': 5,
    'unique_dim': 6,
}


def launches(name: str, args: Sequence[Any], kwargs: dict[str, Any],
             tensors: Sequence[torch.Tensor], *, masked: bool = False) -> int:
    """Return what one call of an operator launches."""
    if name in _FREE:
        return 0
    if name in _NOTHING_TO_DO and any(not tensor.numel() for tensor in tensors):
        return 0
    if masked:
        return MASKED
    if name in _COPY_FIRST:
        return 2
    if name in _REDUCTIONS:
        return _reduction(args, kwargs)
    rule = _RULES.get(name)
    return _FIXED.get(name, 1) if rule is None else rule(args, kwargs)


def _reduction(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """One kernel; where several blocks share a result, their semaphores are zeroed first."""
    sizes = args[0].shape
    dims = kwargs.get('dim', next((arg for arg in args[1:] if isinstance(arg, (list, tuple))),
                                  args[1] if len(args) > 1 and type(args[1]) is int else None))
    if dims is None or dims == []:
        count = prod(sizes)
    else:
        count = prod(sizes[dim] for dim in (dims if isinstance(dims, (list, tuple)) else [dims]))
    return 1 + (count >= _SEMAPHORES_FROM)


def _addmm(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """A bias of one dimension is added in the epilogue of cublasLt, all else is copied first."""
    bias, _, weight = args[:3]
    in_epilogue = (bias.ndim == 1 and bias.is_contiguous() and kwargs.get('beta', 1) == 1
                   and min(weight.shape) > 1)
    return 1 if in_epilogue else 2


def _convolution(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """The bias is added by a kernel of its own, except after a convolution of each channel."""
    of_each_channel = args[8] == args[0].shape[1] > 1
    return 1 if args[2] is None or of_each_channel else 2


def _layer_norm(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """One kernel where rows can be read four numbers at a time, else moments and values."""
    return _copy_in_order(args[0]) + (1 if prod(args[1]) % 4 == 0 else 2)


def _softmax(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    return _copy_in_order(args[0]) + 1


def _copy_in_order(tensor: torch.Tensor) -> int:
    """A copy where numbers do not lie one after the other, for kernels that want them so."""
    return int(not tensor.is_contiguous())


def _scan(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """Start and scan where there is one row, one kernel for several; another type first."""
    tensor, dim = args[:2]
    dtype = kwargs.get('dtype') or (
        tensor.dtype if tensor.is_floating_point() else torch.int64)
    kernels = 2 if tensor.numel() == tensor.shape[dim] else 1
    return kernels + (1 if dtype != tensor.dtype else _copy_in_order(tensor))


def _nonzero(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """A sum of two kernels, its copy to the host, a selection of two; coordinates by another."""
    return 5 + (args[0].ndim > 1)


def _nonzero_static(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """Sums of blocks, their scan, the places, the filling; coordinates by another."""
    return 4 + (args[0].ndim > 1)


def _sort(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """The places (range, copy), a copy of the values and the sort; long rows by radix."""
    dim = kwargs.get('dim', next((arg for arg in args[1:] if type(arg) is int), -1))
    return 4 if not args[0].ndim or args[0].shape[dim] <= _SHORT_SORT else 8


def _topk(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """The greatest of each row, then sorted; long lists by a sort and two gatherings."""
    count, is_sorted = args[1], kwargs.get('sorted', args[4] if len(args) > 4 else True)
    if not is_sorted or not count:
        return _copy_in_order(args[0]) + bool(count)
    return _copy_in_order(args[0]) + (2 if count <= _SHORT_SORT else 12)


def _cat(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """One kernel for many inputs of one type, a copy for each where types differ."""
    inputs = args[0]
    if len({tensor.dtype for tensor in inputs}) > 1 or inputs[0].ndim > 4:
        return len(inputs)
    return ceil(len(inputs) / _INPUTS_OF_CAT)


def _index_put(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """One kernel; sums into one place are sorted first, so that they do not meet."""
    accumulate = args[3] if len(args) > 3 else kwargs.get('accumulate', False)
    return 6 if accumulate else 1


def _pad(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """Fill and copy; a copy where nothing is added."""
    return 2 if any(size > 0 for size in args[1]) else 1


def _im2col(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """One kernel for each image."""
    return args[0].shape[0] if args[0].ndim == 4 else 1


_RULES: dict[str, Callable[[Sequence[Any], dict[str, Any]], int]] = {
    'addmm': _addmm,
    'cat': _cat,
    'constant_pad_nd': _pad,
    'convolution': _convolution,
    'cumprod': _scan,
    'cumsum': _scan,
    '_index_put_impl_': _index_put,
    '_log_softmax': _softmax,
    '_softmax': _softmax,
    'im2col': _im2col,
    'index_put_': _index_put,
    'native_layer_norm': _layer_norm,
    'nonzero': _nonzero,
    'nonzero_static': _nonzero_static,
    'scaled_dot_product_attention': attention_kernels,
    'sort': _sort,
    'topk': _topk,
}
