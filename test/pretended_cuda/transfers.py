"""Copies between host and device, and what the host sees of them when."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pretended_cuda.errors import MisuseError


@dataclass(eq=False)
class HostWrite:
    """Data on its way into pinned memory: there once the host has waited."""

    target: torch.Tensor
    data: torch.Tensor
    line: str
    finished: bool = False

    def finish(self) -> None:
        """Let the data arrive."""
        if not self.finished:
            self.target.copy_(self.data)
            self.finished = True


@dataclass(eq=False)
class HostRead:
    """Data that the device reads out of pinned memory, some time before the host has waited."""

    source: torch.Tensor
    data: torch.Tensor
    line: str
    finished: bool = False

    def finish(self) -> None:
        """Raise MisuseError where the host changed the data before it was known to be read."""
        if self.finished:
            return
        self.finished = True
        if not torch.equal(_bytes(self.source), _bytes(self.data)):
            raise MisuseError(f'pinned memory was overwritten before its copy to the device '
                              f'(at {self.line}) was waited for')


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


class PinnedMemory:
    """The pieces of host memory that a GPU can reach by itself."""

    def __init__(self) -> None:
        self._pieces: list[tuple[int, int, torch.UntypedStorage]] = []

    def pin(self, tensor: torch.Tensor) -> torch.Tensor:
        """Make a tensor's memory pinned; for as long as it lives."""
        storage = tensor.untyped_storage()
        reference = torch.multiprocessing.reductions.StorageWeakRef(storage)
        self._pieces = [piece for piece in self._pieces if not piece[2].expired()]
        self._pieces.append((storage.data_ptr(), storage.nbytes(), reference))
        return tensor

    def holds(self, tensor: torch.Tensor) -> bool:
        """Tell whether a tensor of the host lies in pinned memory."""
        start = tensor.data_ptr()
        return any(first <= start < first + max(nbytes, 1) and not reference.expired()
                   for first, nbytes, reference in self._pieces)
