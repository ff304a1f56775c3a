"""The host and its pretended GPUs: what exists, what is current, what was waited for."""

from __future__ import annotations

import threading
from typing import Any, Iterable
import warnings
import weakref

import torch

from pretended_cuda import errors
from pretended_cuda.device import PretendedDevice
from pretended_cuda.lines import lines
from pretended_cuda.memory import GpuMemory, Pool
from pretended_cuda.ordering import Clock, join
from pretended_cuda.streams import PretendedStream
from pretended_cuda.transfers import PinnedMemory

MEMORY = 8 * 2**30
# PyTorch's debug mode knows the waits that its own operators make, not those that are asked for
_ASKED_FOR = frozenset(('torch.cuda.synchronize', 'stream.synchronize', 'event.synchronize'))


class Machine:
    """What the pretended ``torch.cuda`` stands on."""

    def __init__(self, work: PretendedDevice, count: int, *, jetson: bool) -> None:
        self.work = work
        self.memories = [GpuMemory(index, MEMORY, jetson=jetson) for index in range(count)]
        self.pinned = PinnedMemory()
        self.clock: Clock = {}
        self.sync_debug_mode = 0
        self.captures: list[Any] = []
        for memory in self.memories:
            memory.captures = self.captures
        self._pools: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
        self._capture_stream: PretendedStream | None = None
        self._default_streams: dict[int, PretendedStream] = {}
        self._streams: list[PretendedStream] = []
        self._thread = threading.local()

    def close(self) -> None:
        """End the account: what caches free from now on concerns nobody."""
        for memory in self.memories:
            memory.closed = True

    # -- devices

    @property
    def current_index(self) -> int:
        """The index of the calling thread's device."""
        return getattr(self._thread, 'index', 0)

    def exchange_index(self, index: int) -> int:
        """Make another device the calling thread's; return the one before."""
        before, self._thread.index = self.current_index, index
        return before

    def index_of(self, device: Any) -> int:
        """Return the index of a device however it is named, None being the current one."""
        if isinstance(device, int):
            index = device
        else:
            named = None if device is None else torch.device(device)
            if named is not None and named.type != 'cuda':
                raise ValueError(f'Expected a cuda device, but got: {named}')
            index = self.current_index if named is None or named.index is None else named.index
        if not 0 <= index < len(self.memories):
            raise errors.no_such_device(index, len(self.memories))
        return index

    def touch(self, index: int) -> None:
        """Note that a device is used: it has a context from now on."""
        self.work.touched.add(index)

    # -- streams

    def default_stream(self, device: Any = None) -> PretendedStream:
        """Return the stream of a device that is current until another one is made so."""
        index = self.index_of(device)
        if index not in self._default_streams:
            self._default_streams[index] = self.new_stream(index)
        return self._default_streams[index]

    def new_stream(self, device: Any = None, priority: int = 0) -> PretendedStream:
        """Make a stream."""
        stream = PretendedStream(self, self.index_of(device), priority)
        self._streams.append(stream)
        return stream

    def current_stream(self, device: Any = None) -> PretendedStream:
        """Return the calling thread's stream of a device."""
        index = self.index_of(device)
        return self._current().get(index) or self.default_stream(index)

    def exchange_stream(self, stream: PretendedStream) -> tuple[int, PretendedStream]:
        """
        Make a stream, and its device, the calling thread's.

        Return the device that was current, and the stream that was current on the new one.
        """
        before = self.current_stream(stream.device_index)
        self._current()[stream.device_index] = stream
        return self.exchange_index(stream.device_index), before

    def restore_stream(self, before: tuple[int, PretendedStream]) -> None:
        """Undo ``exchange_stream``."""
        index, stream = before
        self._current()[stream.device_index] = stream
        self.exchange_index(index)

    def _current(self) -> dict[int, PretendedStream]:
        if not hasattr(self._thread, 'streams'):
            self._thread.streams = {}
        return self._thread.streams

    def capture_stream(self) -> PretendedStream:
        """
        Return the stream that graphs are captured on where none is named.

        PyTorch makes one for all, on the device that is current when the first graph is captured.
        """
        self._capture_stream = self._capture_stream or self.new_stream()
        return self._capture_stream

    def pool_of(self, handle: tuple[int, int], index: int) -> Pool:
        """Return the pool of a handle, a new one where no graph holds it any more."""
        pool = self._pools.get(handle)
        if pool is None:
            pool = self._pools[handle] = Pool(self.memories[index])
        return pool

    # -- waits of the host

    def wait(self, kind: str, stream: PretendedStream, clock: Clock | None = None,
             unfinished: Iterable[Any] | None = None) -> None:
        """Let the host wait for a stream, or for a part of what it was given."""
        self.refuse_in_capture(kind)
        self._debug(kind)
        self.work.synchronised(kind, stream.device_index if stream else None)
        if stream is not None:
            self.finish(stream.clock if clock is None else clock,
                        stream.unfinished if unfinished is None else unfinished)

    def wait_for_device(self, device: Any = None) -> None:
        """Let the host wait for all streams of a device."""
        self.refuse_in_capture('torch.cuda.synchronize')
        index = self.index_of(device)
        self.touch(index)
        self.work.synchronised('torch.cuda.synchronize', index)
        for stream in self._streams:
            if stream.device_index == index:
                self.finish(stream.clock, stream.unfinished)

    def finish(self, clock: Clock, unfinished: Iterable[Any]) -> None:
        """Let the host know that launches have ended, and what they wrote arrive."""
        join(self.clock, clock)
        for transfer in tuple(unfinished):
            transfer.finish()
        for stream in self._streams:
            stream.unfinished = [each for each in stream.unfinished if not each.finished]

    def refuse_in_capture(self, kind: str) -> None:
        """Raise where a capture forbids the calling thread what it is about to do."""
        for capture in self.captures:
            if capture.forbids():
                capture.spoil(kind)
                raise errors.not_while_capturing(kind, lines())

    def _debug(self, kind: str) -> None:
        if not self.sync_debug_mode or kind in _ASKED_FOR:
            return
        if self.sync_debug_mode == 2:
            raise RuntimeError(f'called a synchronizing CUDA operation ({kind} at {lines()})')
        warnings.warn(f'called a synchronizing CUDA operation ({kind})', stacklevel=6)
