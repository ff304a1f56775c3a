"""Batches that are ready before they are needed."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar('T')


class Prefetcher(Generic[T]):
    """
    Makes the next few batches in threads while one is learnt from.

    ``make`` returns the batch of a step by its number, from 0 to ``count`` - 1, and depends on
    nothing else; ``ahead`` 0 makes each when it is asked for.
    """

    def __init__(self, make: Callable[[int], T], count: int, ahead: int) -> None:
        self._make, self._count, self._ahead = make, count, ahead
        self._pool = ThreadPoolExecutor(max(ahead, 1), thread_name_prefix='batches')
        self._waiting: dict[int, Future[T]] = {}

    def get(self, number: int) -> T:
        """Return the batch of a step; what its making raised is raised here."""
        for step in range(number, min(number + self._ahead + 1, self._count)):
            if step not in self._waiting:
                self._waiting[step] = self._pool.submit(self._make, step)
        return self._waiting.pop(number).result()

    def close(self) -> None:
        """Stop making batches."""
        self._pool.shutdown(cancel_futures=True)
