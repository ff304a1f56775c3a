"""``mtshare bench``: how fast this machine is."""

from dataclasses import asdict
import os
from pathlib import Path
import platform
from typing import Annotated, Any, TYPE_CHECKING

import typer

from mtshare_ros.cli.bench_modes import (
    bench_node,
    bench_settings,
    bench_system,
    compare_contenders,
    run_active,
    run_latency,
)
from mtshare_ros.cli.options import (
    check_one_of,
    DeviceOption,
    input_size_option,
    JsonOption,
    MODEL_HELP,
    motion_option,
    MOTIONS_HELP,
    offer_models,
    offer_task_list,
    offering,
    PrecisionOption,
    read_input_size,
    REFRESH_PERIOD,
    say_notices,
    TASK_THRESHOLD,
    TEMPORAL_THRESHOLD,
)
from mtshare_ros.cli.output import check_folder, command_line, write_json

if TYPE_CHECKING:
    from mtshare_ros.benchmark.bench_model import BenchModel
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.model.quality import SizeQuality
    from mtshare_ros.sharing.sharing_settings import SharingSettings

_UNTRAINED = 'random weights, all or some: the maps mean nothing, only what they cost'

ModelOption = Annotated[str | None, typer.Option(
    '--model', metavar='MODEL', help=MODEL_HELP, autocompletion=offer_models)]
ArchitectureOption = Annotated[str | None, typer.Option(
    '--architecture', metavar='SHAPE', autocompletion=offering('vit_t', 'vit_s', 'vit_b'),
    help='Instead of a model: vit_t, vit_s or vit_b with random weights.')]
MotionOption = Annotated[str, motion_option(
    f'How the camera moves: {MOTIONS_HELP}. all: the first four; moving: the others.',
    'all', 'moving')]
FramesOption = Annotated[int, typer.Option(
    '--frames', min=1, metavar='N', help='Counted frames of a motion, spread over the rooms.')]
TasksOption = Annotated[str | None, typer.Option(
    '--tasks', metavar='TASK,...', autocompletion=offer_task_list,
    help='Only these tasks: semseg, depth, normals, edge.')]
BlockOption = Annotated[str | None, typer.Option(
    '--block', metavar='KIND', autocompletion=offering('fast', 'accurate'),
    help='The incremental block: fast or accurate.')]
NoiseOption = Annotated[float, typer.Option(
    '--noise', min=0.0, max=10.0, metavar='FACTOR', help="Factor on the camera's noise.")]
CleanOption = Annotated[bool, typer.Option(
    '--clean', help='Also the difference to the dense outputs of frames without noise.')]
ContendersOption = Annotated[str | None, typer.Option(
    '--contenders', metavar='NAME,...',
    help='Only these contenders, for example combined,shared_encoder.')]
NthOption = Annotated[int, typer.Option(
    '--nth', min=0, max=30, metavar='N',
    help='Contenders whose maps are moved along compute every N-th frame. 0: as often as costs '
         'the same as moving_fused on average.')]
SharedEncoderOption = Annotated[str | None, typer.Option(
    '--shared-encoder', metavar='MODEL', autocompletion=offer_models,
    help='The model of shared_encoder_nth, with one encoder for all tasks. Default: the model '
         'itself if it has one, else a shipped one.')]
PrefixOption = Annotated[int | None, typer.Option(
    '--prefix', min=0, metavar='L', help='Random delta weights: blocks that stay shared.')]
DensityOption = Annotated[float | None, typer.Option(
    '--random-deltas', min=0.0, max=1.0, metavar='DENSITY',
    help='Random delta weights: share of the weights above the shared blocks.')]
GranularityOption = Annotated[str | None, typer.Option(
    '--granularity', metavar='KIND', autocompletion=offering('row', 'element'),
    help='Random delta weights: by row or by element.')]
ActiveOption = Annotated[float | None, typer.Option(
    '--active', min=0.001, max=1.0, metavar='FRACTION',
    help='Only the encoder of one task: on this share of its tokens against all tokens.')]
LatencyOption = Annotated[float | None, typer.Option(
    '--latency-target-ms', min=1.0, metavar='MS',
    help='Only the latency target: few and many changed patches in turn, with and without it.')]
SystemOption = Annotated[bool, typer.Option(
    '--system', help='Only the parts around the comparison: sets of tasks, renderer, messages.')]
NodeOption = Annotated[bool, typer.Option(
    '--node', help='Only the ROS 2 node: what it adds to the network, over real DDS.')]
NoCompileOption = Annotated[bool, typer.Option(
    '--no-compile', help='Neither compile the dense networks nor try other runtimes for them: '
                         'faster to prepare, but slower dense networks.')]

EXAMPLES = """
mtshare bench
mtshare bench --motion all --json bench.json
mtshare bench --motion pan-4
mtshare bench --motion moving --frames 384 --json moving.json
mtshare bench --architecture vit_s --input-size 480x640
mtshare bench --architecture vit_s --active 0.1
mtshare bench --latency-target-ms 60
mtshare bench --system
mtshare bench --node --json node.json
mtshare bench --device cuda
"""


def bench(
    model: ModelOption = None, architecture: ArchitectureOption = None,
    motion: MotionOption = 'static',
    frames: FramesOption = 256, tasks: TasksOption = None,
    input_size: Annotated[str | None, input_size_option(
        'the size of the model, which is 240x320 for --architecture')] = None,
    temporal_threshold: Annotated[float, TEMPORAL_THRESHOLD] = 1.0,
    task_threshold: Annotated[float, TASK_THRESHOLD] = 1.0,
    refresh_period: Annotated[int, REFRESH_PERIOD] = 30,
    block: BlockOption = None, noise: NoiseOption = 1.0, clean: CleanOption = False,
    contenders: ContendersOption = None,
    nth: NthOption = 3, shared_encoder: SharedEncoderOption = None,
    prefix: PrefixOption = None, random_deltas: DensityOption = None,
    granularity: GranularityOption = None,
    active: ActiveOption = None,
    latency_target_ms: LatencyOption = None,
    system: SystemOption = False, node: NodeOption = False,
    no_compile: NoCompileOption = False,
    device: DeviceOption = 'auto', precision: PrecisionOption = 'auto', json: JsonOption = None,
) -> None:
    """
    Measure how fast this machine is.

    Runs the engine, as the node calls it, against dense networks in their fastest form on this
    machine: on the same frames of rendered rooms, taking turns, with everything counted. Prints
    milliseconds, how much was computed, what is lost in quality, and how much maps flicker.
    """
    check_folder(json)
    _check_choices(model, architecture, active, latency_target_ms, system, node)
    size = None if input_size is None else read_input_size(input_size)
    if node:
        _bench_node(model or 'default', size, device, precision, json)
        return
    engine, chosen = _load(
        model, architecture, size, (prefix, random_deltas, granularity), device, precision)
    sharing = _sharing(temporal_threshold, task_threshold, refresh_period, block)
    results: dict[str, Any] = {'device': engine.device, 'machine': _machine(engine, chosen)}
    if active is not None:
        results['active'] = run_active(engine, chosen, active, sharing.block,
                                       compiling=not no_compile)
    elif latency_target_ms is not None:
        results['latency'] = run_latency(engine, sharing, latency_target_ms, frames)
    elif system:
        results['system'] = bench_system(engine, frames)
    else:
        settings = bench_settings(
            engine, motion, tasks, contenders, frames=frames, sharing=sharing, noise=noise,
            clean=clean, compiling=not no_compile, nth=nth)
        results.update(compare_contenders(engine, chosen, settings, precision, shared_encoder))
    _finish(results, engine.quality if engine.file else None, engine.input_size, json)


def _check_choices(
    model: str | None, architecture: str | None, active: float | None,
    latency_target_ms: float | None, system: bool, node: bool,
) -> None:
    """Refuse two models, two things to measure, and a node without a model from a file."""
    check_one_of(model=model, architecture=architecture)
    check_one_of(active=active, latency_target_ms=latency_target_ms, system=system or None,
                 node=node or None)
    check_one_of(architecture=architecture, node=node or None)


def _bench_node(
    model: str, size: tuple[int, int] | None, device: str, precision: str, json: Path | None
) -> None:
    from mtshare_ros.inference.model_facts import choose_input_size
    from mtshare_ros.model.file_description import read_description
    from mtshare_ros.model.manifest import find_model
    from mtshare_ros.model.quality import read_quality

    file = find_model(model)
    pixels = choose_input_size(size, read_description(file.path).architecture, file.name)
    _finish(bench_node(model, pixels, device, precision), read_quality(file), pixels, json)


def _finish(
    results: dict[str, Any], known: 'tuple[SizeQuality, ...] | None', size: tuple[int, int],
    file: Path | None,
) -> None:
    """Print the machine and the model's quality, None for random weights; write the JSON file."""
    from mtshare_ros.model.quality import quality_at, say_quality

    machine = results['machine'].items()
    typer.echo('\n' + ', '.join(f'{name} {value}' for name, value in machine))
    typer.echo(_UNTRAINED if known is None else say_quality(known, size))
    if file is not None:
        found = quality_at(known or (), size)
        write_json(file, {'command': command_line(), **results,
                          'quality': found and asdict(found)})


def _load(
    model: str | None, architecture: str | None, size: tuple[int, int] | None,
    deltas: tuple[int | None, float | None, str | None], device: str, precision: str,
) -> tuple['Engine', 'BenchModel']:
    from mtshare_ros.benchmark.bench_model import (
        delta_settings,
        DeltaSettings,
        load_bench_engine,
        shipped_model,
        untrained_model,
    )

    wanted = delta_settings(*deltas)
    if architecture is None:
        chosen = shipped_model(model or 'default', wanted)
    else:
        chosen = untrained_model(architecture, size, wanted or DeltaSettings())
    engine = load_bench_engine(chosen, device, precision, size)
    say_notices(engine)
    return engine, chosen


def _sharing(
    temporal_threshold: float, task_threshold: float, refresh_period: int, block: str | None
) -> 'SharingSettings':
    from mtshare_ros.sharing.sharing_settings import SharingSettings

    return SharingSettings(
        temporal_threshold=temporal_threshold, task_threshold=task_threshold,
        refresh_period=refresh_period, max_age=max(SharingSettings.max_age, refresh_period),
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
