"""The progress of a fleet: frames done, frames a second, and when it will have ended."""

from contextlib import contextmanager
import sys
import time
from typing import Any, Callable, Iterator

from mtshare_ros.cli.output import LineTimes, warn

_DAY_S = 86400.0


class FleetProgress:
    """
    Counts frames and failures, and says how fast it goes and when it ends.

    ``clock`` returns seconds.
    """

    def __init__(self, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.frames: int | None = total
        self.done = 0
        self.failures = 0
        self.elapsed_s = 0.0
        self._clock = clock
        self._begin_s = self._from_s = clock()
        self._from_done: int | None = None

    def total(self, frames: int | None) -> None:
        """Set the number of all frames, which grows while recordings are being opened."""
        self.frames = frames

    def update(self, done: int, failures: int = 0) -> None:
        """Note how many frames are done, those of earlier runs included, and what failed."""
        now_s = self._clock()
        self.elapsed_s = now_s - self._begin_s
        if self._from_done is None or done <= self._from_done:
            # Neither what an earlier run did nor the start of the workers counts in the rate.
            self._from_s, self._from_done = now_s, done
        self.done, self.failures = done, failures

    def describe(self) -> str:
        """Return all of it as one line."""
        if self.frames is None and not self.done and not self.failures:
            return 'the workers start, and open the first recordings'
        of_all = f' of {self.frames:,}' if self.frames else ''
        parts = [f'{self.done:,}{of_all} frames']
        rate = self._rate()
        if rate:
            parts.append(f'{rate:.1f} frames/s')
        if rate and self.frames and self.frames > self.done:
            parts.append(f'done at {_clock_in((self.frames - self.done) / rate)}')
        if self.failures:
            parts.append(f'{self.failures} failed')
        return ', '.join(parts)

    def _rate(self) -> float:
        seconds = self._clock() - self._from_s
        return (self.done - (self._from_done or 0)) / seconds if seconds > 0 else 0.0


def _clock_in(seconds: float) -> str:
    """Return the local time after some seconds, with the day if that is not within one."""
    wording = '%H:%M' if seconds < _DAY_S else '%a %d %b, %H:%M'
    return time.strftime(wording, time.localtime(time.time() + seconds))


class FleetLines(FleetProgress):
    """The same as lines, at the times that LineTimes tells."""

    def __init__(self, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(total, clock)
        self._times = LineTimes()

    def update(self, done: int, failures: int = 0) -> None:
        """Note what is done, and print a line if one is due."""
        super().update(done, failures)
        if self._times.due(self.elapsed_s):
            warn(self.describe())


class FleetBar(FleetProgress):
    """The same as a bar of ``rich`` on a terminal; ``bar`` is a ``rich.progress.Progress``."""

    def __init__(self, total: int | None, bar: Any) -> None:
        super().__init__(total)
        self._bar = bar
        self._task = bar.add_task('', total=total)

    def update(self, done: int, failures: int = 0) -> None:
        """Note what is done, and draw it."""
        super().update(done, failures)
        self._bar.update(self._task, completed=done, total=self.frames,
                         description=self.describe())


@contextmanager
def fleet_progress(total: int | None) -> Iterator[FleetProgress]:
    """
    Show the progress of a fleet on standard error: a bar on a terminal, lines elsewhere.

    ``total`` is the number of frames, None as long as it is unknown. Lines that are printed on
    standard error in the meantime, as ``output.warn`` does, appear above the bar.
    """
    if not sys.stderr.isatty():
        yield FleetLines(total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress

    columns = (BarColumn(), '{task.description}')
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield FleetBar(total, bar)
