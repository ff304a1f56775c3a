"""One worker of a pool as the driver sees it: its actor, and the tasks it was given."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Hashable

from mtshare_ros.fleet.pool_actor import Outcome, PoolActor, PROGRESS, Progress, Start
from mtshare_ros.fleet.pool_deaths import death_of
from mtshare_ros.fleet.pool_queue import Flight
from mtshare_ros.fleet.ray_session import RaySession


class DeadWorkerError(Exception):
    """A worker's process ended; the text says how."""


@dataclass
class Slot:
    """
    The place of one worker; where the worker dies, another one takes it.

    ``flights`` are the tasks it was given, the one that it computes first, and ``known`` what they
    and those before were near to. ``failures`` are the starts in a row that failed.
    """

    session: RaySession
    number: int
    threads: int
    gpus: float
    start: Start | None = None
    flights: deque[Flight] = field(default_factory=deque)
    known: set[Hashable] = field(default_factory=set)
    failures: int = 0
    _actor: Any = None
    _poll: Any = None
    _amount: int = 0

    @property
    def name(self) -> str:
        """How to speak of the worker."""
        where = f' ({self.start.host}, process {self.start.pid})' if self.start else ''
        return f'worker {self.number}{where}'

    def open(self, make_worker: Any) -> Any:
        """Start a worker; ``make_worker`` is a reference. Return one to its Start."""
        kind = self.session.ray.remote(
            num_cpus=self.threads, num_gpus=self.gpus, concurrency_groups={PROGRESS: 1})
        self._actor = kind(PoolActor).remote()
        return self._actor.start.remote(make_worker, self.threads)

    def give(self, flight: Flight) -> Any:
        """Give the worker a task; return the reference to its Outcome."""
        task = flight.task
        flight.reference = self._actor.run.remote(flight.ticket, task.method, task.arguments)
        self.flights.append(flight)
        return flight.reference

    def close(self) -> None:
        """End the process of the worker."""
        if self._actor is not None:
            self.session.ray.kill(self._actor)
        self._actor, self.start, self._poll, self._amount = None, None, None, 0

    def result(self, reference: Any) -> Any:
        """
        Return what a finished call returned, an Outcome with its error where it cannot be read.

        Raises
        ------
        DeadWorkerError
            The worker's process, or its machine, is no more.

        """
        ray = self.session.ray
        errors = ray.exceptions
        try:
            return ray.get(reference)
        except (errors.RayActorError, errors.WorkerCrashedError, errors.NodeDiedError,
                errors.OutOfMemoryError, errors.ObjectLostError) as error:
            pid = self.start.pid if self.start else None
            raise DeadWorkerError(death_of(error, self.session.logs, pid)) from error
        except Exception as error:
            return Outcome(error=f'{type(error).__name__}: {error}')

    def amount(self) -> int:
        """Return how much of its present task the worker had done when it was last asked."""
        ray = self.session.ray
        if self._poll is not None and ray.wait([self._poll], timeout=0)[0]:
            self._amount = self._read_poll()
        return self._amount if self.flights else 0

    def ask(self) -> None:
        """Ask the worker how much is done, unless it has not answered yet."""
        if self.start is not None and self.flights and self._poll is None:
            self._poll = self._actor.progress.options(concurrency_group=PROGRESS).remote()

    def _read_poll(self) -> int:
        poll, self._poll = self._poll, None
        try:
            progress: Progress = self.session.ray.get(poll)
        except self.session.ray.exceptions.RayError:  # that the worker is dead its task will tell
            return 0
        current = self.flights and progress.ticket == self.flights[0].ticket
        return progress.amount if current else 0

    def drop(self, flight: Flight) -> None:
        """Forget a task that is done."""
        self.flights.remove(flight)
        self._amount = 0
