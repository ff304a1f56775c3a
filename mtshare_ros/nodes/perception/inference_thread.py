"""A thread that computes, and the one slot of each camera in front of it."""

import threading
from typing import Callable, Protocol

from mtshare_ros.nodes.perception.job import Job


class JobHandler(Protocol):
    """What a thread hands the jobs of one camera to."""

    def handle(self, job: Job) -> None:
        """Process one job; an error costs that job and no other."""


class InferenceThread:
    """
    Handles the newest job of each camera, one at a time, in a thread of its own.

    The executor's thread calls ``put`` and ``stop``. A newer job replaces one of its camera that
    was not begun, so nothing can grow. Cameras are served in turn: one whose job was replaced
    keeps its place in the line, so that a fast one cannot keep the others waiting. ``prepare`` is
    called in the thread before the first job.
    """

    def __init__(
        self, name: str = 'inference', prepare: Callable[[], None] = lambda: None
    ) -> None:
        self._condition = threading.Condition()
        self._slots: dict[JobHandler, Job] = {}
        self._stopped = False
        self._prepare = prepare
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, handler: JobHandler, job: Job) -> bool:
        """Leave a job for what handles a camera's; return whether it replaced an older one."""
        with self._condition:
            replaced = handler in self._slots
            self._slots[handler] = job
            self._condition.notify()
        return replaced

    def stop(self, timeout_s: float) -> bool:
        """Finish the job at hand, drop the others; return whether the thread ended in time."""
        with self._condition:
            self._stopped = True
            self._slots.clear()
            self._condition.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._prepare()
        while (turn := self._take()) is not None:
            handler, job = turn
            handler.handle(job)

    def _take(self) -> tuple[JobHandler, Job] | None:
        """Wait for the job whose turn it is; None says that the thread is to end."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._slots)
            if self._stopped:
                return None
            handler = next(iter(self._slots))
            return handler, self._slots.pop(handler)
