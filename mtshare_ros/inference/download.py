"""From buffers of a device to arrays of the host, which belong to the caller."""

from typing import Mapping

import numpy as np
import torch


class Download:
    """
    Copies tensors to fresh arrays; on CUDA on a stream of its own, with one wait for all of them.

    There the arrays lie in the pinned memory that the device wrote. Whole tensors come although
    little of them changed: the host would have to copy what it kept of the others for the caller,
    which takes it longer than the device, but for links slower than the host's own memory.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == 'cuda' else None
        self.end: torch.cuda.Event | None = None
        """Passed when the last tensors had come; None on the CPU."""

    def fetch(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
        """Return what the tensors hold once all work is done that the current stream was given."""
        if self._stream is None:
            return {name: _fresh(tensor, pinned=False).copy_(tensor).numpy()
                    for name, tensor in tensors.items()}
        copies = {name: _fresh(tensor, pinned=True) for name, tensor in tensors.items()}
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            for name, tensor in tensors.items():
                copies[name].copy_(tensor, non_blocking=True)
        self.end = torch.cuda.Event(enable_timing=True)
        self.end.record(self._stream)
        self.end.synchronize()
        return {name: copy.numpy() for name, copy in copies.items()}


def _fresh(tensor: torch.Tensor, *, pinned: bool) -> torch.Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=pinned)
