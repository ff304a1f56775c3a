"""How many kernels an operator of PyTorch launches on a GPU."""

from collections.abc import Sequence

import torch

VIEWS = frozenset((
    '_reshape_alias', '_unsafe_view', 'alias', 'as_strided', 'chunk', 'detach', 'detach_',
    'diagonal', 'expand', 'expand_as', 'flatten', 'lift', 'lift_fresh', 'narrow', 'permute',
    'reshape', 'select', 'slice', 'split', 'split_with_sizes', 'squeeze', 'squeeze_', 't', 't_',
    'transpose', 'transpose_', 'unbind', 'unflatten', 'unfold', 'unsqueeze', 'unsqueeze_', 'view',
    'view_as', 'view_as_complex', 'view_as_real'))
ALLOCATIONS = frozenset((
    'empty', 'empty_like', 'empty_strided', 'new_empty', 'new_empty_strided', 'resize_', 'set_'))
FREE = VIEWS | ALLOCATIONS | {'_local_scalar_dense', 'is_nonzero', 'is_pinned', 'record_stream'}
KERNELS = {
    'bincount': 3,
    'convolution': 2,
    'multinomial': 2,
    'nonzero': 5,
    'repeat_interleave': 2,
    'sort': 2,
    'topk': 2,
    '_unique2': 6,
    'unique_dim': 6,
}
BOOLEAN_INDEX = 6  # nonzero, then the gathering
_NOTHING_TO_DO = frozenset(('cat', 'copy_', 'fill_', 'index_copy_', 'zero_'))


def launches(name: str, tensors: Sequence[torch.Tensor], *, masked: bool = False) -> int:
    """Return the kernels of one call of an operator on these tensors."""
    if name in FREE:
        return 0
    if name in _NOTHING_TO_DO and any(not tensor.numel() for tensor in tensors):
        return 0
    if masked:
        return BOOLEAN_INDEX
    return KERNELS.get(name, 1)
