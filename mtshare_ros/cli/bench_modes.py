"""What ``mtshare bench`` can measure, and the tables of it, one function each."""

from dataclasses import asdict
import os
import platform
from typing import Any, Sequence, TYPE_CHECKING

import typer

from mtshare_ros.cli.bench_tables import (
    print_active,
    print_latency,
    print_motion,
    print_node,
    print_notes,
)
from mtshare_ros.cli.node_process import node_on_trial
from mtshare_ros.cli.options import HELD_OUT_SEED, read_list
from mtshare_ros.cli.output import print_table, progress_bar

if TYPE_CHECKING:
    import numpy as np

    from mtshare_ros.benchmark.bench_model import BenchModel
    from mtshare_ros.benchmark.bench_plan import BenchSettings
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.sharing.sharing_settings import SharingSettings

RENDERED_FRAMES = 60
CLIP_FRAMES = 24
ROUNDS = 2
"""How often ``bench_system`` runs each set of tasks on the clip."""

_NODE_NAMESPACE = '/bench'
_NODE_IMAGE = {'height': 480, 'width': 640, 'rate_hz': 5.0}


def bench_settings(
    engine: 'Engine', motion: str, tasks: str | None, contenders: str | None, **values: Any
) -> 'BenchSettings':
    """Return what is compared, from texts of options and ``values`` that are settings already."""
    from mtshare_ros.benchmark.bench_plan import BenchSettings, EVERY_CONTENDER, usual_contenders
    from mtshare_ros.data.rooms.motions import HARDER, PLAIN

    motions = {'all': tuple(PLAIN), 'moving': tuple(HARDER)}.get(motion, (motion,))
    chosen = usual_contenders(motions) if contenders is None else \
        read_list('--contenders', contenders, EVERY_CONTENDER)
    return BenchSettings(tasks=read_list('--tasks', tasks, engine.tasks), motions=motions,
                         contenders=chosen, **values)


def compare_contenders(
    engine: 'Engine', model: 'BenchModel', settings: 'BenchSettings', precision: str,
    shared: str | None,
) -> dict[str, Any]:
    """
    Run all contenders on the same frames; return what the JSON file holds.

    ``shared`` names a model with one encoder for all tasks, None takes a shipped one; it runs in
    ``precision``, the one that was requested for the engine.
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
    """Return the model with one encoder for all tasks, None where no contender needs one."""
    from mtshare_ros.benchmark.bench_model import load_bench_engine, shared_encoder_model

    if not settings.carries_shared_encoder:
        return None
    found = shared_encoder_model(model, name)
    if found is None:
        _say(f'no shipped model has one encoder for the tasks of {model.name}: the contenders '
             'shared_encoder_nth are left out; name a model with --shared-encoder')
        return None
    _say(f'shared_encoder_nth is {found.name}')
    if found is model:
        return engine, model
    return load_bench_engine(found, engine.device, precision, engine.input_size), found


def run_active(
    engine: 'Engine', model: 'BenchModel', fraction: float, block: str, *, compiling: bool
) -> dict[str, Any]:
    """Time the encoder of one task on a share of its tokens against all tokens."""
    from mtshare_ros.benchmark.timing import time_active

    report = time_active(engine, model, fraction, block=block, compiling=compiling, report=_say)
    print_active(report)
    return asdict(report)


def run_latency(
    engine: 'Engine', sharing: 'SharingSettings', target_ms: float, frames: int
) -> dict[str, Any]:
    """Run frames in which few and many patches change, with and without a latency target."""
    from mtshare_ros.benchmark.latency import time_latency

    with progress_bar('3 to 88 % of the patches change', frames) as progress:
        report = time_latency(engine, sharing, target_ms, frames, progress)
    print_latency(report)
    return asdict(report)


def _say(text: str) -> None:
    typer.echo(f'mtshare: {text}', err=True)


def bench_system(engine: 'Engine', frames: int = CLIP_FRAMES) -> dict[str, Any]:
    """Time the renderer, the model by sets of tasks, and conversion and transport of messages."""
    results: dict[str, Any] = {}
    results['renderer'], images = _bench_renderer(engine.input_size, frames)
    results['engine'] = _bench_engine(engine, images)
    results['messages'] = _bench_messages()
    return results


def _bench_renderer(
    size: tuple[int, int], frames: int
) -> tuple[dict[str, float], list['np.ndarray']]:
    """Return the renderer's speed and a clip of images for the engine."""
    from mtshare_ros.benchmark.timing import frames_per_second
    from mtshare_ros.data.rooms.video import RoomVideo

    video = RoomVideo(seed=HELD_OUT_SEED, motion='handheld', height=size[0], width=size[1])
    rate = frames_per_second(video.frame, RENDERED_FRAMES)
    print_table(f'Renderer, live quality, {size[0]}x{size[1]} (height x width)', ('', 'frames/s'),
                [('rooms with noise and ground truth', f'{rate:.1f}')])
    return {'frames_per_second': rate}, [video.frame(number).image for number in range(frames)]


def _bench_engine(engine: 'Engine', images: Sequence['np.ndarray']) -> list[dict[str, Any]]:
    from mtshare_ros.benchmark.timing import time_engine

    with progress_bar('timing the model', ROUNDS * len(images)) as progress:
        results = time_engine(engine, images, rounds=ROUNDS, progress=progress)
    stages = list(results[0].stages)
    height, width = engine.input_size
    print_table(
        f'Model, {height}x{width} (height x width), every frame dense, milliseconds '
        '(p50 / p95 in all, p50 by stage)',
        ('tasks', 'in all', *stages),
        [('+'.join(item.tasks), f'{item.total.p50:.1f} / {item.total.p95:.1f}',
          *(f'{item.stages[stage].p50:.1f}' for stage in stages)) for item in results])
    return [asdict(item) for item in results]


def _bench_messages() -> dict[str, float] | None:
    """Return the milliseconds of each step of a message, None without ROS 2."""
    try:
        from mtshare_ros.nodes.trials.node_bench import measure_messages, measure_transport
    except ImportError as error:
        typer.echo(f'messages were not timed, because ROS 2 cannot be used here: {error}')
        return None
    times = {item.name: item.milliseconds for item in (*measure_messages(), *measure_transport())}
    print_table('Messages, 480x640 (height x width), median milliseconds', ('step', 'ms'),
                [(name, f'{value:.3f}') for name, value in times.items()])
    return times


def bench_node(
    model: str, size: tuple[int, int], device: str, precision: str
) -> dict[str, Any]:
    """Time the real node, in a process of its own, with one set of topics after another."""
    from mtshare_ros.cli.node_process import require_ros

    require_ros()
    parameters = {'model': model, 'device': device, 'precision': precision,
                  'input_size': list(size)}
    with node_on_trial(
            namespace=_NODE_NAMESPACE, parameters=parameters, look=_NODE_IMAGE) as trial:
        trial.wait_for_the_node()
        sets = _measure_node(trial.surroundings)
        values = trial.surroundings.listener.status.values
    print_node(sets, _NODE_IMAGE)
    found = {name: asdict(times) for name, times in sets.items()}
    machine = {'model': model, 'device': values['device'], 'input_size': size,
               'cores': os.cpu_count(), 'threads': int(values['threads']),
               **{name: values[name] for name in (
                   'weight_layout', 'crossover', 'crossover_source', 'torch')},
               'python': platform.python_version()}
    return {'device': values['device'], 'machine': machine,
            'node': {'image': _NODE_IMAGE, 'sets': found}}


def _measure_node(surroundings: Any) -> dict[str, Any]:
    from mtshare_ros.nodes.trials.node_bench import measure_set, topic_sets

    sets, wanted = {}, topic_sets(surroundings)
    with progress_bar('one set of topics after another', len(wanted)) as progress:
        for number, (name, topics) in enumerate(wanted.items(), start=1):
            sets[name] = measure_set(surroundings, topics)
            progress(number)
    return sets
