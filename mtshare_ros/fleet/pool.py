"""Workers over Ray: each is a process that is replaced when it dies, and its tasks run again."""

from contextlib import AbstractContextManager, ExitStack
import math
import time
from typing import Any, Callable, Iterator

from mtshare_ros import __version__
from mtshare_ros.errors import FleetError
from mtshare_ros.fleet.pool_actor import Outcome, Report, Start
from mtshare_ros.fleet.pool_queue import Flight, TaskQueue
from mtshare_ros.fleet.pool_room import room_for_workers
from mtshare_ros.fleet.pool_slot import DeadWorkerError, Slot
from mtshare_ros.fleet.pool_tasks import Done, PoolOptions, Task
from mtshare_ros.fleet.ray_session import (
    is_connected,
    joined_ray,
    local_ray,
    present_ray,
    RaySession,
    usable_cpus,
)

_DEATHS_OF_A_TASK = 3
_FAILED_STARTS = 3
_GIVEN = 2
"""Tasks that a worker has at most: one that it computes, and one so that it need not wait."""

_PROGRESS_S = 1.0
_POLL_S_OF_A_WORKER = 0.005
_PATIENCE_S = 30.0


class Pool:
    """
    Workers that compute tasks, to be used in a ``with`` block.

    ``make_worker`` must be picklable and is called in each worker's process with a ``Report``;
    its value has the methods that tasks name. ``say`` gets lines for the user. Workers are started
    when there are tasks for them, ``workers`` at most. Where this process is connected to a Ray
    already, the workers run there.
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
        self._session: RaySession
        self._slots: list[Slot] = []
        self._queue = TaskQueue()
        self._tickets = self._numbers = 0
        self._awaited: dict[Any, tuple[Slot, Flight | None]] = {}
        self._progress_due_s = self._poll_due_s = 0.0
        self._opened_s: float | None = None

    def __enter__(self) -> 'Pool':
        options = self._options
        with ExitStack() as stack:
            self._session = stack.enter_context(self._ray())
            stack.callback(self._close)
            ray = self._session.ray
            room = room_for_workers(ray, options.threads, options.gpus)
            self.workers = options.workers or room
            if self.workers > room:
                self._say(f'there is room for {room} of {self.workers} workers; the others start '
                          'when there is more')
            self.dashboard = self._session.dashboard
            self._make_worker = ray.put(self._make_worker)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def _ray(self) -> AbstractContextManager[RaySession]:
        options = self._options
        if is_connected():
            return present_ray()
        if options.address not in (None, 'local'):
            return joined_ray(str(options.address), self._say)
        cpus = usable_cpus()
        if options.threads > cpus:
            raise FleetError(f'each worker shall have {options.threads} threads (--threads); this '
                             f'machine lets the command use {cpus} CPUs')
        # Ray starts a process for each of its CPUs at once, so it is told of no more than needed;
        # there are more workers than CPUs only where they were asked for
        cpus = options.workers * options.threads if options.workers else cpus
        return local_ray(cpus, options.temp_folder, options.dashboard, self._say)

    def _close(self) -> None:
        for slot in self._slots:
            slot.close()

    def submit(self, task: Task) -> None:
        """Add a task, also while the finished ones are iterated over."""
        self._tickets += 1
        self._queue.add(Flight(task, self._tickets))

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
        while len(self._queue) or any(slot.flights for slot in self._slots):
            self._fill()
            for reference in self._ready():
                if reference in self._awaited:  # the death of a worker settles several
                    yield from self._settle(reference)
            if time.monotonic() >= self._progress_due_s:
                self._progress_due_s = time.monotonic() + _PROGRESS_S
                self._session.check()
                self._watch_start()
                progress(self._amount())

    def _fill(self) -> None:
        """Give waiting tasks to free workers, and start workers while there is work for them."""
        for length in range(_GIVEN):
            for slot in self._slots:
                # Near the end a task shall wait for the first free worker, not for one of them.
                if len(self._queue) <= length * len(self._slots):
                    break
                if slot.start is not None and len(slot.flights) == length:
                    flight = self._queue.take(slot.known)
                    self._awaited[slot.give(flight)] = slot, flight
        idle = sum(not slot.flights for slot in self._slots)
        while len(self._slots) < self.workers and len(self._queue) > idle:
            idle += 1
            self._numbers += 1
            slot = Slot(self._session, self._numbers, self._options.threads, self._options.gpus)
            self._slots.append(slot)
            self._open(slot)

    def _open(self, slot: Slot) -> None:
        self._awaited[slot.open(self._make_worker)] = slot, None

    def _ready(self) -> list[Any]:
        """Return the references that have a value, in the order in which they were asked for."""
        wait, everything = self._session.ray.wait, list(self._awaited)
        if not wait(everything, timeout=_PROGRESS_S)[0]:
            return []
        ready = set(wait(everything, num_returns=len(everything), timeout=0)[0])
        return [reference for reference in everything if reference in ready]

    def _amount(self) -> int:
        amount = sum(slot.amount() for slot in self._slots)
        if time.monotonic() >= self._poll_due_s:
            # a thousand workers are asked less often, so that this process can keep up
            period_s = max(_PROGRESS_S, _POLL_S_OF_A_WORKER * len(self._slots))
            self._poll_due_s = time.monotonic() + period_s
            for slot in self._slots:
                slot.ask()
        return amount

    def _watch_start(self) -> None:
        """Say once if no worker starts, as on a cluster that is in use by others."""
        if any(slot.start for slot in self._slots):
            self._opened_s = math.inf
        elif self._opened_s is None:
            # a Ray of this machine is in use by no one else
            self._opened_s = math.inf if self._session.process else time.monotonic()
        elif time.monotonic() > self._opened_s + _PATIENCE_S:
            self._opened_s = math.inf
            self._say('no worker has started yet; is the cluster in use? See: ray status')

    def _settle(self, reference: Any) -> Iterator[Done]:
        slot, flight = self._awaited.pop(reference)
        try:
            value = slot.result(reference)
        except DeadWorkerError as death:
            yield from self._replace(slot, str(death))
            return
        if flight is None:
            self._note_start(slot, value)
        else:
            slot.drop(flight)
            yield Done(flight.task, value.value, value.error)

    def _note_start(self, slot: Slot, start: Start | Outcome) -> None:
        if isinstance(start, Start) and start.final:
            raise FleetError(start.error)
        if isinstance(start, Outcome) or start.error:
            self._restart(slot, start.error)
            return
        if start.version != __version__:
            raise FleetError(f'{start.host} has mtshare_ros {start.version}, this machine has '
                             f'{__version__}; install the same version on all of them')
        slot.start, slot.failures = start, 0

    def _restart(self, slot: Slot, reason: str) -> None:
        """Start a worker anew that could not be started, or do without it after some tries."""
        slot.failures += 1
        slot.close()
        if slot.failures < _FAILED_STARTS:
            self._open(slot)
            return
        self._session.keep_logs = True
        self._slots.remove(slot)
        self.workers -= 1
        text = (f'worker {slot.number} could not be started, {slot.failures} times in a row; the '
                f'last time: {reason}')
        if not any(other.start for other in self._slots):
            raise FleetError(text)
        self._say(f'{text}; the others go on')

    def _replace(self, slot: Slot, reason: str) -> Iterator[Done]:
        """Start another worker in place of a dead one; what it had been given runs again."""
        self._session.check()
        if slot.start is None:
            self._restart(slot, reason)
            return
        guilty, *others = slot.flights
        for flight in slot.flights:
            self._awaited.pop(flight.reference, None)
        slot.flights.clear()
        self._queue.forget(slot.known)
        guilty.deaths += 1
        lost = guilty.deaths >= _DEATHS_OF_A_TASK
        self._queue.again(others if lost else [guilty, *others])
        self._say(f'{slot.name} died while it computed {guilty.task.key}: {reason}; started again')
        slot.close()
        self._open(slot)
        if lost:
            self._session.keep_logs = True
            yield Done(guilty.task, error=f'{guilty.deaths} workers died while they computed it; '
                       f'the last one: {reason}', lost=True)
