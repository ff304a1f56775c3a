"""How far a command is: a bar on a terminal, a line from time to time anywhere else."""

from contextlib import contextmanager
import sys
import time
from typing import Callable, Iterable, Iterator, TypeVar

import typer

T = TypeVar('T')

_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 5.0, 60.0
_WAIT_SHARE = 0.25


@contextmanager
def progress_bar(text: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """
    Show progress on standard error; the value is called with how many of ``total`` are done.

    Where nobody knows how many there are, ``total`` is None.
    """
    if not sys.stderr.isatty():
        yield ProgressLines(text, total).update
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ('{task.description}', BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(text, total=total)
        yield lambda done: progress.update(task, completed=done)


class ProgressLines:
    """
    Lines for a log file: the first after some seconds, then ever more rarely, up to a minute.

    ``clock`` gives seconds.
    """

    def __init__(
        self, text: str, total: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._text = text
        self._total = total
        self._clock = clock
        self._start_s = clock()
        self._due_s = _SHORTEST_WAIT_S
        self._done_before: int | None = None

    def update(self, done: int) -> None:
        """Say how many are done, if a line is due; what was done before this run took no time."""
        if self._done_before is None:
            self._done_before = done - 1
        elapsed_s = self._clock() - self._start_s
        if elapsed_s < self._due_s:
            return
        wait_s = min(max(_WAIT_SHARE * elapsed_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)
        self._due_s = elapsed_s + wait_s
        typer.echo(f'mtshare: {self._text}: {self._describe(done, elapsed_s)}', err=True)

    def _describe(self, done: int, elapsed_s: float) -> str:
        took = f'in {elapsed_s:.0f} s'
        computed = done - (self._done_before or 0)
        if not self._total or computed <= 0:
            return f'{done} done {took}'
        left_s = elapsed_s * (self._total - done) / computed
        return f'{done} of {self._total} done {took}, about {left_s:.0f} s left'


def counted(items: Iterable[T], progress: Callable[[int], None]) -> Iterator[T]:
    """Pass items on, and say how many have passed."""
    for number, item in enumerate(items, start=1):
        yield item
        progress(number)
