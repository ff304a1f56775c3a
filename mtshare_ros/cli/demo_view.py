"""What the demo shows: a live table on a terminal, plain lines elsewhere, and the summary."""

import math
import sys
from typing import Any

import typer

from mtshare_ros.cli.demo_options import DemoOptions
from mtshare_ros.cli.demo_session import DemoSession
from mtshare_ros.cli.output import make_table, print_table

_REDRAW_S = 0.25
_LINE_S = 2.0


def show(session: DemoSession, options: DemoOptions) -> None:
    """Watch until the time is over or the user stops it."""
    if sys.stdout.isatty():
        _show_table(session, options)
    else:
        _show_lines(session, options)


def print_summary(figures: dict[str, Any]) -> None:
    """Print what was measured."""
    ages, inference = figures['age_ms'], figures['inference_ms']
    rows = [
        ('first map after the start', f'{figures["first_map_s"]:.1f} s'),
        ('camera', _hz(figures['input_hz'])),
        *((topic, _hz(hz)) for topic, hz in figures['output_hz'].items()),
        ('age of a map on arrival, p50 / p95', f'{_ms(ages["p50"])} / {_ms(ages["p95"])}'),
        ('inference, p50 / p95', f'{_ms(inference["p50"])} / {_ms(inference["p95"])}'),
        ('tokens computed of each frame', _percent(100 * figures['active_fraction'])),
        ('computation saved', _percent(figures['macs_saved_percent'])),
        ('frames processed', str(figures['processed'])),
        ('frames dropped for a newer one', str(figures['dropped'])),
    ]
    print_table(f'Summary: model {figures["model"]} on {figures["device"] or "?"}',
                ('', ''), rows)


def _is_over(session: DemoSession, options: DemoOptions) -> bool:
    elapsed = session.elapsed_s()
    if session.is_stopped:
        return True
    return options.duration_s > 0 and elapsed is not None and elapsed >= options.duration_s


def _pause(session: DemoSession, options: DemoOptions, longest_s: float) -> float:
    """Return how long to wait before the next look, so that the end is met."""
    elapsed = session.elapsed_s()
    if elapsed is None or options.duration_s == 0:
        return longest_s
    return min(longest_s, max(options.duration_s - elapsed, 0.01))


def _show_table(session: DemoSession, options: DemoOptions) -> None:
    from rich.live import Live

    with Live(_table(session, options), auto_refresh=False) as live:
        while not _is_over(session, options):
            session.spin(_pause(session, options, _REDRAW_S))
            live.update(_table(session, options), refresh=True)


def _show_lines(session: DemoSession, options: DemoOptions) -> None:
    typer.echo(f'starting: {_what(options)}')
    while session.elapsed_s() is None and not _is_over(session, options):
        session.spin(_REDRAW_S)
    while not _is_over(session, options):
        session.spin(_pause(session, options, _LINE_S))
        typer.echo(_line(session))


def _table(session: DemoSession, options: DemoOptions) -> Any:
    from rich.console import Group
    from rich.text import Text

    rows = [(topic, _hz(tally.recent_hz()), _ms(tally.recent_age_ms()), str(tally.count))
            for topic, tally in session.monitor.tallies.items()]
    table = make_table(('topic', 'rate', 'age', 'received'), rows)
    return Group(Text(f'{_what(options)}: {_state(session)}'), table,
                 Text(f'{_node_line(session)}   Ctrl-C ends'))


def _line(session: DemoSession) -> str:
    # without a calibration, which a video may lack, some topics never come
    coming = [tally for tally in session.monitor.tallies.values() if tally.count]
    rates = [tally.recent_hz() for tally in coming] or [math.nan]
    ages = [tally.recent_age_ms() for tally in coming]
    oldest = max(ages, default=math.nan)
    return (f'{session.elapsed_s() or 0.0:5.1f} s   maps {_hz(min(rates))} to {_hz(max(rates))}   '
            f'age up to {_ms(oldest)}   {_node_line(session)}')


def _node_line(session: DemoSession) -> str:
    report = session.monitor.report
    dropped = report.values.get('dropped', '0')
    return (f'camera {_hz(report.number("input_hz"))}   '
            f'inference {_ms(report.number("inference_ms_p50"))}   '
            f'computed {_percent(100 * report.number("active_fraction"))}, '
            f'saved {_percent(report.number("macs_saved_percent"))}   dropped {dropped}')


def _state(session: DemoSession) -> str:
    elapsed = session.elapsed_s()
    if elapsed is not None:
        return f'running for {elapsed:.0f} s'
    if session.monitor.report.is_active:
        return 'waiting for the first frame'
    return f'starting ({session.start_s():.0f} s)'


def _what(options: DemoOptions) -> str:
    return f'{options.camera}, model {options.model}'


def _hz(value: float) -> str:
    return f'{value:.1f} Hz' if math.isfinite(value) else '-'


def _ms(value: float) -> str:
    return f'{value:.0f} ms' if math.isfinite(value) else '-'


def _percent(value: float) -> str:
    return f'{value:.0f} %' if math.isfinite(value) else '-'
