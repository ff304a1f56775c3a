"""The context in which PyTorch believes in a CUDA device."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any, Iterator
from unittest import mock

import torch

from pretended_cuda import host_memory, torch_cuda
from pretended_cuda.device import PretendedDevice
from pretended_cuda.dispatch import PretendedMode
from pretended_cuda.machine import Machine
from pretended_cuda.tensor import PretendedTensor

_nonzero = torch.nonzero


@contextlib.contextmanager
def pretended_cuda(devices: int = 1, *, jetson: bool = False) -> Iterator[PretendedDevice]:
    """
    Make PyTorch believe in CUDA devices, and keep an account of what is asked of them.

    With ``jetson``, memory that runs out raises what it does there.
    """
    work = PretendedDevice()
    machine = Machine(work, devices, jetson=jetson)
    with contextlib.ExitStack() as stack:
        stack.callback(machine.close)
        for target, name, value in _replaced(machine):
            stack.enter_context(mock.patch.object(target, name, value))
        stack.enter_context(_exchanged_parameters())
        stack.enter_context(_in_thread(machine))
        work.thread = partial(_in_thread, machine)
        yield work


@contextlib.contextmanager
def _in_thread(machine: Machine) -> Iterator[None]:
    """Let the calling thread see the GPUs; modes of PyTorch belong to one thread."""
    with PretendedMode(machine), torch.inference_mode():
        yield


def _replaced(machine: Machine) -> Iterator[tuple[Any, str, Any]]:
    """Return what is replaced, where, and by what."""
    inference_mode = torch.inference_mode
    # with gradients, operators would be taken apart before they get to the device
    yield torch, 'inference_mode', lambda mode=True: inference_mode(True)
    yield torch, 'nonzero', _nonzero_of
    for name, value in torch_cuda.replacements(machine).items():
        yield torch.cuda, name, value
    for name in host_memory.FACTORIES:
        yield torch, name, host_memory.pinning(machine, getattr(torch, name))
    for name, value in host_memory.methods(machine).items():
        yield torch.Tensor, name, value


def _nonzero_of(tensor: torch.Tensor, **options: Any) -> Any:
    if isinstance(tensor, PretendedTensor):
        return tensor.nonzero(**options)
    return _nonzero(tensor, **options)


@contextlib.contextmanager
def _exchanged_parameters() -> Iterator[None]:
    """Let ``Module.to`` replace parameters: the data of a pretended one cannot be set."""
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
