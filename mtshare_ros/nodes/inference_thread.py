"""The one thread that computes, and the one slot of each camera in front of it."""

import threading

from mtshare_ros.nodes.pipeline import Job, Pipeline


class InferenceThread:
    """
    Handles the newest job of each camera, one at a time, in a thread of its own.

    The executor's thread calls ``put`` and ``stop``. A newer job replaces one of its camera that
    was not begun, so nothing can grow. Cameras are served in turn: one whose job was replaced
    keeps its place in the line, so that a fast one cannot keep the others waiting.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._slots: dict[Pipeline, Job] = {}
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name='inference', daemon=True)
        self._thread.start()

    def put(self, pipeline: Pipeline, job: Job) -> bool:
        """Leave a job for a camera's pipeline; return whether it replaced an older one."""
        with self._condition:
            replaced = pipeline in self._slots
            self._slots[pipeline] = job
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
        while (turn := self._take()) is not None:
            pipeline, job = turn
            pipeline.handle(job)

    def _take(self) -> tuple[Pipeline, Job] | None:
        """Wait for the job whose turn it is; None says that the thread is to end."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._slots)
            if self._stopped:
                return None
            pipeline = next(iter(self._slots))
            return pipeline, self._slots.pop(pipeline)
