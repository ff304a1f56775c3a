"""What the pretended device has seen."""

from collections import Counter
from dataclasses import dataclass

from pretended_cuda.lines import line, lines


@dataclass(frozen=True)
class Synchronisation:
    """The host waited for the device: how, and at which lines (innermost first)."""

    kind: str
    line: str


@dataclass(frozen=True)
class Copy:
    """Bytes that went between host and device; ``kind`` is H2D or D2H."""

    kind: str
    nbytes: int
    line: str


class PretendedDevice:
    """The account of everything that was asked of the device since the last ``clear``."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget what was counted."""
        self.launches = 0
        self.synchronisations: list[Synchronisation] = []
        self.copies: list[Copy] = []
        self.operators: Counter[str] = Counter()
        self.launches_by_operator: Counter[str] = Counter()
        self.launches_by_line: Counter[str] = Counter()

    def synchronised(self, kind: str) -> None:
        """Note that the host waits."""
        self.synchronisations.append(Synchronisation(kind, lines()))

    def copied(self, kind: str, nbytes: int) -> None:
        """Note a transfer."""
        self.copies.append(Copy(kind, nbytes, line()))

    def launched(self, name: str, count: int) -> None:
        """Note a call of an operator, and its kernels."""
        self.operators[name] += 1
        if count:
            self.launches += count
            self.launches_by_operator[name] += count
            self.launches_by_line[line()] += count
