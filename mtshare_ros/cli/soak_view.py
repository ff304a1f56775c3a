"""What a soak shows: a live table on a terminal, sparse lines elsewhere, and the verdict."""

from contextlib import contextmanager
import sys
import time
from typing import Any, Callable, Iterator, Sequence

import typer

from mtshare_ros.cli.output import make_table, print_table
from mtshare_ros.cli.soak_record import by_fault, judge, SoakRecord
from mtshare_ros.cli.soak_session import SoakSession

_REDRAW_S = 0.25
_LINE_S = 10.0
_MOST_PROBLEMS = 10

Show = Callable[[SoakSession], None]


@contextmanager
def progress() -> Iterator[Show]:
    """Give the function that shows how far a soak is, in the way that fits standard output."""
    if not sys.stdout.isatty():
        yield _now_and_then(_LINE_S, lambda session: typer.echo(_line(session)))
        return
    from rich.live import Live

    with Live(auto_refresh=False, transient=True) as live:
        yield _now_and_then(
            _REDRAW_S, lambda session: live.update(_screen(session), refresh=True))


def print_verdict(record: SoakRecord) -> None:
    """Print what came of the faults, what the node should have done, and the verdict."""
    print_table(
        f'Faults, seed {record.seed}: {len(record.outcomes)} in {record.elapsed_s:.0f} s',
        ('fault', 'times', 'outputs back after at most', 'problems'),
        _fault_rows(record.outcomes))
    _print_problems(record.outcomes)
    if record.ending:
        typer.echo(record.ending)
    criteria = judge(record)
    print_table(f'Model {record.model} on {record.device or "?"}',
                ('promise', 'found', 'allowed', ''),
                [(item.name, item.found, item.allowed, 'holds' if item.holds else 'BROKEN')
                 for item in criteria])
    broken = [item.name for item in criteria if not item.holds]
    typer.echo(f'broken: {", ".join(broken)}' if broken else 'Every promise holds.')


def _print_problems(outcomes: Sequence[Any]) -> None:
    problems = [f'{outcome.at_s:.1f} s  {outcome.name} ({outcome.choice}): {problem}'
                for outcome in outcomes for problem in outcome.problems]
    for line in problems[:_MOST_PROBLEMS]:
        typer.echo(line)
    if len(problems) > _MOST_PROBLEMS:
        typer.echo(f'and {len(problems) - _MOST_PROBLEMS} more; --json holds all of them')


def _fault_rows(outcomes: Sequence[Any]) -> list[tuple[str, ...]]:
    return [(name, str(len(some)), _slowest(some), str(sum(len(item.problems) for item in some)))
            for name, some in by_fault(outcomes).items()]


def _slowest(outcomes: Sequence[Any]) -> str:
    lost = sum(not outcome.came_back for outcome in outcomes)
    if lost:
        return f'{lost} times never'
    return f'{max(outcome.recovery_s for outcome in outcomes):.1f} s'


def _now_and_then(period_s: float, show: Show) -> Show:
    """Return a function that shows at most once in a period."""
    last_s = float('-inf')

    def show_if_due(session: SoakSession) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= period_s:
            last_s = time.monotonic()
            show(session)

    return show_if_due


def _screen(session: SoakSession) -> Any:
    from rich.console import Group
    from rich.text import Text

    table = make_table(('fault', 'times', 'outputs back after at most', 'problems'),
                       _fault_rows(session.outcomes))
    return Group(Text(_line(session)), table, Text('Ctrl-C ends'))


def _line(session: SoakSession) -> str:
    duration = f'{session.options.duration_s:.0f} s'
    if session.usage is None:
        return (f'waiting for the first outputs of model {session.options.model}, then '
                f'{duration} of faults, seed {session.options.seed}')
    lost = sum(not outcome.came_back for outcome in session.outcomes)
    problems = sum(len(outcome.problems) for outcome in session.outcomes)
    return (f'{session.elapsed_s():5.0f} of {duration}   {len(session.outcomes)} faults, '
            f'{lost} without return, {problems} problems{_taken(session)}   '
            f'now: {session.stage.current}')


def _taken(session: SoakSession) -> str:
    """Return what the node takes now, an empty text before the first sample."""
    newest = session.usage.samples[-1:] if session.usage is not None else []
    return ''.join(
        f'   {item.memory_mb:.0f} MB, {item.threads} threads, {item.descriptors} files'
        for item in newest)
