"""``mtshare bench --node``: what the node adds to the network, over real DDS."""

from dataclasses import asdict
import math
import os
import platform
from typing import Any

import typer

from mtshare_ros.cli.node_trial import node_on_trial
from mtshare_ros.cli.output import print_table
from mtshare_ros.cli.progress import progress_bar

NAMESPACE = '/bench'

_IMAGE = {'height': 480, 'width': 640, 'rate_hz': 5.0}


def bench_node(
    model: str, size: tuple[int, int], device: str, precision: str
) -> dict[str, Any]:
    """Time the real node, in a process of its own, with one set of topics after another."""
    from mtshare_ros.cli.demo_environment import require_ros

    require_ros()
    parameters = {'model': model, 'device': device, 'precision': precision,
                  'input_size': list(size)}
    with node_on_trial(namespace=NAMESPACE, parameters=parameters, look=_IMAGE) as trial:
        trial.wait_for_the_node()
        sets = _measure(trial.surroundings)
        values = trial.surroundings.listener.status.values
    _print(sets)
    found = {name: asdict(times) for name, times in sets.items()}
    machine = {'model': model, 'device': values['device'], 'input_size': size,
               'cores': os.cpu_count(), 'threads': int(values['threads']),
               **{name: values[name] for name in (
                   'weight_layout', 'crossover', 'crossover_source', 'torch')},
               'python': platform.python_version()}
    return {'device': values['device'], 'machine': machine,
            'node': {'image': _IMAGE, 'sets': found}}


def _measure(surroundings: Any) -> dict[str, Any]:
    from mtshare_ros.nodes.trials.node_bench import measure_set, topic_sets

    sets, wanted = {}, topic_sets(surroundings)
    with progress_bar('one set of topics after another', len(wanted)) as progress:
        for number, (name, topics) in enumerate(wanted.items(), start=1):
            sets[name] = measure_set(surroundings, topics)
            progress(number)
    return sets


def _print(sets: dict[str, Any]) -> None:
    print_table(
        'The node with an image of {width}x{height} pixels, rgb8, at {rate_hz:g} Hz: '
        'milliseconds'.format(**_IMAGE),
        ('subscribed', 'topics', 'overhead p50', 'p95', 'inference p50', 'p95', 'frames',
         'dropped'),
        [(name, str(len(times.end_to_end)), *_pair(times.overhead), *_pair(times.inference),
          str(times.frames), str(times.dropped)) for name, times in sets.items()])
    print_table('From the publication of an image to the arrival of its output, milliseconds',
                ('topic', 'p50', 'p95'), _topic_rows(sets))
    typer.echo('overhead: from the arrival of an image in the node to its last output, without '
               'the inference')
    if any(times.dropped for times in sets.values()):
        typer.echo('Images were dropped: the node was busy when they came, and the overhead '
                   'includes their waiting.')


def _topic_rows(sets: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return each topic once, as measured with the first set that holds it."""
    rows: dict[str, tuple[str, ...]] = {}
    for times in sets.values():
        for topic, found in times.end_to_end.items():
            rows.setdefault(topic, (topic, *_pair(found)))
    return list(rows.values())


def _pair(times: Any) -> tuple[str, str]:
    return _text(times.p50), _text(times.p95)


def _text(value: float) -> str:
    return f'{value:.2f}' if math.isfinite(value) else '-'
