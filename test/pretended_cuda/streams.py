"""Streams and events of the pretended device."""

from __future__ import annotations

import itertools
from typing import Any

import torch

from pretended_cuda.errors import cuda_error, MisuseError
from pretended_cuda.lines import lines
from pretended_cuda.ordering import Clock, join, known

KERNEL_MS = 0.005  # the time that passes on a stream with every kernel
_numbers = itertools.count(1)


class PretendedStream:
    """A queue of launches on one device."""

    def __init__(self, machine: Any, index: int, priority: int) -> None:
        self.machine = machine
        self.device = torch.device('cuda', index)
        self.priority = priority
        self.stream_id = self.cuda_stream = next(_numbers)
        self.clock: Clock = {}
        self.time_ms = 0.0
        self.capture: Any = None
        self.unfinished: list[Any] = []
        self._entered: list[Any] = []
        machine.touch(index)

    @property
    def device_index(self) -> int:
        """The index of the stream's device."""
        return self.device.index

    @property
    def host_clock(self) -> Clock:
        """What the host has waited for."""
        return self.machine.clock

    def next_tick(self) -> int:
        """Count a launch, which comes after all that the host has waited for."""
        join(self.clock, self.machine.clock)
        tick = self.clock[self.stream_id] = self.clock.get(self.stream_id, 0) + 1
        return tick

    def synchronize(self) -> None:
        """Let the host wait for the stream."""
        self.machine.wait('stream.synchronize', self)

    def query(self) -> bool:
        """Tell whether all is done; what has not been waited for is not, the first time."""
        self.machine.refuse_in_capture('stream.query')
        done = not self.unfinished
        self.machine.finish(self.clock, self.unfinished)
        return done

    def record_event(self, event: PretendedEvent | None = None) -> PretendedEvent:
        """Record an event, a new one where none is given."""
        event = event or PretendedEvent(self.machine)
        event.record(self)
        return event

    def wait_event(self, event: PretendedEvent) -> None:
        """Let the stream wait for an event."""
        event.wait(self)

    def wait_stream(self, stream: PretendedStream) -> None:
        """Let the stream wait for what another one has been given so far."""
        self.wait_event(stream.record_event())

    def __enter__(self) -> PretendedStream:
        self._entered.append(self.machine.exchange_stream(self))
        return self

    def __exit__(self, *_: Any) -> None:
        self.machine.restore_stream(self._entered.pop())

    def __repr__(self) -> str:
        return f'<PretendedStream {self.stream_id} of {self.device}>'


class PretendedEvent:
    """A mark in a stream."""

    def __init__(self, machine: Any, enable_timing: bool = False, **_: Any) -> None:
        self._timed, self._machine = enable_timing, machine
        self.device: torch.device | None = None
        self._stream: PretendedStream | None = None
        self._clock: Clock = {}
        self._unfinished: list[Any] = []
        self._time_ms = 0.0
        self._capture: Any = None

    def record(self, stream: PretendedStream | None = None) -> None:
        """Mark what the stream has been given so far, the current one where none is named."""
        stream = stream or self._machine.current_stream()
        if self.device not in (None, stream.device):
            raise RuntimeError(f'Event device {self.device} does not match recording '
                               f"stream's device {stream.device}.")
        self.device, self._stream, self._capture = stream.device, stream, stream.capture
        self._clock, self._unfinished = dict(stream.clock), list(stream.unfinished)
        self._time_ms = stream.time_ms
        self._machine.touch(stream.device.index)

    def wait(self, stream: PretendedStream | None = None) -> None:
        """Let a stream wait for the mark; one that was never recorded keeps nobody."""
        stream = stream or self._machine.current_stream()
        if self._capture is not stream.capture:
            self._cross_into(stream)
        join(stream.clock, self._clock)
        stream.unfinished = list(dict.fromkeys([*stream.unfinished, *self._unfinished]))
        stream.time_ms = max(stream.time_ms, self._time_ms)

    def synchronize(self) -> None:
        """Let the host wait for the mark."""
        self._refuse_captured()
        self._machine.wait('event.synchronize', self._stream, self._clock, self._unfinished)

    def query(self) -> bool:
        """Tell whether the mark was passed; what has not been waited for is not, at first."""
        self._refuse_captured()
        self._machine.refuse_in_capture('event.query')
        done = not any(not copy.finished for copy in self._unfinished)
        self._machine.finish(self._clock, self._unfinished)
        return done

    def elapsed_time(self, end: PretendedEvent) -> float:
        """Return the milliseconds between two marks: so many for every kernel between them."""
        if not (self._timed and end._timed):
            raise ValueError('Both events must be created with argument enable_timing=True.')
        if self._stream is None or end._stream is None:
            raise ValueError('Both events must be recorded before calculating elapsed time.')
        if self.device != end.device:
            raise cuda_error('invalid resource handle', f'events of {self.device}, {end.device}')
        if not all(known(event._clock, self._machine.clock) for event in (self, end)):
            raise cuda_error('device not ready', f'elapsed_time at {lines()}')
        return end._time_ms - self._time_ms

    def _refuse_captured(self) -> None:
        if self._capture is not None:
            raise cuda_error('operation not permitted on an event last recorded in a capturing '
                             'stream', lines())

    def _cross_into(self, stream: PretendedStream) -> None:
        """Let a stream join the capture that the mark belongs to."""
        if self._capture is None or not self._capture.active:
            if self._stream is None:
                return
            raise cuda_error('dependency created on uncaptured work in another stream', lines())
        if stream.capture is not None:
            raise MisuseError(f'two captures would be merged (at {lines()})')
        self._capture.add(stream)
