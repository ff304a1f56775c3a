"""The memory of a pretended GPU: what is allocated, and by whom it is used."""

from __future__ import annotations

from typing import Any

import torch

from pretended_cuda import errors

_ROUNDED_TO = 512


class Block:
    """
    A piece of device memory; tensors that share their data share it.

    When the last tensor is gone, the memory is free, whatever graph still has its address.
    """

    def __init__(self, memory: GpuMemory, nbytes: int, stream: Any, line: str) -> None:
        self.nbytes = -(-nbytes // _ROUNDED_TO) * _ROUNDED_TO
        self.line = line
        self.stream = stream
        self.written: Any = None
        self.read: dict[int, Any] = {}
        self.recorded: set[int] = set()
        self._memory = memory
        memory.allocate(self.nbytes)

    def __del__(self) -> None:
        memory = getattr(self, '_memory', None)
        if memory is not None:
            memory.free(self)


class GpuMemory:
    """The allocator of one GPU."""

    def __init__(self, index: int, total: int, *, jetson: bool) -> None:
        self.index, self.total, self.limit, self.jetson = index, total, total, jetson
        self.allocated = self.reserved = self.peak = self.peak_reserved = 0
        self.fault: RuntimeError | None = None
        self.closed = False


    def allocate(self, nbytes: int) -> None:
        """Take memory; raises what PyTorch raises where there is none left."""
        if self.allocated + nbytes > self.limit:
            raise (errors.out_of_memory_on_jetson() if self.jetson else
                   errors.out_of_memory(self.index, nbytes, self.allocated, self.limit))
        self.allocated += nbytes
        self.peak = max(self.peak, self.allocated)
        self.reserved = max(self.reserved, self.allocated)
        self.peak_reserved = max(self.peak_reserved, self.reserved)

    def free(self, block: Block) -> None:
        """Give memory back; it will be handed out again on the stream that it was made on."""
        self.allocated -= block.nbytes
        if self.closed:
            return
        for use in (block.written, *block.read.values()):
            if use is not None and not use.over_for(block):
                self.fault = errors.MisuseError(
                    f'memory made at {block.line} was freed while another stream still used it '
                    f'(at {use.line}): call Tensor.record_stream, or wait for that stream')

    def raise_fault(self) -> None:
        """Raise what went wrong while memory was given back."""
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault

    def empty_cache(self) -> None:
        """Give back to the driver what nobody uses."""
        self.reserved = self.allocated


def fill_with_garbage(data: torch.Tensor) -> torch.Tensor:
    """Fill memory with what nobody should read: NaN, or indices far out of range."""
    if data.dtype == torch.bool:
        return data.fill_(True)
    if data.dtype.is_floating_point or data.dtype.is_complex:
        return data.fill_(float('nan'))
    return data.fill_(torch.iinfo(data.dtype).max // 2)
