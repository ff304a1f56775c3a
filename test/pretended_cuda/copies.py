"""The operators that copy between host and device."""

from __future__ import annotations

from typing import Any

import torch

from pretended_cuda.lines import line
from pretended_cuda.memory import fill_with_garbage
from pretended_cuda.operators import Operator
from pretended_cuda.ordering import join
from pretended_cuda.tensor import PretendedTensor
from pretended_cuda.transfers import HostRead, HostWrite


def run_copy(mode: Any, op: Operator, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any],
             asked: torch.device | None) -> torch.Tensor | None:
    """Run a copy between host and device; None where it stays on one side."""
    if op.name == 'copy_':
        target, source = args[:2]
        non_blocking = bool(args[2]) if len(args) > 2 else kwargs.get('non_blocking', False)
        if target.device == source.device:
            return None
        copy = _between if target.is_cuda and source.is_cuda else (
            _upload if target.is_cuda else _download)
        return copy(mode, target, source, non_blocking)
    source, non_blocking = args[0], kwargs.get('non_blocking', False)
    if asked is None or asked == source.device:
        return None
    plain = {**kwargs, 'device': torch.device('cpu'), 'non_blocking': False}
    if asked.type == 'cuda':
        target = mode.new(func(_data(source), **plain), mode.machine.current_stream(asked))
        copy = _between if source.is_cuda else _upload
        return copy(mode, target, source, non_blocking)
    layout = torch.empty_like(func(source.data_on_cpu, **plain))
    if non_blocking:
        mode.machine.refuse_in_capture('allocation of pinned memory')
        mode.machine.pinned.pin(fill_with_garbage(layout))
    return _download(mode, layout, source, non_blocking)


def _between(mode: Any, target: PretendedTensor, source: PretendedTensor,
             non_blocking: bool) -> PretendedTensor:
    """Copy from one GPU to another; the streams of the two wait for each other."""
    here, there = (mode.machine.current_stream(each.device) for each in (source, target))
    mode.before(here, [source.block], [])
    join(there.clock, here.clock)
    mode.before(there, [], [target])
    join(here.clock, there.clock)
    target.data_on_cpu.copy_(source.data_on_cpu)
    mode.work('copy_', 1, here, _not_recorded, [source.block], [target.block])
    return target


def _not_recorded() -> None:
    raise NotImplementedError('a capture of copies between GPUs')


def _upload(mode: Any, target: PretendedTensor, source: torch.Tensor,
            non_blocking: bool) -> PretendedTensor:
    machine, at = mode.machine, line()
    stream = machine.current_stream(target.device)
    in_one_piece = _same_layout(source, target)
    # another type or order is made on the host first, in memory that is not pinned
    ready = source.is_contiguous() and source.dtype == target.dtype
    pending = non_blocking and machine.pinned.holds(source) and (in_one_piece or ready)
    if not pending:
        machine.wait('H2D', stream)
    mode.before(stream, [], [target])
    device, target_data = target.device, target.data_on_cpu

    def step() -> None:
        target_data.copy_(source)
        if pending:
            running = machine.current_stream(device)
            running.unfinished.append(HostRead(source, source.clone(), at))

    if stream.capture is None:
        step()
    else:
        target_data.copy_(source)
    mode.machine.work.copied('H2D', source.nbytes, stream.capture is not None)
    count = 1 if in_one_piece or target.is_contiguous() else 2
    mode.work('copy_', count, stream, step, [], [target.block])
    return target


def _download(mode: Any, target: torch.Tensor, source: PretendedTensor,
              non_blocking: bool) -> torch.Tensor:
    machine, at = mode.machine, line()
    stream = machine.current_stream(source.device)
    in_one_piece = _same_layout(source, target)
    pending = non_blocking and machine.pinned.holds(target) and (
        in_one_piece or target.is_contiguous())
    mode.before(stream, [source.block], [])
    source_data = source.data_on_cpu

    def step() -> None:
        running = machine.current_stream(stream.device)
        running.unfinished.append(HostWrite(target, source_data.to(target.dtype, copy=True), at))

    if not pending:
        machine.wait('D2H', stream)
        target.copy_(source_data)
    elif stream.capture is None:
        step()
    mode.machine.work.copied('D2H', target.nbytes, stream.capture is not None)
    count = 1 if in_one_piece else 1 + int(source.dtype != target.dtype
                                           or not source.is_contiguous())
    mode.work('copy_', count, stream, step, [source.block], [])
    return target


def _same_layout(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Tell whether two tensors are the same bytes in one piece, which a single copy moves."""
    extent = 1 + sum((size - 1) * step for size, step in zip(one.shape, one.stride()))
    return (one.dtype == other.dtype and one.stride() == other.stride()
            and (one.is_contiguous() or extent == one.numel()))


def _data(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.data_on_cpu if isinstance(tensor, PretendedTensor) else tensor
