"""Pinned memory for a build of PyTorch that has no allocator of it."""

from __future__ import annotations

from typing import Any, Callable

import torch

from pretended_cuda.machine import Machine
from pretended_cuda.tensor import PretendedTensor

FACTORIES = ('arange', 'empty', 'empty_like', 'empty_strided', 'full', 'full_like', 'ones',
             'ones_like', 'rand', 'randn', 'tensor', 'zeros', 'zeros_like')


def pinning(machine: Machine, factory: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Return a factory that knows what to do with ``pin_memory=True``."""
    def make(*args: Any, pin_memory: bool = False, **kwargs: Any) -> torch.Tensor:
        made = factory(*args, **kwargs)
        return pin(machine, made) if pin_memory else made

    return make


def pin(machine: Machine, tensor: torch.Tensor) -> torch.Tensor:
    """Make the memory of a new tensor of the host pinned."""
    if isinstance(tensor, PretendedTensor):
        raise RuntimeError('Only dense CPU tensors can be pinned')
    machine.refuse_in_capture('allocation of pinned memory')
    return machine.pinned.pin(tensor)


def methods(machine: Machine) -> dict[str, Callable[..., Any]]:
    """Return the methods of ``torch.Tensor`` that ask the machine."""
    def cuda(tensor: torch.Tensor, device: Any = None, non_blocking: bool = False, **options: Any
             ) -> torch.Tensor:
        target = torch.device('cuda', machine.index_of(device))
        return tensor.to(target, non_blocking=non_blocking, **options)

    def is_pinned(tensor: torch.Tensor, device: Any = None) -> bool:
        return machine.pinned.holds(tensor)

    def pin_memory(tensor: torch.Tensor, device: Any = None) -> torch.Tensor:
        return tensor if machine.pinned.holds(tensor) else pin(machine, tensor.clone())

    return {'cuda': cuda, 'is_pinned': is_pinned, 'pin_memory': pin_memory}
