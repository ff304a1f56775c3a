"""``mtshare bench``: how fast this machine is."""

from dataclasses import asdict
import os
from pathlib import Path
import platform
from typing import Any, TYPE_CHECKING

import typer

from mtshare_ros.cli import bench_options as options
from mtshare_ros.cli.bench_modes import (
    bench_settings,
    compare_sides,
    run_active,
    run_latency,
)
from mtshare_ros.cli.bench_node import bench_node
from mtshare_ros.cli.bench_options import BenchMotion
from mtshare_ros.cli.bench_system import bench_system
from mtshare_ros.cli.engines import say_notices
from mtshare_ros.cli.options import DeviceOption, JsonOption, PrecisionOption
from mtshare_ros.cli.output import check_folder, write_json

if TYPE_CHECKING:
    from mtshare_ros.benchmark.bench_model import BenchModel
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.model.quality import SizeQuality
    from mtshare_ros.sharing.settings import SharingSettings

_UNTRAINED = 'weights by chance, all or some: what is computed means nothing, only what it costs'

EXAMPLES = """
mtshare bench
mtshare bench --motion all --json bench.json
mtshare bench --motion pan-4
mtshare bench --motion moving --frames 384 --json moving.json
mtshare bench --architecture vit_s --size 480x640
mtshare bench --architecture vit_s --active 0.1
mtshare bench --latency-target 60
mtshare bench --system
mtshare bench --node --json node.json
mtshare bench --device cuda
"""


def bench(
    model: options.ModelOption = None,
    architecture: options.ArchitectureOption = None,
    motion: options.MotionOption = BenchMotion.STATIC,
    frames: options.FramesOption = 256,
    tasks: options.TasksOption = None, size: options.SizeOption = None,
    threshold: options.ThresholdOption = 1.0,
    refresh_period: options.RefreshOption = 30,
    block: options.BlockOption = None,
    noise: options.NoiseOption = 1.0, clean: options.CleanOption = False,
    sides: options.SidesOption = None,
    nth: options.NthOption = 3, shared_encoder: options.SharedEncoderOption = None,
    prefix: options.PrefixOption = None,
    random_deltas: options.DensityOption = None,
    granularity: options.GranularityOption = None,
    active: options.ActiveOption = None,
    latency_target: options.LatencyOption = None,
    system: options.SystemOption = False, node: options.NodeOption = False,
    no_compile: options.NoCompileOption = False,
    device: DeviceOption = 'auto', precision: PrecisionOption = 'auto', json: JsonOption = None,
) -> None:
    """
    Measure how fast this machine is.

    Runs the engine, as the node calls it, against dense networks in their fastest form on this
    machine: on the same frames of rendered rooms, taking turns, with everything counted. Prints
    milliseconds, how much was computed, what is lost in quality, and how much maps flicker.
    """
    check_folder(json)
    options.check_choices(model, architecture, active, latency_target, system, node)
    if node:
        _bench_node(model or 'default', size, device, precision, json)
        return
    engine, chosen = _load(
        model, architecture, size, (prefix, random_deltas, granularity), device, precision)
    sharing = _sharing(threshold, refresh_period, block)
    results: dict[str, Any] = {'device': engine.device, 'machine': _machine(engine, chosen)}
    if active is not None:
        results['active'] = run_active(engine, chosen, active, sharing.block,
                                       compiling=not no_compile)
    elif latency_target is not None:
        results['latency'] = run_latency(engine, sharing, latency_target, frames)
    elif system:
        results['system'] = bench_system(engine, frames)
    else:
        settings = bench_settings(
            engine, motion.streams, tasks, sides, frames=frames, sharing=sharing, noise=noise,
            clean=clean, compiling=not no_compile, nth=nth)
        results.update(compare_sides(engine, chosen, settings, precision, shared_encoder))
    _finish(results, engine.quality if engine.file else None, engine.input_size, json)


def _bench_node(
    model: str, size: str | None, device: str, precision: str, json: Path | None
) -> None:
    from mtshare_ros.inference.input_size import choose_input_size
    from mtshare_ros.model.checkpoint import read_description
    from mtshare_ros.model.manifest import find_model
    from mtshare_ros.model.quality import read_quality

    file = find_model(model)
    pixels = choose_input_size(None if size is None else options.read_size(size),
                               read_description(file.path).architecture, file.name)
    _finish(bench_node(model, pixels, device, precision), read_quality(file), pixels, json)


def _finish(
    results: dict[str, Any], known: 'tuple[SizeQuality, ...] | None', size: tuple[int, int],
    file: Path | None,
) -> None:
    """Say what was run, and how good that is; ``known`` is None where it means nothing."""
    from mtshare_ros.model.quality import quality_at, say_quality

    machine = results['machine'].items()
    typer.echo('\n' + ', '.join(f'{name} {value}' for name, value in machine))
    typer.echo(_UNTRAINED if known is None else say_quality(known, size))
    if file is not None:
        found = quality_at(known or (), size)
        write_json(file, {**results, 'quality': found and asdict(found)})


def _load(
    model: str | None, architecture: str | None, size: str | None,
    deltas: tuple[int | None, float | None, str | None], device: str, precision: str,
) -> tuple['Engine', 'BenchModel']:
    from mtshare_ros.benchmark.bench_model import (
        delta_settings,
        DeltaSettings,
        load_bench_engine,
        shipped_model,
        untrained_model,
    )

    pixels = None if size is None else options.read_size(size)
    wanted = delta_settings(*deltas)
    if architecture is None:
        chosen = shipped_model(model or 'default', wanted)
    else:
        chosen = untrained_model(architecture, pixels, wanted or DeltaSettings())
    engine = load_bench_engine(chosen, device, precision, pixels)
    say_notices(engine)
    return engine, chosen


def _sharing(threshold: float, refresh_period: int, block: str | None) -> 'SharingSettings':
    from mtshare_ros.sharing.settings import SharingSettings

    return SharingSettings(
        temporal_factor=threshold, task_factor=threshold, refresh_period=refresh_period,
        max_age=max(SharingSettings.max_age, refresh_period),
        block=block or SharingSettings.block)


def _machine(engine: 'Engine', model: 'BenchModel') -> dict[str, Any]:
    import torch

    crossover = engine.crossover()
    return {
        'model': model.name, 'device': engine.device, 'device_name': _device_name(engine.device),
        'precision': str(engine.dtype).removeprefix('torch.'), 'input_size': engine.input_size,
        'cores': os.cpu_count(), 'threads': torch.get_num_threads(),
        'python': platform.python_version(), 'torch': str(torch.__version__),
        'weight_layout': engine.weight_layout, 'crossover': round(crossover.share, 3),
        'crossover_source': crossover.source,
    }


def _device_name(device: str) -> str:
    import torch

    if device.startswith('cuda'):
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()
