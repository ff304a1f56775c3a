"""``mtshare bench``: how fast this machine is."""

from dataclasses import asdict
import os
import platform
from typing import Annotated, Any, Sequence, TYPE_CHECKING

import typer

from mtshare_ros.cli.engines import load_engine
from mtshare_ros.cli.options import (
    DeviceOption,
    HELD_OUT_SEED,
    JsonOption,
    ModelOption,
    PrecisionOption,
)
from mtshare_ros.cli.output import check_folder, print_table, progress_bar, write_json

if TYPE_CHECKING:
    import numpy as np

    from mtshare_ros.evaluation.benchmark import EngineTimes
    from mtshare_ros.inference.engine import Engine

EXAMPLES = """
mtshare bench
mtshare bench --model my.safetensors --frames 64 --json bench.json
"""

SIZE = (240, 320)
RENDERED_FRAMES = 60


def bench(
    model: ModelOption = 'default',
    frames: Annotated[int, typer.Option(
        min=1, metavar='N', help='Frames of the clip that the model is timed on.')] = 24,
    rounds: Annotated[int, typer.Option(
        min=1, metavar='N', help='How often the clip is gone through.')] = 2,
    device: DeviceOption = 'auto',
    precision: PrecisionOption = 'auto',
    json: JsonOption = None,
) -> None:
    """
    Measure how fast this machine is.

    Times the model on a clip of a room, by sets of tasks and by stage; the way of images and maps
    through ROS messages, where ROS 2 is there; and the renderer of the rooms. What is compared
    takes turns, so that other work on the machine meets all alike.
    """
    check_folder(json)
    engine = load_engine(model, device, precision, SIZE)
    results: dict[str, Any] = {'machine': _machine(engine)}
    results['renderer'], images = _bench_renderer(frames)
    results['engine'] = _bench_engine(engine, images, rounds)
    results['messages'] = _bench_messages()
    _print_machine(results['machine'])
    if json is not None:
        write_json(json, results)


def _machine(engine: 'Engine') -> dict[str, Any]:
    import torch

    return {
        'model': engine.file.name if engine.file else '', 'device': engine.device,
        'precision': str(engine.dtype).removeprefix('torch.'), 'input_size': engine.input_size,
        'processor': platform.processor() or platform.machine(), 'cores': os.cpu_count(),
        'threads': torch.get_num_threads(), 'python': platform.python_version(),
        'torch': str(torch.__version__),
    }


def _bench_renderer(frames: int) -> tuple[dict[str, float], list['np.ndarray']]:
    """Return the renderer's speed and a clip of images for the engine."""
    from mtshare_ros.data.rooms.video import RoomVideo
    from mtshare_ros.evaluation.benchmark import frames_per_second

    video = RoomVideo(seed=HELD_OUT_SEED, motion='handheld', height=SIZE[0], width=SIZE[1])
    rate = frames_per_second(video.frame, RENDERED_FRAMES)
    print_table(f'Renderer, live quality, {SIZE[1]}x{SIZE[0]}', ('', 'frames/s'),
                [('rooms with noise and ground truth', f'{rate:.1f}')])
    return {'frames_per_second': rate}, [video.frame(number).image for number in range(frames)]


def _bench_engine(
    engine: 'Engine', images: Sequence['np.ndarray'], rounds: int
) -> list[dict[str, Any]]:
    from mtshare_ros.evaluation.benchmark import time_engine

    with progress_bar('timing the model', rounds * len(images)) as progress:
        results = time_engine(engine, images, rounds=rounds, progress=progress)
    stages = list(results[0].stages)
    print_table(
        f'Model, {SIZE[1]}x{SIZE[0]}, milliseconds (p50 / p95 in all, p50 by stage)',
        ('tasks', 'in all', *stages), [_engine_row(item, stages) for item in results])
    return [asdict(item) for item in results]


def _bench_messages() -> dict[str, float] | None:
    """Return milliseconds by step of the message path, None without ROS 2."""
    try:
        from mtshare_ros.nodes.message_bench import measure_messages, measure_transport
    except ImportError as error:
        typer.echo(f'messages were not timed, because ROS 2 cannot be used here: {error}')
        return None
    times = {item.name: item.milliseconds for item in (*measure_messages(), *measure_transport())}
    print_table('Messages, 640x480, median milliseconds', ('step', 'ms'),
                [(name, f'{value:.3f}') for name, value in times.items()])
    return times


def _engine_row(times: 'EngineTimes', stages: Sequence[str]) -> tuple[str, ...]:
    return ('+'.join(times.tasks), f'{times.total.p50:.1f} / {times.total.p95:.1f}',
            *(f'{times.stages[stage].p50:.1f}' for stage in stages))


def _print_machine(machine: dict[str, Any]) -> None:
    typer.echo(', '.join(f'{name} {value}' for name, value in machine.items()))
