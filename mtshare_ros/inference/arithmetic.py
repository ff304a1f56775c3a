"""The state of PyTorch in which a network computes on a GPU, and that it is left in."""

from contextlib import contextmanager, ExitStack
from dataclasses import dataclass
import threading
from typing import Any, Callable, Iterator

import torch


@contextmanager
def computing_on(device: str) -> Iterator[None]:
    """
    Make ``device`` the current one, and its arithmetic the one that was asked for.

    A thread's current device is GPU 0 unless it says otherwise: what is captured, timed or waited
    for without naming a device would be that one's, and take half a gigabyte of it. The CPU has
    neither.
    """
    with ExitStack() as stack:
        if device.startswith('cuda'):
            stack.enter_context(torch.cuda.device(device))
            stack.enter_context(EXACT.held())
        yield


@dataclass(frozen=True)
class Switch:
    """An attribute of PyTorch, and the value that it is to have."""

    owner: Any
    name: str
    value: Any

    def read(self) -> Any:
        """Return what it is now."""
        return getattr(self.owner, self.name)

    def write(self, value: Any) -> None:
        """Set it."""
        setattr(self.owner, self.name, value)


class Switches:
    """
    Switches of the whole process, held while anybody needs them.

    Threads overlap: the first to come notes how it found them, the last to go restores that.
    """

    def __init__(self, choose: Callable[[], tuple[Switch, ...]]) -> None:
        self._choose = choose
        self._lock = threading.Lock()
        self._holders = 0
        self._found: list[tuple[Switch, Any]] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the switches at the values that are wanted."""
        with self._lock:
            if self._holders == 0:
                self._turn()
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    self._turn_back()

    def _turn(self) -> None:
        self._found = [(switch, switch.read()) for switch in self._choose()]
        for switch, _ in self._found:
            switch.write(switch.value)

    def _turn_back(self) -> None:
        for switch, value in self._found:
            switch.write(value)


def exact_switches() -> tuple[Switch, ...]:
    """
    Return what keeps products in the precision that was asked for.

    Convolutions in float32 are rounded to TF32 (10 bits) unless told otherwise, while products of
    matrices are not: a frame computed whole and the same one by rows would differ by 3e-4. Sums of
    products in half precision may be kept in half precision, which loses more, and overflows.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    sums = (Switch(matmul, 'allow_fp16_reduced_precision_reduction', False),
            Switch(matmul, 'allow_bf16_reduced_precision_reduction', False))
    rounding: tuple[Switch, ...] = (
        Switch(matmul, 'allow_tf32', False), Switch(cudnn, 'allow_tf32', False))
    try:
        for switch in rounding:
            switch.read()
    except RuntimeError:  # whoever else is in this process turned them by their newer names
        rounding = tuple(Switch(owner, 'fp32_precision', 'ieee')
                         for owner in (matmul, cudnn.conv, cudnn.rnn))
    return (*rounding, *sums)


EXACT = Switches(exact_switches)
