"""One worker of a pool as the driver sees it: its actor, and the tasks it was given."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Hashable

from mtshare_ros.fleet.pool_actor import Outcome, PoolActor, PROGRESS, Progress, Start


class DeadWorkerError(Exception):
    """A worker's process ended; the text says how, as far as Ray knows."""


@dataclass
class Flight:
    """A task on its way: its number, where its result will be, the deaths it has seen."""

    task: Any
    ticket: int
    reference: Any = None
    deaths: int = 0


@dataclass
class Slot:
    """
    The place of one worker; where the worker dies, another one takes it.

    ``flights`` are the tasks it was given, the one that it computes first. ``failures`` are the
    starts in a row that failed, ``nears`` the values of ``near`` of the tasks it was given.
    """

    ray: Any
    number: int
    threads: int
    gpus: float
    actor: Any = None
    start: Start | None = None
    flights: deque[Flight] = field(default_factory=deque)
    nears: set[Hashable] = field(default_factory=set)
    failures: int = 0
    done: int = 0
    poll: Any = None

    @property
    def name(self) -> str:
        """How to speak of the worker."""
        where = f' ({self.start.host}, process {self.start.pid})' if self.start else ''
        return f'worker {self.number}{where}'

    def open(self, make_worker: Any) -> Any:
        """Start a worker; ``make_worker`` is a reference. Return one to its Start."""
        self.start, self.poll, self.done = None, None, 0
        self.nears.clear()
        kind = self.ray.remote(
            num_cpus=self.threads, num_gpus=self.gpus, concurrency_groups={PROGRESS: 1})
        self.actor = kind(PoolActor).remote()
        return self.actor.start.remote(make_worker, self.threads)

    def give(self, flight: Flight) -> Any:
        """Give the worker a task; return the reference to its Outcome."""
        task = flight.task
        flight.reference = self.actor.run.remote(flight.ticket, task.method, task.arguments)
        self.flights.append(flight)
        if task.near is not None:
            self.nears.add(task.near)
        return flight.reference

    def close(self) -> None:
        """End the process of the worker."""
        if self.actor is not None:
            self.ray.kill(self.actor)
        self.actor, self.start, self.poll = None, None, None

    def look(self) -> int:
        """Return how much of its present task the worker had done a moment ago; never wait."""
        if self.start is None or not self.flights:
            return 0
        if self.poll is not None and self.ray.wait([self.poll], timeout=0)[0]:
            progress = self._progress()
            self.done = progress.amount if progress.ticket == self.flights[0].ticket else 0
        if self.poll is None:
            self.poll = self.actor.progress.options(concurrency_group=PROGRESS).remote()
        return self.done

    def _progress(self) -> Progress:
        poll, self.poll = self.poll, None
        try:
            return self.ray.get(poll)
        except Exception:  # the worker is dead, which its task will tell
            return Progress()


def result(ray: Any, reference: Any) -> Any:
    """
    Return what a finished call returned, an Outcome with its error where it cannot be read.

    Raises
    ------
    DeadWorkerError
        The worker's process, or its machine, is no more.

    """
    errors = ray.exceptions
    try:
        return ray.get(reference)
    except (errors.RayActorError, errors.WorkerCrashedError, errors.NodeDiedError,
            errors.OutOfMemoryError, errors.ObjectLostError) as error:
        raise DeadWorkerError(' '.join(str(error).split())) from error
    except Exception as error:
        return Outcome(error=f'{type(error).__name__}: {error}')
