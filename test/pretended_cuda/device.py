"""What the pretended device has seen."""

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Callable, ContextManager

from pretended_cuda.lines import line, lines


@dataclass(frozen=True)
class Synchronisation:
    """The host waited: how, at which lines (innermost first), for which device."""

    kind: str
    line: str
    device: int | None = 0


@dataclass(frozen=True)
class Copy:
    """Bytes that went between host and device; ``kind`` is H2D or D2H."""

    kind: str
    nbytes: int
    line: str


class PretendedDevice:
    """
    The account of everything that was asked of the pretended GPUs since the last ``clear``.

    ``launches`` are the host's: kernels, copies, fills, and one for each replay of a graph.
    ``nodes`` are what the replayed graphs launched by themselves; ``kernels`` is what the GPU ran.
    ``touched`` are the devices that have a context, whatever was cleared. What another thread
    does with the GPU has to stand in ``with device.thread()``.
    """

    def __init__(self) -> None:
        self.touched: set[int] = set()
        self.thread: Callable[[], ContextManager[None]] = nullcontext
        self.clear()

    def clear(self) -> None:
        """Forget what was counted."""
        self.launches = self.replays = self.nodes = 0
        self.synchronisations: list[Synchronisation] = []
        self.copies: list[Copy] = []
        self.operators: Counter[str] = Counter()
        self.launches_by_operator: Counter[str] = Counter()
        self.launches_by_line: Counter[str] = Counter()

    @property
    def kernels(self) -> int:
        """What the GPU ran, within graphs and without."""
        return self.launches - self.replays + self.nodes

    def synchronised(self, kind: str, device: int | None = 0) -> None:
        """Note that the host waits."""
        self.synchronisations.append(Synchronisation(kind, lines(), device))

    def copied(self, kind: str, nbytes: int, captured: bool = False) -> None:
        """Note a transfer, unless it was only recorded."""
        if not captured:
            self.copies.append(Copy(kind, nbytes, line()))

    def launched(self, name: str, count: int, at: str) -> None:
        """Note a call of an operator, and its kernels."""
        self.operators[name] += 1
        if count:
            self.launches += count
            self.launches_by_operator[name] += count
            self.launches_by_line[at] += count

    def replayed(self, nodes: int, at: str) -> None:
        """Note the replay of a graph."""
        self.launched('replay', 1, at)
        self.replays += 1
        self.nodes += nodes
