"""A running demo: its rates and ages, as a table or lines on the terminal, and the summary."""

import math
import sys
import time
from typing import Any, Sequence

import numpy as np
import typer

from mtshare_ros.cli.demo import DemoOptions
from mtshare_ros.cli.node_process import ChildProcess
from mtshare_ros.cli.output import make_table, print_table, StopRequest
from mtshare_ros.errors import MtshareError
from mtshare_ros.inference.contact_sheet import SheetMaps, SheetRow

FIRST_MAP_S = 300.0
"""How long the first map may take: loading PyTorch and the renderer on a slow, busy machine."""

SHEET_ROWS = 6


class DemoSession:
    """
    The processes of a demo, and the node that subscribes to their topics.

    That is ``watch``, a ``nodes.trials.demo_monitor.DemoWatch``; the annotations do not name the
    type, because importing it needs ROS 2.
    """

    def __init__(
        self, processes: Sequence[ChildProcess], watch: Any, stop: StopRequest
    ) -> None:
        self.monitor = watch.monitor
        self._watch = watch
        self._processes = processes
        self._stop = stop
        self._started = min(process.started for process in processes)
        self._first_map: float | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether the user stopped the demo."""
        return self._stop.requested

    def elapsed_s(self) -> float | None:
        """Return the seconds since the first map, None before it."""
        return None if self._first_map is None else time.monotonic() - self._first_map

    def start_s(self) -> float:
        """Return the seconds from the start to the first map, or to now."""
        return (self._first_map or time.monotonic()) - self._started

    def spin(self, seconds: float) -> None:
        """Handle messages for some seconds; raise MtshareError if a node failed or ended."""
        deadline = time.monotonic() + seconds
        while not self.is_stopped and (left := deadline - time.monotonic()) > 0:
            self._watch.handle(min(left, 0.1))
            if self._first_map is None and self.monitor.has_maps():
                self._first_map = time.monotonic()
        if not self.is_stopped:
            self._check()

    def _check(self) -> None:
        for process in self._processes:
            process.check()
        report = self.monitor.report
        if report.failed and self._first_map is None:
            raise MtshareError(f'perception_node: {report.message.removeprefix("ERROR: ")}')
        if self._first_map is None and self.start_s() > FIRST_MAP_S:
            said = '\n'.join(f'last lines of {process.name}:\n{process.tail()}'
                             for process in self._processes)
            raise MtshareError(f'no map came within {FIRST_MAP_S:.0f} s\n{said}')

    def results(self) -> dict[str, Any]:
        """Return what was measured, as it is written to the JSON file."""
        ages, report = self.monitor.ages_ms(), self.monitor.report
        return {
            'input_hz': report.number('input_hz'),
            'output_hz': {topic: round(tally.mean_hz(), 2)
                          for topic, tally in self.monitor.tallies.items()},
            'age_ms': {'p50': _percentile(ages, 50), 'p95': _percentile(ages, 95)},
            'dropped': int(np.nan_to_num(report.number('dropped'))),
            'processed': int(np.nan_to_num(report.number('processed'))),
            'inference_ms': {'p50': report.number('inference_ms_p50'),
                             'p95': report.number('inference_ms_p95')},
            'active_fraction': report.number('active_fraction'),
            'macs_saved_percent': report.number('macs_saved_percent'),
            'first_map_s': round(self.start_s(), 2),
            'model': report.values.get('model', ''),
            'device': report.values.get('device', ''),
        }

    def sheet_rows(self) -> list[SheetRow]:
        """Return some frames with their true and predicted maps."""
        collector = self.monitor.collector
        sets = collector.sets(SHEET_ROWS) if collector is not None else []
        return [SheetRow(item.image, SheetMaps(**item.truth), SheetMaps(**item.found))
                for item in sets]


def _percentile(values: list[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 1) if values else float('nan')


_REDRAW_S = 0.25
_LINE_S = 2.0


def show(session: DemoSession, options: DemoOptions) -> None:
    """Show rates and ages until the time is over or the user stops the demo."""
    if sys.stdout.isatty():
        _show_table(session, options)
    else:
        _show_lines(session, options)


def print_summary(results: dict[str, Any]) -> None:
    """Print what was measured."""
    ages, inference = results['age_ms'], results['inference_ms']
    rows = [
        ('first map after the start', f'{results["first_map_s"]:.1f} s'),
        ('camera', _hz(results['input_hz'])),
        *((topic, _hz(hz)) for topic, hz in results['output_hz'].items()),
        ('age of a map on arrival, p50 / p95', f'{_ms(ages["p50"])} / {_ms(ages["p95"])}'),
        ('inference, p50 / p95', f'{_ms(inference["p50"])} / {_ms(inference["p95"])}'),
        ('tokens computed of each frame', _percent(100 * results['active_fraction'])),
        ('computation saved', _percent(results['macs_saved_percent'])),
        ('frames processed', str(results['processed'])),
        ('frames dropped for a newer one', str(results['dropped'])),
    ]
    print_table(f'Summary: model {results["model"]} on {results["device"] or "?"}',
                ('', ''), rows)


def _is_over(session: DemoSession, options: DemoOptions) -> bool:
    elapsed = session.elapsed_s()
    if session.is_stopped:
        return True
    return options.duration_s > 0 and elapsed is not None and elapsed >= options.duration_s


def _pause(session: DemoSession, options: DemoOptions, longest_s: float) -> float:
    """Return the seconds to the next update, which is not after the end."""
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
    # a video has no calibration, so topics that need one are never published
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
