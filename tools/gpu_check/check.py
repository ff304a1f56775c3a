"""What every step gets: a device, a place for its results, and a time limit."""

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
    One step that runs.

    ``pretended`` is what a pretended device counts, None on a real one. ``deadline`` is the time
    of the monotonic clock by which the step should end by itself.
    """

    step: str
    results: Results
    deadline: float
    pretended: Any = None

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return torch.device(DEVICE)

    def size(self, real: int, tiny: int) -> int:
        """Return a number of repetitions or elements: ``tiny`` on a pretended device."""
        return real if self.pretended is None else tiny

    def add(self, what: str, **values: Any) -> None:
        """Note a result."""
        self.results.add(self.step, what, **values)

    def judge(self, what: str, passed: bool, **values: Any) -> None:
        """Note whether something holds."""
        self.add(what, passed=bool(passed), **values)

    @contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """Note an error as a failed check, and go on behind it."""
        try:
            yield
        except Exception as error:  # whatever a GPU, driver or compiler raises is a result here
            self.judge(what, False, fault=f'{type(error).__name__}: {error}'[:600])

    def left(self) -> float:
        """Return the seconds until the deadline."""
        return self.deadline - time.monotonic()

    def thread(self) -> AbstractContextManager:
        """Return what another thread has to enter to see the device."""
        return nullcontext() if self.pretended is None else self.pretended.thread()


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Return what one call takes the device and the host, whichever is longer; one runs before."""
    work()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3 / repeats


def captured(work: Callable[[], object], repeats: int = 1) -> Callable[[], None]:
    """Return a function that does some work ``repeats`` times in one graph."""
    work()
    torch.cuda.synchronize()
    def repeat() -> None:
        for _ in range(repeats):
            work()

    return GraphPool(torch.device(DEVICE)).capture(repeat).replay
