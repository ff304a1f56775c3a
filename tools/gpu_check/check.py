"""What every step is called with: a device, a file for its results, and a deadline."""

from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
import time
from typing import Any, Callable, Iterator

import torch

from gpu_check.results import Results
from mtshare_ros.inference.static.graphs import GraphPool

DEVICE = 'cuda:0'


@dataclass(frozen=True)
class Check:
    """
    The context of one step that runs.

    ``pretended`` is the pretended device, None on a real one. ``deadline`` is the time of the
    monotonic clock by which the step should end.
    """

    step: str
    results: Results
    deadline: float
    pretended: Any = None

    @property
    def device(self) -> torch.device:
        """The device that the step runs on."""
        return torch.device(DEVICE)

    def size(self, real: int, tiny: int) -> int:
        """Return ``real``, a number of repetitions or elements, or ``tiny`` if pretended."""
        return real if self.pretended is None else tiny

    def add(self, what: str, **values: Any) -> None:
        """Record a result."""
        self.results.add(self.step, what, **values)

    def judge(self, what: str, passed: bool, **values: Any) -> None:
        """Record whether a check passed."""
        self.add(what, passed=bool(passed), **values)

    @contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """Record an error in the block as a failed check, and continue after the block."""
        try:
            yield
        except Exception as error:  # whatever a GPU, driver or compiler raises is a result here
            self.judge(what, False, fault=f'{type(error).__name__}: {error}'[:600])

    def left(self) -> float:
        """Return the seconds until the deadline."""
        return self.deadline - time.monotonic()

    def thread(self) -> AbstractContextManager:
        """Return the context in which another thread uses the device."""
        return nullcontext() if self.pretended is None else self.pretended.thread()


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """
    Return the mean time of a call in milliseconds, on device or host, whichever takes longer.

    One call before is not timed.
    """
    work()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3 / repeats


def captured(work: Callable[[], object], repeats: int = 1) -> Callable[[], None]:
    """Return a function that replays a graph of ``work`` repeated ``repeats`` times."""
    work()
    torch.cuda.synchronize()
    def repeat() -> None:
        for _ in range(repeats):
            work()

    return GraphPool(torch.device(DEVICE)).capture(repeat).replay
