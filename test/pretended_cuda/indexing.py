"""
Python's brackets on a pretended tensor.

PyTorch asks for a guard of the CUDA device before it looks at an index; a build without CUDA has
none. So the index is taken apart here, into the same views and operators.
"""

from typing import Any

import torch

aten = torch.ops.aten


def get(tensor: torch.Tensor, index: Any) -> torch.Tensor:
    """Return ``tensor[index]``."""
    result, tensors = _views(tensor, index)
    if not tensors:
        return aten.alias.default(result) if result is tensor else result
    return aten.index.Tensor(result, tensors)


def put(tensor: torch.Tensor, index: Any, value: Any) -> None:
    """Do ``tensor[index] = value``."""
    target, tensors = _views(tensor, index)
    if not tensors:
        _assign(target, value)
    elif _is_mask(tensors[-1]) and len(tensors) == 1 and not isinstance(value, torch.Tensor):
        target.masked_fill_(tensors[0], value)
    else:
        if not isinstance(value, torch.Tensor):
            value = torch.scalar_tensor(value, dtype=tensor.dtype)  # as PyTorch does: on the CPU
        aten.index_put_.default(target, tensors, value)


def _assign(target: torch.Tensor, value: Any) -> None:
    if isinstance(value, torch.Tensor):
        target.copy_(value)
    else:
        target.fill_(value)


def _views(tensor: torch.Tensor, index: Any) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
    """Return the view that the numbers and slices make, and the tensors that are left."""
    result, dim, found = tensor, 0, {}
    for part in _spelled_out(tensor, index):
        if part is None:
            result, dim = result.unsqueeze(dim), dim + 1
        elif isinstance(part, slice):
            if part != slice(None):
                start, stop, step = part.indices(result.shape[dim])
                result = aten.slice.Tensor(result, dim, start, stop, step)
            dim += 1
        elif isinstance(part, (torch.Tensor, list)) and getattr(part, 'ndim', 1):
            found[dim] = _as_index(part, tensor)
            dim += found[dim].ndim if _is_mask(found[dim]) else 1
        else:
            result = result.select(dim, int(part))
    return result, [found.get(at) for at in range(max(found, default=-1) + 1)]


def _spelled_out(tensor: torch.Tensor, index: Any) -> tuple[Any, ...]:
    """Return the index as a tuple, an ellipsis written out."""
    parts = index if isinstance(index, tuple) else (index,)
    at = next((place for place, part in enumerate(parts) if part is Ellipsis), None)
    if at is None:
        return parts
    used = sum(part.ndim if isinstance(part, torch.Tensor) and _is_mask(part) else 1
               for part in parts if part is not None) - 1
    return (*parts[:at], *[slice(None)] * (tensor.ndim - used), *parts[at + 1:])


def _as_index(part: torch.Tensor | list[Any], tensor: torch.Tensor) -> torch.Tensor:
    return torch.tensor(part, device=tensor.device) if isinstance(part, list) else part


def _is_mask(index: torch.Tensor | None) -> bool:
    return index is not None and index.dtype in (torch.bool, torch.uint8)
