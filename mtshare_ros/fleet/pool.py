"""Workers over Ray: each is a process that is replaced when it dies, and its tasks run again."""

from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
import time
from typing import Any, Callable, Hashable, Iterator

from mtshare_ros.errors import FleetError
from mtshare_ros.fleet.pool_actor import Outcome, Report, Start
from mtshare_ros.fleet.pool_slot import DeadWorkerError, Flight, result, Slot
from mtshare_ros.fleet.ray_session import joined_ray, local_ray, usable_cpus

_DEATHS_OF_A_TASK = 3
_FAILED_STARTS = 3
_QUEUED = 2
_LOOK_AHEAD = 1000
_PROGRESS_S = 1.0


@dataclass(frozen=True)
class PoolOptions:
    """
    Where a pool's workers run: on this machine, or on the cluster at ``address``.

    ``workers``: None for all there is room for. ``threads``: CPUs and PyTorch's threads of each.
    ``gpus``: of each, also a part of one. ``temp_folder``: where Ray keeps its files while it runs
    on this machine, at most 26 characters. ``dashboard``: start Ray's dashboard on this machine;
    it takes as long to start as the rest of Ray, and ten processes.
    """

    address: str | None = None
    workers: int | None = None
    threads: int = 1
    gpus: float = 0.0
    temp_folder: Path | None = None
    dashboard: bool = False


@dataclass(frozen=True)
class Task:
    """
    A method of the worker to call; ``key`` tells tasks apart, in messages too.

    A task prefers a worker that ran one with the same ``near``, which may have kept its data.
    """

    key: Hashable
    method: str
    arguments: tuple = ()
    near: Hashable = None


@dataclass(frozen=True)
class Done:
    """What became of a task; ``error`` is '' if it succeeded, ``lost`` says workers died of it."""

    task: Task
    value: Any = None
    error: str = ''
    lost: bool = False


class Pool:
    """
    Workers that compute tasks, to be used in a ``with`` block.

    ``make_worker`` must be picklable and is called in each worker's process with a ``Report``;
    its value has the methods that tasks name. ``say`` gets lines for the user.
    """

    def __init__(
        self, options: PoolOptions, make_worker: Callable[[Report], Any],
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.workers = 0
        self.dashboard = ''
        self._options = options
        self._make_worker: Any = make_worker
        self._say = say
        self._stack = ExitStack()
        self._ray: Any = None
        self._slots: list[Slot] = []
        self._queue: deque[Flight] = deque()
        self._tickets = 0
        self._awaited: dict[Any, tuple[Slot, Flight | None]] = {}
        self._report_due_s = 0.0

    def __enter__(self) -> 'Pool':
        options = self._options
        with ExitStack() as stack:
            if options.address is None:
                room = usable_cpus() // options.threads
                self.workers = options.workers or room
                session = stack.enter_context(local_ray(
                    self.workers * options.threads, options.temp_folder, options.dashboard,
                    self._say))
            else:
                session = stack.enter_context(joined_ray(options.address))
                room = int(session.ray.cluster_resources().get('CPU', 0)) // options.threads
                self.workers = options.workers or room
            self._ray, self.dashboard = session.ray, session.dashboard
            self._make_worker = self._ray.put(self._make_worker)
            stack.callback(self._close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def submit(self, task: Task) -> None:
        """Add a task, also while the finished ones are iterated over."""
        self._tickets += 1
        self._queue.append(Flight(task, self._tickets))

    def finished(
        self, progress: Callable[[int], None] = lambda amount: None
    ) -> Iterator[Done]:
        """
        Yield the tasks as they are done, until all are.

        ``progress`` is called about once a second with what the workers reported of the tasks that
        they compute; it may raise to end the iteration.

        Raises
        ------
        FleetError
            Workers cannot be started.

        """
        while self._queue or any(slot.flights for slot in self._slots):
            self._fill()
            for reference in self._ready():
                if reference in self._awaited:  # the death of a worker settles several
                    yield from self._settle(reference)
            if time.monotonic() >= self._report_due_s:
                self._report_due_s = time.monotonic() + _PROGRESS_S
                progress(sum(slot.look() for slot in self._slots))

    def _fill(self) -> None:
        """Give waiting tasks to free workers, and start workers while there is work for them."""
        for length in range(_QUEUED):
            for slot in self._slots:
                # Near the end a task shall wait for the first free worker, not for one of them.
                if len(self._queue) <= length * len(self._slots):
                    break
                if slot.start is not None and len(slot.flights) == length:
                    flight = self._take(slot)
                    self._awaited[slot.give(flight)] = slot, flight
        idle = sum(not slot.flights for slot in self._slots)
        while len(self._slots) < self.workers and len(self._queue) > idle:
            slot = Slot(self._ray, len(self._slots) + 1, self._options.threads,
                        self._options.gpus)
            self._slots.append(slot)
            self._open(slot)
            idle += 1

    def _take(self, slot: Slot) -> Flight:
        """Return the waiting task that fits a worker best: its own before those of others."""
        others = {near for other in self._slots for near in other.nears} - slot.nears

        def distance(number: int) -> int:
            near = self._queue[number].task.near
            return 0 if near in slot.nears else 2 if near in others else 1

        best = min(range(min(len(self._queue), _LOOK_AHEAD)), key=distance)
        flight = self._queue[best]
        del self._queue[best]
        return flight

    def _open(self, slot: Slot) -> None:
        self._awaited[slot.open(self._make_worker)] = slot, None

    def _ready(self) -> list[Any]:
        """Return the references that have a value, in the order in which they were asked for."""
        everything = list(self._awaited)
        if not self._ray.wait(everything, timeout=_PROGRESS_S)[0]:
            return []
        ready, _ = self._ray.wait(everything, num_returns=len(everything), timeout=0)
        order = {reference: number for number, reference in enumerate(everything)}
        return sorted(ready, key=order.__getitem__)

    def _settle(self, reference: Any) -> Iterator[Done]:
        slot, flight = self._awaited.pop(reference)
        try:
            value = result(self._ray, reference)
        except DeadWorkerError as death:
            yield from self._replace(slot, str(death))
            return
        if flight is None:
            self._note_start(slot, value)
            return
        slot.flights.remove(flight)
        slot.done = 0
        yield Done(flight.task, value.value, value.error)

    def _note_start(self, slot: Slot, start: Start | Outcome) -> None:
        if isinstance(start, Start) and start.final:
            raise FleetError(start.error)
        if isinstance(start, Outcome) or start.error:
            self._restart(slot, start.error)
            return
        slot.start, slot.failures = start, 0

    def _restart(self, slot: Slot, reason: str) -> None:
        """Start a worker anew that could not be started, unless that was the last try."""
        slot.failures += 1
        if slot.failures >= _FAILED_STARTS:
            raise FleetError(f'{slot.name} could not be started, {slot.failures} times in a row; '
                             f'the last time: {reason}')
        slot.close()
        self._open(slot)

    def _replace(self, slot: Slot, reason: str) -> Iterator[Done]:
        """Start another worker in place of a dead one; what it had been given runs again."""
        flights = list(slot.flights)
        slot.flights.clear()
        for flight in flights:
            self._awaited.pop(flight.reference, None)
        if slot.start is None:
            self._restart(slot, reason)
            return
        guilty = flights[0]
        guilty.deaths += 1
        self._say(f'{slot.name} died while it computed {guilty.task.key}; started again')
        lost = guilty.deaths >= _DEATHS_OF_A_TASK
        self._queue.extendleft(reversed(flights[1:] if lost else flights))
        slot.close()
        self._open(slot)
        if lost:
            yield Done(guilty.task, error=f'{guilty.deaths} workers died while they computed it; '
                       f'the last one: {reason}', lost=True)

    def _close(self) -> None:
        for slot in self._slots:
            slot.close()
