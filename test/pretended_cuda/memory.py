"""The memory of a pretended GPU: what is allocated, and by whom it is used."""

from __future__ import annotations

from typing import Any
import weakref

import torch

from pretended_cuda import errors

_ROUNDED_TO = 512


class Pool:
    """
    Memory that belongs to graphs: it stays reserved, at its most, as long as one of them lives.

    ``graphs`` are those captured into it, in order.
    """

    def __init__(self, memory: GpuMemory) -> None:
        self.graphs: list[weakref.ref] = []
        self.used = self.most = 0
        memory.pools.add(self)

    def add(self, nbytes: int) -> None:
        """Take memory, or give it back to the pool."""
        self.used += nbytes
        self.most = max(self.most, self.used)


class Block:
    """
    A piece of device memory; tensors that share their data share it.

    When the last tensor is gone, the memory is free, whatever graph still has its address.
    """

    def __init__(self, memory: GpuMemory, nbytes: int, stream: Any, line: str,
                 pool: Pool | None = None) -> None:
        self.nbytes = -(-nbytes // _ROUNDED_TO) * _ROUNDED_TO
        self.line = line
        self.stream = stream
        self.pool = pool
        self.written: Any = None
        self.read: dict[int, Any] = {}
        self.recorded: set[int] = set()
        memory.allocate(self.nbytes, pool)
        self._memory = memory

    def __del__(self) -> None:
        memory = getattr(self, '_memory', None)
        if memory is not None:
            memory.free(self)


class GpuMemory:
    """The allocator of one GPU."""

    def __init__(self, index: int, total: int, *, jetson: bool) -> None:
        self.index, self.total, self.limit, self.jetson = index, total, total, jetson
        self.allocated = self.reserved = self.peak = self.peak_reserved = 0
        self.pools: weakref.WeakSet[Pool] = weakref.WeakSet()
        self.captures: list[Any] = []
        self.closed = False
        self._fault: RuntimeError | None = None

    def allocate(self, nbytes: int, pool: Pool | None = None) -> None:
        """Take memory; raises what PyTorch raises where there is none left."""
        if self.allocated + nbytes > self.limit:
            raise (errors.out_of_memory_on_jetson() if self.jetson else
                   errors.out_of_memory(self.index, nbytes, self.allocated, self.limit))
        if self.allocated + nbytes > self.reserved:
            self._refuse_growth()
        self.allocated += nbytes
        if pool is not None:
            pool.add(nbytes)
        self.peak = max(self.peak, self.allocated)
        self.reserved = max(self.reserved, self._least_reserved())
        self.peak_reserved = max(self.peak_reserved, self.reserved)

    def free(self, block: Block) -> None:
        """Give memory back; it will be handed out again on the stream that it was made on."""
        self.allocated -= block.nbytes
        if block.pool is not None:
            block.pool.add(-block.nbytes)
        if self.closed or block.pool is not None:
            return
        for use in (block.written, *block.read.values()):
            if use is not None and not use.over_for(block):
                self._fault = errors.MisuseError(
                    f'memory made at {block.line} was freed while another stream still used it '
                    f'(at {use.line}): call Tensor.record_stream, or wait for that stream')

    def raise_fault(self) -> None:
        """Raise what went wrong while memory was given back."""
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def empty_cache(self) -> None:
        """Give back to the driver what neither tensors nor graphs hold."""
        self.reserved = self._least_reserved()

    def _least_reserved(self) -> int:
        return self.allocated + sum(pool.most - pool.used for pool in self.pools)

    def _refuse_growth(self) -> None:
        """Raise where the driver is asked for memory while another thread captures for all."""
        for capture in self.captures:
            capture.refuse_memory()


def fill_with_garbage(data: torch.Tensor) -> torch.Tensor:
    """Fill memory with what nobody should read: NaN, or indices far out of range."""
    if data.dtype == torch.bool:
        return data.fill_(True)
    if data.dtype.is_floating_point or data.dtype.is_complex:
        return data.fill_(float('nan'))
    return data.fill_(torch.iinfo(data.dtype).max // 2)
