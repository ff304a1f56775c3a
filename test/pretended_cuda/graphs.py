"""CUDA graphs: what a capture records, and what a replay does with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
import itertools
import threading
from typing import Any, Callable
import warnings
import weakref

import torch

from pretended_cuda.errors import cuda_error, MisuseError, not_while_capturing
from pretended_cuda.lines import line, lines
from pretended_cuda.memory import Block, fill_with_garbage, Pool
from pretended_cuda.ordering import use_blocks
from pretended_cuda.streams import KERNEL_MS, PretendedStream

_pools = itertools.count(1)
EMPTY = ('The CUDA Graph is empty. This usually means that the graph was attempted to be captured '
         'on wrong device or stream.')


def new_pool() -> tuple[int, int]:
    """Return the handle of a new pool of memory for graphs."""
    return (0, next(_pools))


@dataclass
class Tape:
    """
    The recorded work: steps that can be run again on the same memory.

    Memory that was there before the capture is known by its address only: ``read`` and
    ``written`` do not keep it alive. Memory that was made inside belongs to the graph.
    """

    steps: list[Callable[[], None]] = field(default_factory=list)
    read: weakref.WeakSet = field(default_factory=weakref.WeakSet)
    written: weakref.WeakSet = field(default_factory=weakref.WeakSet)
    outside: dict[int, tuple[Any, str]] = field(default_factory=dict)
    made: list[torch.Tensor] = field(default_factory=list)
    made_blocks: weakref.WeakSet = field(default_factory=weakref.WeakSet)
    kernels: int = 0
    by_operator: Counter = field(default_factory=Counter)
    by_line: Counter = field(default_factory=Counter)

    def check_alive(self) -> None:
        """Raise MisuseError where memory from before the capture is gone."""
        for reference, born in self.outside.values():
            if reference() is None:
                raise MisuseError('a replayed graph uses memory that has been freed since the '
                                  f'capture (it was made at {born})')


class Capture:
    """A stream that is being captured."""

    def __init__(self, machine: Any, stream: PretendedStream, mode: str, pool: Pool) -> None:
        self.machine, self.stream, self.active, self.pool = machine, stream, True, pool
        self.tape = Tape()
        self._mode, self._thread = mode, threading.get_ident()
        self._spoiled = ''
        self._before: dict[Block, tuple[torch.Tensor, torch.Tensor]] = {}
        self._joined: list[PretendedStream] = []
        self.add(stream)
        machine.captures.append(self)

    def add(self, stream: PretendedStream) -> None:
        """Let a stream take part."""
        stream.capture = self
        self._joined.append(stream)

    def forbids(self) -> bool:
        """Tell whether the calling thread must not do what a capture cannot hold."""
        if self._mode == 'relaxed':
            return False
        return self._mode == 'global' or threading.get_ident() == self._thread

    def refuse_memory(self) -> None:
        """Raise where another thread asks the driver for memory, which 'global' forbids."""
        if self._mode == 'global' and threading.get_ident() != self._thread:
            self.spoil('cudaMalloc')
            raise not_while_capturing('cudaMalloc of another thread', lines())

    def spoil(self, kind: str) -> None:
        """Note what made the capture worthless."""
        self._spoiled = self._spoiled or f'{kind} at {lines()}'

    def before_writing(self, block: Block, data: torch.Tensor) -> None:
        """Keep what a capture would overwrite: it only records, so it has to be undone."""
        if block in self.tape.made_blocks or block in self._before:
            return
        whole = torch.empty(0, dtype=torch.uint8).set_(data.untyped_storage())
        self._before[block] = (whole, whole.clone())

    def record(self, name: str, kernels: int, step: Callable[[], None],
               reads: list[Block], writes: list[Block]) -> None:
        """Add a step to the tape."""
        tape = self.tape
        tape.steps.append(step)
        tape.kernels += kernels
        tape.by_operator[name] += kernels
        tape.by_line[line()] += kernels
        tape.read.update(reads)
        tape.written.update(writes)
        for block in (*reads, *writes):
            if block not in tape.made_blocks:
                tape.outside.setdefault(id(block), (weakref.ref(block), block.line))

    def made(self, block: Block, data: torch.Tensor) -> None:
        """Note memory that was allocated inside, which the graph keeps."""
        self.tape.made_blocks.add(block)
        self.tape.made.append(data)

    def end(self, *, failed: bool = False) -> Tape:
        """Stop, and leave all memory as if nothing had run, which is so on a GPU."""
        self.active = False
        self.machine.captures.remove(self)
        unjoined = [stream for stream in self._joined if not self._is_joined(stream)]
        for stream in self._joined:
            stream.capture = None
        for whole, before in self._before.values():
            whole.copy_(before)
        for data in self.tape.made:
            fill_with_garbage(data)
        if self._spoiled and not failed:
            raise cuda_error('operation failed due to a previous error during capture',
                             self._spoiled)
        if unjoined and not failed:
            raise cuda_error('capture failed because of unjoined work', f'{unjoined} at {lines()}')
        return self.tape

    def _is_joined(self, stream: PretendedStream) -> bool:
        own = stream.clock.get(stream.stream_id, 0)
        return self.stream.clock.get(stream.stream_id, 0) >= own


class PretendedGraph:
    """Stands for ``torch.cuda.CUDAGraph``."""

    def __init__(self, machine: Any, keep_graph: bool = False) -> None:
        self._machine = machine
        self._tape: Tape | None = None
        self._capture: Capture | None = None
        self._handle: tuple[int, int] | None = None
        self._pool: Pool | None = None

    @property
    def kernels(self) -> int:
        """How many nodes a replay runs."""
        return self._taken().kernels

    @property
    def launches_by_line(self) -> Counter:
        """The nodes by the line that launched them."""
        return self._taken().by_line

    @property
    def launches_by_operator(self) -> Counter:
        """The nodes by the operator that they are of."""
        return self._taken().by_operator

    def capture_begin(self, pool: Any = None, capture_error_mode: str = 'global',
                      **_: Any) -> None:
        """Record, instead of running it, what the current stream is given."""
        if self._tape is not None:
            raise RuntimeError('This CUDAGraph instance already owns a captured graph. '
                               'To capture a new graph, create a new instance.')
        stream = self._machine.current_stream()
        if stream is self._machine.default_stream(stream.device):
            raise RuntimeError('CUDA graphs must be captured on a non-default stream. (However, '
                               "after capture, it's ok to replay them on the default stream.)")
        self._handle = tuple(pool) if pool is not None else new_pool()
        self._pool = self._machine.pool_of(self._handle, stream.device_index)
        self._pool.graphs.append(weakref.ref(self))
        self._capture = Capture(self._machine, stream, capture_error_mode, self._pool)

    def capture_end(self, *, failed: bool = False) -> None:
        """Stop recording."""
        capture, self._capture = self._capture, None
        if capture is None:
            raise cuda_error('operation not permitted', 'capture_end without capture_begin')
        tape = capture.end(failed=failed)
        if failed:
            self._pool = None
            return
        self._tape = tape
        if not tape.steps:
            warnings.warn(EMPTY, stacklevel=4)

    def replay(self) -> None:
        """Run what was recorded, on the current stream; one launch of the host."""
        tape, at = self._taken(), line()
        stream = self._machine.current_stream()
        if stream.capture is not None:
            raise cuda_error('operation not permitted when stream is capturing', f'replay, {at}')
        tape.check_alive()
        self._overwrite_later_graphs()
        use_blocks(stream, tape.read - tape.written, tape.written, at)
        stream.time_ms += tape.kernels * KERNEL_MS
        self._machine.work.replayed(tape.kernels, at)
        for step in tape.steps:
            step()

    def reset(self) -> None:
        """Forget what was recorded, and free its memory."""
        self._tape = self._pool = None

    def pool(self) -> Any:
        """Return the handle of the graph's memory."""
        return self._handle

    def instantiate(self) -> None:
        """Do nothing: a tape needs no instance."""

    def enable_debug_mode(self) -> None:
        """Do nothing."""

    def _taken(self) -> Tape:
        if self._tape is None:
            raise RuntimeError('Called CUDAGraph::replay without a preceding successful capture.')
        return self._tape

    def _overwrite_later_graphs(self) -> None:
        """
        Spoil what graphs captured later into the same pool have made.

        They may use again the memory that this one's capture had freed.
        """
        if len(self._taken().made_blocks) == len(self._taken().made):
            return
        graphs = [reference() for reference in self._pool.graphs]
        for graph in graphs[graphs.index(self) + 1:]:
            if graph is not None and graph._tape is not None:
                for data in graph._tape.made:
                    fill_with_garbage(data)
