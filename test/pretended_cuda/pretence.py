"""The context in which PyTorch believes in a CUDA device."""

import contextlib
from typing import Any, Iterator
from unittest import mock

import torch

from pretended_cuda.device import PretendedDevice
from pretended_cuda.dispatch import PretendedMode
from pretended_cuda.tensor import PretendedTensor

nonzero = torch.nonzero


class PretendedEvent:
    """A mark in the device's queue."""

    def __init__(self, device: PretendedDevice) -> None:
        self._device = device

    def record(self, stream=None) -> None:
        """Do nothing: what was queued is done."""

    def wait(self, stream=None) -> None:
        """Do nothing."""

    def elapsed_time(self, other: 'PretendedEvent') -> float:
        """Return milliseconds, always the same."""
        return 1.0

    def synchronize(self) -> None:
        """Let the host wait."""
        self._device.synchronised('event.synchronize')

    def query(self) -> bool:
        """Tell that everything is done."""
        return True


@contextlib.contextmanager
def pretended_cuda() -> Iterator[PretendedDevice]:
    """Make PyTorch believe in a CUDA device, and keep an account of what is asked of it."""
    device = PretendedDevice()
    inference_mode = torch.inference_mode
    with contextlib.ExitStack() as stack:
        for name, value in _replacements(device).items():
            stack.enter_context(mock.patch.object(torch.cuda, name, value))
        stack.enter_context(mock.patch.object(torch, 'nonzero', _nonzero))
        # with gradients, operators would be taken apart before they get here
        stack.enter_context(mock.patch.object(
            torch, 'inference_mode', lambda mode=True: inference_mode(True)))
        stack.enter_context(_exchanged_parameters())
        stack.enter_context(PretendedMode(device))
        stack.enter_context(inference_mode())
        yield device


def _nonzero(tensor: torch.Tensor, **options: Any) -> Any:
    return tensor.nonzero(**options) if isinstance(tensor, PretendedTensor) else nonzero(
        tensor, **options)


def _replacements(device: PretendedDevice) -> dict[str, object]:
    return {
        'current_stream': lambda *_: None,
        'device': contextlib.nullcontext,
        'device_count': lambda: 1,
        'empty_cache': lambda: None,
        'Event': lambda *_, **__: PretendedEvent(device),
        'is_available': lambda: True,
        'memory_reserved': lambda *_: 0,
        'synchronize': lambda *_: device.synchronised('torch.cuda.synchronize'),
    }


@contextlib.contextmanager
def _exchanged_parameters() -> Iterator[None]:
    """Let ``Module.to`` replace parameters: the data of a pretended one cannot be set."""
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
