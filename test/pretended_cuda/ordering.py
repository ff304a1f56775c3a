"""
What happens before what on a device of several streams.

Every stream counts its launches. A clock says how many launches of every stream are known to have
ended: a launch sees what its stream's clock holds, a wait joins the clock of another stream, and
the host's clock holds what the host has waited for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from pretended_cuda.errors import MisuseError

Clock = dict[int, int]


def join(clock: Clock, other: Clock) -> None:
    """Let a clock know what the other one knows."""
    for stream, tick in other.items():
        if clock.get(stream, 0) < tick:
            clock[stream] = tick


def known(clock: Clock, other: Clock) -> bool:
    """Tell whether another clock knows all that a clock knows."""
    return all(other.get(stream, 0) >= tick for stream, tick in clock.items())


@dataclass(frozen=True)
class Use:
    """A launch that read or wrote a block."""

    stream: Any
    tick: int
    line: str

    def before(self, clock: Clock) -> bool:
        """Tell whether the launch ended before what the clock belongs to."""
        return clock.get(self.stream.stream_id, 0) >= self.tick

    def over_for(self, block: Any) -> bool:
        """Tell whether the block's own stream may use the memory anew."""
        return (self.stream is block.stream or self.stream.stream_id in block.recorded
                or self.before(block.stream.clock) or self.before(block.stream.host_clock))


def use_blocks(stream: Any, reads: Iterable[Any], writes: Iterable[Any], line: str) -> Use:
    """
    Note the next launch of a stream, and return it.

    Raises MisuseError where another stream might be in the way.
    """
    use = Use(stream, stream.next_tick(), line)
    for block in reads:
        _check(block, block.written, use, 'reads', 'writes')
        block.read[stream.stream_id] = use
    for block in writes:
        _check(block, block.written, use, 'writes', 'writes')
        for other in block.read.values():
            _check(block, other, use, 'writes', 'reads')
        block.written, block.read = use, {}
    return use


def _check(block: Any, before: Use | None, use: Use, does: str, did: str) -> None:
    if before is None or before.stream.machine is not use.stream.machine:
        return  # what an earlier test left in a cache is long over
    if not before.before(use.stream.clock):
        raise MisuseError(
            f'{use.line} {does} memory (made at {block.line}) that {before.line} {did} on another '
            'stream, and nothing lets the one wait for the other')
