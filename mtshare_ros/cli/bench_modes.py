"""What ``mtshare bench`` can measure, one function each."""

from dataclasses import asdict
from typing import Any, TYPE_CHECKING

import typer

from mtshare_ros.cli.bench_options import read_list
from mtshare_ros.cli.bench_tables import print_active, print_latency, print_motion, print_notes
from mtshare_ros.cli.progress import progress_bar

if TYPE_CHECKING:
    from mtshare_ros.benchmark.bench_model import BenchModel
    from mtshare_ros.benchmark.bench_plan import BenchSettings
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.sharing.settings import SharingSettings


def bench_settings(
    engine: 'Engine', motions: tuple[str, ...], tasks: str | None, sides: str | None,
    **values: Any,
) -> 'BenchSettings':
    """Return what is compared, from options; ``values`` are those that need no reading."""
    from mtshare_ros.benchmark.bench_plan import BenchSettings, EVERY_SIDE, usual_sides

    chosen = usual_sides(motions) if sides is None else read_list('--sides', sides, EVERY_SIDE)
    return BenchSettings(tasks=read_list('--tasks', tasks, engine.tasks), motions=motions,
                         sides=chosen, **values)


def compare_sides(
    engine: 'Engine', model: 'BenchModel', settings: 'BenchSettings', precision: str,
    shared: str | None,
) -> dict[str, Any]:
    """
    Run all sides against each other; return the figures as they stand in the JSON file.

    ``shared`` names a model whose tasks share the whole encoder, None one that ships; it is
    computed in ``precision``, as the engine was asked to.
    """
    from mtshare_ros.benchmark.comparison import Comparison

    comparison = Comparison(engine, model, settings, report=_say,
                            shared=_shared_encoder(engine, model, settings, precision, shared))
    found: dict[str, Any] = {}
    for name in settings.motions:
        plan = comparison.plan(name)
        with progress_bar(f'{name}: {settings.frames} frames and their warm-up',
                          plan.total) as progress:
            report = comparison.run(name, progress)
        print_motion(f'{name}, {settings.frames} frames of {len(plan.counts)} rooms', report)
        found[name] = asdict(report)
    print_notes(settings, comparison.pieces)
    head = {'settings': comparison.values()}
    if len(found) == 1:
        return {**head, **found[settings.motions[0]]}
    return {**head, 'motions': found}


def _shared_encoder(
    engine: 'Engine', model: 'BenchModel', settings: 'BenchSettings', precision: str,
    name: str | None,
) -> 'tuple[Engine, BenchModel] | None':
    """Return the model whose tasks share the whole encoder, where a side runs it, at one size."""
    from mtshare_ros.benchmark.bench_model import load_bench_engine, shared_encoder_model

    if not settings.carries_shared_encoder:
        return None
    found = shared_encoder_model(model, name)
    if found is None:
        _say(f'no model that ships has one encoder for the tasks of {model.name}: the sides '
             'shared_encoder_nth are left out; name one with --shared-encoder')
        return None
    _say(f'shared_encoder_nth is {found.name}')
    if found is model:
        return engine, model
    return load_bench_engine(found, engine.device, precision, engine.input_size), found


def run_active(
    engine: 'Engine', model: 'BenchModel', fraction: float, block: str, *, compiling: bool
) -> dict[str, Any]:
    """Time the encoder of one task on given rows against all rows."""
    from mtshare_ros.benchmark.active import time_active

    report = time_active(engine, model, fraction, block=block, compiling=compiling, report=_say)
    print_active(report)
    return asdict(report)


def run_latency(
    engine: 'Engine', sharing: 'SharingSettings', target_ms: float, frames: int
) -> dict[str, Any]:
    """Run frames of swinging demand with and without a latency target."""
    from mtshare_ros.benchmark.latency import time_latency

    with progress_bar('demand swings from 3 % to 90 %', frames) as progress:
        report = time_latency(engine, sharing, target_ms, frames, progress)
    print_latency(report)
    return asdict(report)


def _say(text: str) -> None:
    typer.echo(f'mtshare: {text}', err=True)
