"""Where every operator of PyTorch passes, and is run on the CPU for the device."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Iterator

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pretended_cuda import current, placement
from pretended_cuda.conflicts import check_writes
from pretended_cuda.copies import run_copy
from pretended_cuda.launches import ALLOCATIONS, launches
from pretended_cuda.lines import line
from pretended_cuda.machine import Machine
from pretended_cuda.memory import Block, fill_with_garbage
from pretended_cuda.operators import is_masked, Operator, operator, waits
from pretended_cuda.ordering import Use, use_blocks
from pretended_cuda.streams import KERNEL_MS, PretendedStream
from pretended_cuda.tensor import PretendedTensor
from pretended_cuda.trees import leaves_of, map_leaves


class PretendedMode(TorchDispatchMode):
    """Runs the operators of pretended tensors on the CPU and keeps the account."""

    # PyTorch lets device='cuda' through to a mode that says it makes fake tensors
    _mode_key = torch._C._TorchDispatchModeKey.FAKE

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine

    def __enter__(self):
        current.enter(self)
        torch._C._set_only_lift_cpu_tensors(True)
        return super().__enter__()

    def __exit__(self, *error):
        result = super().__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(False)
        current.leave()
        return result

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self.run(func, args, kwargs or {})

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operator where its operands are."""
        leaves = leaves_of((args, kwargs))
        if any(isinstance(leaf, torch.device) for leaf in leaves):
            args, kwargs = map_leaves(self._with_index, (args, kwargs))
            leaves = leaves_of((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        pretended = [tensor for tensor in tensors if isinstance(tensor, PretendedTensor)]
        asked = next((leaf for leaf in leaves if isinstance(leaf, torch.device)), None)
        if not pretended and (asked is None or asked.type != 'cuda'):
            return func(*args, **kwargs)
        op = operator(func)
        if op.composed:
            with self._inside():
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        if op.name in ('_to_copy', 'copy_'):
            copied = run_copy(self, op, func, args, kwargs, asked)
            if copied is not None:
                return copied
        device = pretended[0].device if pretended else asked
        for _ in placement.check(op, args, tensors) if op.name != 'copy_' else ():
            self.machine.wait(f'H2D operand of {op.name}', self.machine.current_stream(device))
        return self.launch(op, func, args, kwargs, tensors, self.machine.current_stream(device))

    def launch(self, op: Operator, func: Any, args: Any, kwargs: Any,
               tensors: list[torch.Tensor], stream: PretendedStream) -> Any:
        """Run an operator on a stream: compute, or record, and keep the account."""
        kind = waits(op.name, args, kwargs)
        if kind:
            self.machine.wait(kind, stream)
        count = launches(op.name, args, kwargs, tensors, masked=is_masked(op.name, args))
        run_args, run_kwargs = map_leaves(_data, (args, kwargs))
        if 'device' in run_kwargs:
            run_kwargs = {**run_kwargs, 'device': torch.device('cpu')}
        if op.is_view:
            self.machine.work.launched(op.name, 0, '')
            return self._wrapped(func(*run_args, **run_kwargs), tensors, stream)
        reads, writes = _used(op.written(args, kwargs), tensors)
        use = self.before(stream, reads, writes)
        result = func(*run_args, **run_kwargs)
        made: list[tuple[int, torch.Tensor]] = []
        wrapped = self._wrapped(result, tensors, stream, made)
        if op.name in ALLOCATIONS:
            for _, data in made:
                fill_with_garbage(data)
        new_blocks = _blocks(wrapped, made)
        if count:
            for block in new_blocks:
                block.written = use
        if writes:
            check_writes(op.name, run_args, run_kwargs, result, line())
        step = None if stream.capture is None else _again(
            op.name, func, map_leaves(_frozen, (args, kwargs)), made)
        self.work(op.name, count, stream, step, reads,
                  [*(tensor.block for tensor in writes), *new_blocks])
        return wrapped

    def before(self, stream: PretendedStream, reads: list[Block],
               writes: list[PretendedTensor]) -> Use | None:
        """Prepare for a launch: check who else uses the memory, keep what a capture undoes."""
        self.machine.memories[stream.device_index].raise_fault()
        if stream.capture is None:
            return use_blocks(stream, reads, [tensor.block for tensor in writes], line())
        stream.next_tick()
        for tensor in writes:
            stream.capture.before_writing(tensor.block, tensor.data_on_cpu)
        return None

    def work(self, name: str, count: int, stream: PretendedStream,
             step: Callable[[], None] | None, reads: list[Block], writes: list[Block]) -> None:
        """Count a launch, or record it."""
        if stream.capture is not None:
            if count and step is not None:
                stream.capture.record(name, count, step, reads, writes)
            return
        stream.time_ms += count * KERNEL_MS
        self.machine.work.launched(name, count, line() if count else '')

    def to_host(self, kind: str, tensor: PretendedTensor) -> torch.Tensor:
        """Return a tensor's data, for which the host waits."""
        stream = self.machine.current_stream(tensor.device)
        self.machine.wait(kind, stream)
        self.before(stream, [tensor.block], [])
        return tensor.data_on_cpu

    def new(self, data: torch.Tensor, stream: PretendedStream) -> PretendedTensor:
        """Return a tensor in memory of its own."""
        device = stream.device
        self.machine.touch(device.index)
        pool = None if stream.capture is None else stream.capture.pool
        block = Block(self.machine.memories[device.index], data.untyped_storage().nbytes(),
                      stream, line(), pool)
        if stream.capture is not None:
            stream.capture.made(block, data)
        return PretendedTensor(data, device, block)

    def _wrapped(self, result: Any, tensors: list[torch.Tensor], stream: PretendedStream,
                 made: list[tuple[int, torch.Tensor]] | None = None) -> Any:
        """Return the results as tensors of the device; the new ones are added to ``made``."""
        same = {id(_data(tensor)): tensor for tensor in tensors}
        blocks = {tensor.data_on_cpu.untyped_storage()._cdata: tensor.block
                  for tensor in tensors if isinstance(tensor, PretendedTensor)}
        place = -1

        def wrapped(value: Any) -> Any:
            nonlocal place
            place += 1
            if not isinstance(value, torch.Tensor):
                return value
            if id(value) in same:
                return same[id(value)]
            block = blocks.get(value.untyped_storage()._cdata)
            if block is not None:
                return PretendedTensor(value, stream.device, block)
            if made is not None:
                made.append((place, value))
            return self.new(value, stream)

        return map_leaves(wrapped, result)

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """Let the mode see the pieces of a composed operator."""
        with torch._C._SetExcludeDispatchKeyGuard(torch._C.DispatchKey.Python, False):
            torch._C._set_dispatch_mode(self)
            try:
                yield
            finally:
                torch._C._unset_dispatch_mode(self._mode_key)

    def _with_index(self, value: Any) -> Any:
        """Return a value, a device 'cuda' with its index; raises where there is no such device."""
        if isinstance(value, torch.device) and value.type == 'cuda':
            return torch.device('cuda', self.machine.index_of(value))
        return value


def _used(
    written: list[Any], tensors: list[torch.Tensor]
) -> tuple[list[Block], list[PretendedTensor]]:
    """Return the blocks that an operator only reads, and one tensor of each that it writes."""
    overwritten = {id(leaf): leaf for leaf in leaves_of(written)
                   if isinstance(leaf, PretendedTensor)}
    writes = {tensor.block: tensor for tensor in overwritten.values()}
    reads = [tensor.block for tensor in tensors
             if isinstance(tensor, PretendedTensor) and id(tensor) not in overwritten]
    return reads, list(writes.values())


def _again(name: str, func: Any, frozen: Any,
           made: list[tuple[int, torch.Tensor]]) -> Callable[[], None]:
    """Return what computes the same again, into the same memory."""
    args, kwargs = frozen
    if 'device' in kwargs:
        kwargs = {**kwargs, 'device': torch.device('cpu')}

    at = line()

    def step() -> None:
        result = func(*args, **kwargs)
        results = leaves_of(result)
        for place, data in made:
            data.copy_(results[place])
        if not made:
            check_writes(name, args, kwargs, result, at)

    return step


def _blocks(wrapped: Any, made: list[tuple[int, torch.Tensor]]) -> list[Block]:
    leaves = leaves_of(wrapped)
    return [leaves[place].block for place, _ in made]


def _data(value: Any) -> Any:
    return value.data_on_cpu if isinstance(value, PretendedTensor) else value


def _frozen(value: Any) -> Any:
    """Return a value as a kernel gets it: numbers are copied, memory is an address."""
    if isinstance(value, torch.Tensor) and not isinstance(value, PretendedTensor):
        return value.clone()
    return _data(value)
