"""What commands print and write: tables, files, progress; and the request to stop."""

from contextlib import contextmanager
import json
import math
from pathlib import Path
import shlex
import signal
import sys
import time
from types import FrameType
from typing import Any, Callable, Iterable, Iterator, Sequence, TypeVar

import numpy as np
import typer

from mtshare_ros.errors import ConfigError, import_extra
from mtshare_ros.file_paths import check_parent

_WIDTH_OF_FILES = 200


def print_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a title and a table; the first column is left-aligned, the others right-aligned."""
    from rich.console import Console

    typer.echo(f'\n{title}')
    # numbers are not cut for the width of a terminal where the output is a file or a pipe
    width = None if sys.stdout.isatty() else _WIDTH_OF_FILES
    Console(width=width).print(make_table(heads, rows))


def make_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Any:
    """Return a ``rich`` table; the first column is left-aligned, the others right-aligned."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_header=any(heads))
    for number, head in enumerate(heads):
        table.add_column(escape(head), justify='left' if number == 0 else 'right', no_wrap=True)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def warn(line: str) -> None:
    """Print a line on standard error, above a bar that is shown there."""
    # not typer.echo, which would write past the stream that moves the bar out of the way
    print(f'mtshare: {line}', file=sys.stderr, flush=True)


def write_json(path: Path | None, values: Any) -> None:
    """Write values as indented JSON, unless the path is None; NaN and infinity become null."""
    if path is None:
        return
    text = json.dumps(_plain(values), indent=2, allow_nan=False)
    _write(path, lambda: path.write_text(text + '\n', encoding='utf-8'))
    typer.echo(f'wrote {path}')


def command_line() -> str:
    """Return the command as it was typed, for reports that say how they were made."""
    return shlex.join(['mtshare', *sys.argv[1:]])


def save_picture(path: Path, pixels: np.ndarray) -> None:
    """Save (H, W, 3) uint8 RGB as a PNG file."""
    check_picture_path(path)
    from PIL import Image

    _write(path, lambda: Image.fromarray(pixels).save(path))
    typer.echo(f'wrote {path}')


def check_picture_path(path: Path | None) -> None:
    """Refuse a picture that cannot be saved, before the work begins; None is allowed."""
    if path is None:
        return
    import_extra('PIL', 'saving a picture', 'cli')
    if path.suffix.lower() != '.png':
        raise ConfigError(f'--sheet is {str(path)!r}; allowed is a file name that ends with .png')
    check_folder(path)


def check_folder(path: Path | None) -> None:
    """Refuse a file that cannot be written, before the work begins; None is allowed."""
    if path is not None and path.is_dir():
        raise ConfigError(f'{path}: is a folder; give the name of a file')
    if path is not None:
        check_parent(path)


def _write(path: Path, action: Callable[[], Any]) -> None:
    try:
        action()
    except OSError as error:
        raise ConfigError(f'{path}: cannot be written: {error.strerror}') from error


def _plain(values: Any) -> Any:
    if isinstance(values, dict):
        return {str(key): _plain(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [_plain(value) for value in values]
    if isinstance(values, np.generic):
        values = values.item()
    return None if isinstance(values, float) and not math.isfinite(values) else values


T = TypeVar('T')

_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 5.0, 60.0
_WAIT_SHARE = 0.25


@contextmanager
def progress_bar(text: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """
    Show progress on standard error: a bar on a terminal, a line from time to time elsewhere.

    The value is a function to call with the number of things done. ``total`` is their number,
    None where it is unknown.
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


class LineTimes:
    """When lines of progress are due: after 5 s, then 5 s to a minute after the one before."""

    def __init__(self) -> None:
        self._due_s = _SHORTEST_WAIT_S

    def due(self, elapsed_s: float) -> bool:
        """Tell whether a line is due now; if so, it counts as printed."""
        if elapsed_s < self._due_s:
            return False
        wait_s = min(max(_WAIT_SHARE * elapsed_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)
        self._due_s = elapsed_s + wait_s
        return True


class ProgressLines:
    """
    Progress as lines, at the times that LineTimes tells.

    ``clock`` returns seconds.
    """

    def __init__(
        self, text: str, total: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._text = text
        self._total = total
        self._clock = clock
        self._start_s = clock()
        self._times = LineTimes()
        self._done_before: int | None = None

    def update(self, done: int) -> None:
        """Print a line if one is due; what an earlier run did does not count in the rate."""
        if self._done_before is None:
            self._done_before = done - 1
        elapsed_s = self._clock() - self._start_s
        if self._times.due(elapsed_s):
            warn(f'{self._text}: {self._describe(done, elapsed_s)}')

    def _describe(self, done: int, elapsed_s: float) -> str:
        took = f'in {elapsed_s:.0f} s'
        computed = done - (self._done_before or 0)
        if not self._total or computed <= 0:
            return f'{done} done {took}'
        left_s = elapsed_s * (self._total - done) / computed
        return f'{done} of {self._total} done {took}, about {left_s:.0f} s left'


def counted(items: Iterable[T], progress: Callable[[int], None]) -> Iterator[T]:
    """Yield the items, and report after each how many there were."""
    for number, item in enumerate(items, start=1):
        yield item
        progress(number)


class StopRequest:
    """
    Catches SIGINT and SIGTERM in a ``with`` block; ``requested`` says whether one came.

    The block can then finish what it is writing. Further signals are ignored: ending takes only
    seconds.
    """

    def __init__(self) -> None:
        self.requested = False
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> 'StopRequest':
        for number in (signal.SIGINT, signal.SIGTERM):
            self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
