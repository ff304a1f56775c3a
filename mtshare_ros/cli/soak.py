"""``mtshare soak``: injects faults into the real node, and checks that it keeps its promises."""

from contextlib import contextmanager
from dataclasses import dataclass
import os
from pathlib import Path
import random
import sys
import time
from typing import Annotated, Any, Callable, Iterator, Sequence

import typer

from mtshare_ros.cli.node_process import node_on_trial, NodeTrial, require_ros, stop_all
from mtshare_ros.cli.options import DeviceOption, JsonOption, ModelOption
from mtshare_ros.cli.output import check_folder, make_table, print_table, write_json
from mtshare_ros.cli.soak_record import (
    as_values,
    by_fault,
    judge,
    require_psutil,
    SoakRecord,
    UsageLog,
)
from mtshare_ros.errors import MtshareError

NAMESPACE = '/soak'

EXAMPLES = """
mtshare soak
mtshare soak --duration 60 --seed 7 --json soak.json
mtshare soak --model my.safetensors --log node.log
"""

_INPUT_TIMEOUT_S = 1.0
_TRACEBACK = 'Traceback (most recent call last)'
_REDRAW_S = 0.25
_LINE_S = 10.0
_MOST_PROBLEMS = 10


@dataclass(frozen=True)
class SoakOptions:
    """What a soak test runs: model and device of the node, duration, seed of the faults."""

    duration_s: float
    seed: int
    model: str
    device: str


def soak(
    duration: Annotated[float, typer.Option(
        min=1.0, metavar='S', help='Seconds of faults, from the first outputs on.')] = 600.0,
    seed: Annotated[int, typer.Option(
        min=0, metavar='N', help='Which faults in which order.')] = 0,
    model: ModelOption = 'default',
    device: DeviceOption = 'auto',
    json: JsonOption = None,
    log: Annotated[Path | None, typer.Option(
        '--log', metavar='FILE', help='Keep what the node wrote in this file.')] = None,
) -> None:
    """
    Inject random faults into the real node, and check that it keeps its promises.

    Starts perception_node as a process over real DDS, and acts as its camera and other nodes,
    which do everything wrong that a node can do to another: broken images, other sizes, encodings
    and frames, silence, bursts, stamps that jump, useless camera_info, parameters and transitions
    that must be refused, subscribers that come and go. After each fault every output must come
    back; memory, threads and open files must not grow after the warm-up of a minute (of a shorter
    soak: its first third). Ends with a verdict for every promise, and with code 1 if one is
    broken.

    On the CPU the node runs without PyTorch's cache of kernels (the environment variable
    ONEDNN_PRIMITIVE_CACHE_CAPACITY is 0, unless you set it). The cache grows for minutes, by some
    hundred megabytes, as it keeps a kernel for every size of product, and would hide a leak.
    """
    check_folder(json)
    check_folder(log)
    require_ros()
    require_psutil()
    os.environ.setdefault('ONEDNN_PRIMITIVE_CACHE_CAPACITY', '0')
    # only now, as it imports ROS 2
    from mtshare_ros.nodes.trials.soak_input_faults import LARGEST_IMAGE

    options = SoakOptions(duration, seed, model, device)
    parameters = {'model': model, 'device': device, 'max_pixels': LARGEST_IMAGE,
                  'input_timeout': _INPUT_TIMEOUT_S}
    with node_on_trial(namespace=NAMESPACE, parameters=parameters) as trial, progress() as show:
        session = SoakSession(options, trial, show)
        record = session.run()
        if log is not None:
            log.write_text(trial.process.output(), encoding='utf-8')
    print_verdict(record)
    write_json(json, as_values(record))
    if session.is_stopped:
        raise typer.Exit(130)
    if not all(item.holds for item in judge(record)):
        raise typer.Exit(1)


class SoakSession:
    """
    Injects faults until the time is over; ``show`` is called about twenty times a second.

    ``stage`` is a ``nodes.trials.soak_stage.SoakStage``; the annotations do not name it, because
    importing it needs ROS 2.
    """

    def __init__(
        self, options: SoakOptions, trial: NodeTrial, show: Callable[['SoakSession'], None]
    ) -> None:
        from mtshare_ros.nodes.trials.soak_stage import SoakStage

        self.options = options
        self.outcomes: list[Any] = []
        self.usage: UsageLog | None = None
        self.stage = SoakStage(trial.surroundings)
        self.is_stopped = False
        self._trial = trial
        self._show = show
        trial.watch = self._watch

    def elapsed_s(self) -> float:
        """Return the seconds since the first outputs, 0 before them."""
        return self.usage.elapsed_s() if self.usage is not None else 0.0

    def run(self) -> SoakRecord:
        """Wait for the node, inject faults, end the node and return what was measured."""
        self._trial.wait_for_the_node()
        ending = ''
        try:
            self.stage.requests.connect()
            self.usage = UsageLog(self._trial.process.pid)
            self._play_faults()
            self.stage.calm_down()
        except KeyboardInterrupt:
            self.is_stopped = True
        except MtshareError as error:
            ending = str(error)
        stop_all([self._trial.process])
        return self._record(ending)

    def _play_faults(self) -> None:
        from mtshare_ros.nodes.trials.soak_input_faults import INPUT_FAULTS
        from mtshare_ros.nodes.trials.soak_request_faults import REQUEST_FAULTS
        from mtshare_ros.nodes.trials.soak_stage import schedule

        dice = random.Random(self.options.seed)
        faults = schedule((*INPUT_FAULTS, *REQUEST_FAULTS), dice)
        while self.elapsed_s() < self.options.duration_s:
            self.outcomes.append(self.stage.play(next(faults), dice))

    def _watch(self) -> None:
        if self.usage is not None:
            self.usage.sample()
        self._show(self)

    def _record(self, ending: str) -> SoakRecord:
        listener, process = self.stage.listener, self._trial.process
        return SoakRecord(
            seed=self.options.seed, model=self.options.model,
            device=listener.status.values.get('device', ''), elapsed_s=self.elapsed_s(),
            outcomes=tuple(self.outcomes),
            usage=tuple(self.usage.samples) if self.usage is not None else (),
            status_ok=listener.status.is_ok, status=listener.status.message,
            diagnostics=dict(listener.status.values), lowest_age_ms=listener.lowest_age_ms,
            strange_stamps=listener.strange_stamps, ending=ending,
            tracebacks=process.output().count(_TRACEBACK), exit_code=process.exit_code)


Show = Callable[[SoakSession], None]


@contextmanager
def progress() -> Iterator[Show]:
    """Yield the function that shows the progress: as a table on a terminal, else as lines."""
    if not sys.stdout.isatty():
        yield _now_and_then(_LINE_S, lambda session: typer.echo(_line(session)))
        return
    from rich.live import Live

    with Live(auto_refresh=False, transient=True) as live:
        yield _now_and_then(
            _REDRAW_S, lambda session: live.update(_screen(session), refresh=True))


def print_verdict(record: SoakRecord) -> None:
    """Print the faults with their problems, and the verdict for every promise."""
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
            f'{lost} without recovery, {problems} problems{_taken(session)}   '
            f'now: {session.stage.current}')


def _taken(session: SoakSession) -> str:
    """Return the memory, threads and files of the node, an empty text before the first sample."""
    newest = session.usage.samples[-1:] if session.usage is not None else []
    return ''.join(
        f'   {item.memory_mb:.0f} MB, {item.threads} threads, {item.descriptors} files'
        for item in newest)
