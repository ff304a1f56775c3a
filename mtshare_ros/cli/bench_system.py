"""``mtshare bench --system``: the parts around the model on this machine."""

from dataclasses import asdict
from typing import Any, Sequence, TYPE_CHECKING

import typer

from mtshare_ros.cli.options import HELD_OUT_SEED
from mtshare_ros.cli.output import print_table
from mtshare_ros.cli.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np

    from mtshare_ros.benchmark.timing import EngineTimes
    from mtshare_ros.inference.engine import Engine

RENDERED_FRAMES = 60
CLIP_FRAMES = 24
ROUNDS = 2


def bench_system(engine: 'Engine', frames: int = CLIP_FRAMES) -> dict[str, Any]:
    """Time the renderer, the model by sets of tasks, and the way through ROS messages."""
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
    print_table(f'Renderer, live quality, {size[1]}x{size[0]}', ('', 'frames/s'),
                [('rooms with noise and ground truth', f'{rate:.1f}')])
    return {'frames_per_second': rate}, [video.frame(number).image for number in range(frames)]


def _bench_engine(engine: 'Engine', images: Sequence['np.ndarray']) -> list[dict[str, Any]]:
    from mtshare_ros.benchmark.timing import time_engine

    with progress_bar('timing the model', ROUNDS * len(images)) as progress:
        results = time_engine(engine, images, rounds=ROUNDS, progress=progress)
    stages = list(results[0].stages)
    height, width = engine.input_size
    print_table(
        f'Model, {width}x{height}, every frame dense, milliseconds '
        '(p50 / p95 in all, p50 by stage)',
        ('tasks', 'in all', *stages), [_engine_row(item, stages) for item in results])
    return [asdict(item) for item in results]


def _engine_row(times: 'EngineTimes', stages: Sequence[str]) -> tuple[str, ...]:
    return ('+'.join(times.tasks), f'{times.total.p50:.1f} / {times.total.p95:.1f}',
            *(f'{times.stages[stage].p50:.1f}' for stage in stages))


def _bench_messages() -> dict[str, float] | None:
    """Return milliseconds by step of the message path, None without ROS 2."""
    try:
        from mtshare_ros.nodes.trials.node_bench import measure_messages, measure_transport
    except ImportError as error:
        typer.echo(f'messages were not timed, because ROS 2 cannot be used here: {error}')
        return None
    times = {item.name: item.milliseconds for item in (*measure_messages(), *measure_transport())}
    print_table('Messages, 640x480, median milliseconds', ('step', 'ms'),
                [(name, f'{value:.3f}') for name, value in times.items()])
    return times
