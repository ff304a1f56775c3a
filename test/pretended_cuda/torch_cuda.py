"""What stands in for the functions of ``torch.cuda``."""

from __future__ import annotations

import contextlib
from functools import partial
from types import SimpleNamespace
from typing import Any, Callable, Iterator

from pretended_cuda.attention import MULTIPROCESSORS
from pretended_cuda.graphs import new_pool, PretendedGraph
from pretended_cuda.machine import Machine
from pretended_cuda.streams import PretendedEvent, PretendedStream

NAME, CAPABILITY = 'Pretended GPU', (9, 0)
_MODES = {'default': 0, 'warn': 1, 'error': 2}


def replacements(machine: Machine) -> dict[str, Any]:
    """Return the names of ``torch.cuda`` and what stands for them."""
    return {**_of_devices(machine), **_of_streams(machine), **_of_memory(machine),
            **_of_graphs(machine)}


def _of_devices(machine: Machine) -> dict[str, Any]:
    def set_device(device: Any) -> None:
        machine.touch(machine.index_of(device))
        machine.exchange_index(machine.index_of(device))

    def properties(device: Any = None) -> SimpleNamespace:
        memory = machine.memories[machine.index_of(device)]
        return SimpleNamespace(
            name=NAME, major=CAPABILITY[0], minor=CAPABILITY[1], total_memory=memory.total,
            multi_processor_count=MULTIPROCESSORS, is_integrated=memory.jetson)

    def set_mode(mode: Any) -> None:
        machine.sync_debug_mode = _MODES.get(mode, mode)

    return {
        'current_device': lambda: machine.current_index,
        'device': partial(_device, machine),
        'device_count': lambda: len(machine.memories),
        'device_of': lambda tensor: _device(machine, tensor.device),
        'get_device_capability': lambda device=None: CAPABILITY,
        'get_device_name': lambda device=None: properties(device).name,
        'get_device_properties': properties,
        'get_sync_debug_mode': lambda: machine.sync_debug_mode,
        'init': lambda: None,
        'is_available': lambda: True,
        'is_bf16_supported': lambda *_, **__: True,
        'is_initialized': lambda: True,
        'set_device': set_device,
        'set_sync_debug_mode': set_mode,
        'synchronize': lambda device=None: machine.wait_for_device(device),
    }


def _of_streams(machine: Machine) -> dict[str, Any]:
    def set_stream(stream: PretendedStream) -> None:
        machine.exchange_stream(stream)

    return {
        'current_stream': machine.current_stream,
        'default_stream': machine.default_stream,
        'Event': partial(PretendedEvent, machine),
        'set_stream': set_stream,
        'stream': lambda stream: stream or contextlib.nullcontext(),
        'Stream': machine.new_stream,
    }


def _of_memory(machine: Machine) -> dict[str, Any]:
    def asking(read: Callable[[Any], int]) -> Callable[..., int]:
        return lambda device=None: read(machine.memories[machine.index_of(device)])

    def empty_cache() -> None:
        for memory in machine.memories:
            memory.empty_cache()

    def reset_peak(device: Any = None) -> None:
        memory = machine.memories[machine.index_of(device)]
        memory.peak, memory.peak_reserved = memory.allocated, memory.reserved

    def set_fraction(fraction: float, device: Any = None) -> None:
        memory = machine.memories[machine.index_of(device)]
        memory.limit = int(fraction * memory.total)

    def mem_get_info(device: Any = None) -> tuple[int, int]:
        memory = machine.memories[machine.index_of(device)]
        return memory.total - memory.reserved, memory.total

    return {
        'empty_cache': empty_cache,
        'max_memory_allocated': asking(lambda memory: memory.peak),
        'max_memory_reserved': asking(lambda memory: memory.peak_reserved),
        'mem_get_info': mem_get_info,
        'memory_allocated': asking(lambda memory: memory.allocated),
        'memory_reserved': asking(lambda memory: memory.reserved),
        'reset_peak_memory_stats': reset_peak,
        'set_per_process_memory_fraction': set_fraction,
    }


def _of_graphs(machine: Machine) -> dict[str, Any]:
    return {
        'CUDAGraph': partial(PretendedGraph, machine),
        'graph': partial(_graph, machine),
        'graph_pool_handle': new_pool,
        'is_current_stream_capturing':
            lambda: machine.current_stream().capture is not None,
    }


@contextlib.contextmanager
def _device(machine: Machine, device: Any) -> Iterator[None]:
    """Make a device the current one; None and a negative index change nothing."""
    if device is None or isinstance(device, int) and device < 0:
        yield
        return
    before = machine.exchange_index(machine.index_of(device))
    try:
        yield
    finally:
        machine.exchange_index(before)


@contextlib.contextmanager
def _graph(machine: Machine, cuda_graph: PretendedGraph, pool: Any = None,
           stream: PretendedStream | None = None, capture_error_mode: str = 'global',
           **options: Any) -> Iterator[None]:
    """Capture what runs inside; its stream is one of its own where none is named."""
    machine.wait_for_device()
    with stream or machine.capture_stream():
        cuda_graph.capture_begin(pool, capture_error_mode, **options)
        try:
            yield
        except BaseException:
            cuda_graph.capture_end(failed=True)
            raise
        cuda_graph.capture_end()
