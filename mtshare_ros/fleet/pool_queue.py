"""The tasks of a pool that wait for a worker."""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Hashable, Iterable

_LOOK_AHEAD = 1000


@dataclass
class Flight:
    """A task on its way: its number, where its result will be, the deaths it has seen."""

    task: Any
    ticket: int
    reference: Any = None
    deaths: int = 0


class TaskQueue:
    """
    Tasks in the order they came; a worker first gets those that are near to what it has done.

    Then come those near to no worker, and last those near to another one.
    """

    def __init__(self) -> None:
        self._flights: deque[Flight] = deque()
        self._workers: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        return len(self._flights)

    def add(self, flight: Flight) -> None:
        """Add a task at the end."""
        self._flights.append(flight)

    def again(self, flights: Iterable[Flight]) -> None:
        """Put tasks that a dead worker left before all others."""
        self._flights.extendleft(reversed(list(flights)))

    def take(self, known: set[Hashable]) -> Flight:
        """Remove and return the best task for a worker that did tasks ``near`` these before."""
        def distance(number: int) -> int:
            near = self._flights[number].task.near
            return 0 if near in known else 1 if self._workers[near] == 0 else 2

        best = min(range(min(len(self._flights), _LOOK_AHEAD)), key=distance)
        flight = self._flights[best]
        del self._flights[best]
        near = flight.task.near
        if near is not None and near not in known:
            known.add(near)
            self._workers[near] += 1
        return flight

    def forget(self, known: set[Hashable]) -> None:
        """Forget what a worker has done, and empty the set."""
        self._workers.subtract(known)
        known.clear()
