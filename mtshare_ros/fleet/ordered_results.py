"""Results of the tasks of a pool in the order of the tasks, whichever is done first."""

from collections import deque
from typing import Any, Callable, Hashable, Iterator, Protocol, Sequence

from mtshare_ros.errors import FleetError
from mtshare_ros.fleet.pool import Pool, Task


class CountsFrames(Protocol):
    """A result of a task."""

    @property
    def frames(self) -> int:
        """Number of frames that were computed for it."""


def in_order(
    pool: Pool, tasks: Sequence[Task], progress: Callable[[int], None]
) -> Iterator[Any]:
    """
    Yield the results of tasks, each of which counts its frames, in the order of the tasks.

    ``progress`` is called with the number of frames that were computed so far. Raises FleetError
    for the first task that fails.
    """
    for task in tasks:
        pool.submit(task)
    due = deque(task.key for task in tasks)
    ready: dict[Hashable, CountsFrames] = {}
    frames = 0

    def report(unfinished: int) -> None:
        progress(frames + unfinished)

    for done in pool.finished(report):
        if done.error:
            raise FleetError(f'{done.task.key}: {done.error}')
        ready[done.task.key] = done.value
        frames += done.value.frames
        progress(frames)
        while due and due[0] in ready:
            yield ready.pop(due.popleft())
