"""What ``mtshare bench`` can measure, one function each."""

from dataclasses import asdict
from typing import Any, TYPE_CHECKING

import typer

from mtshare_ros.cli.bench_options import read_list
from mtshare_ros.cli.bench_tables import print_active, print_latency, print_motion, print_notes
from mtshare_ros.cli.progress import progress_bar

if TYPE_CHECKING:
    from mtshare_ros.evaluation.bench_model import BenchModel
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.sharing.settings import SharingSettings


def compare_sides(
    engine: 'Engine', model: 'BenchModel', sharing: 'SharingSettings', motions: tuple[str, ...],
    frames: int, tasks: str | None, sides: str | None, noise: float, *,
    clean: bool, compiling: bool,
) -> dict[str, Any]:
    """Run all sides against each other; return the figures as they stand in the JSON file."""
    from mtshare_ros.evaluation.bench_sides import BenchSettings, Comparison, SIDES

    settings = BenchSettings(
        tasks=read_list('--tasks', tasks, engine.tasks), frames=frames,
        motions=motions,
        sides=read_list('--sides', sides, SIDES), sharing=sharing, noise=noise,
        clean=clean, compiling=compiling)
    comparison = Comparison(engine, model, settings, report=_say)
    found: dict[str, Any] = {}
    for name in settings.motions:
        plan = comparison.plan(name)
        with progress_bar(f'{name}: {frames} frames and their warm-up', plan.total) as progress:
            report = comparison.run(name, progress)
        print_motion(f'{name}, {frames} frames of {len(plan.counts)} rooms', report)
        found[name] = asdict(report)
    print_notes(settings, comparison.pieces)
    head = {'settings': comparison.values()}
    if len(found) == 1:
        return {**head, **found[motions[0]]}
    return {**head, 'motions': found}


def run_active(
    engine: 'Engine', model: 'BenchModel', fraction: float, block: str, *, compiling: bool
) -> dict[str, Any]:
    """Time the encoder of one task on given rows against all rows."""
    from mtshare_ros.evaluation.bench_active import time_active

    report = time_active(engine, model, fraction, block=block, compiling=compiling, report=_say)
    print_active(report)
    return asdict(report)


def run_latency(
    engine: 'Engine', sharing: 'SharingSettings', target_ms: float, frames: int
) -> dict[str, Any]:
    """Run frames of swinging demand with and without a latency target."""
    from mtshare_ros.evaluation.bench_latency import time_latency

    with progress_bar('demand swings from 3 % to 90 %', frames) as progress:
        report = time_latency(engine, sharing, target_ms, frames, progress)
    print_latency(report)
    return asdict(report)


def _say(text: str) -> None:
    typer.echo(f'mtshare: {text}', err=True)
