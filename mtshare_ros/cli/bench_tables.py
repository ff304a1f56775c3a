"""The tables of ``mtshare bench``."""

import math
from textwrap import fill
from typing import Any, Iterable, Mapping, Sequence, TYPE_CHECKING

import typer

from mtshare_ros.cli.output import print_table

if TYPE_CHECKING:
    from mtshare_ros.benchmark.bench_plan import BenchSettings
    from mtshare_ros.benchmark.bench_report import ContenderReport
    from mtshare_ros.benchmark.comparison import MotionReport
    from mtshare_ros.benchmark.dense_contenders import DensePieces
    from mtshare_ros.benchmark.latency import LatencyReport
    from mtshare_ros.benchmark.timing import ActiveReport, Times
    from mtshare_ros.evaluation.scorer import Metrics

MEGABYTE = 1e6

QUALITY = {('semseg', 'miou'): 'mIoU %', ('depth', 'rmse'): 'RMSE m',
           ('normals', 'mean'): 'angle deg', ('edge', 'f'): 'edge F %'}
"""The main metric of each task and the title of its column."""

CONTENDER_TEXTS = {
    'independent': 'one dense network per task',
    'shared_encoder': 'one dense encoder, all heads',
    'dense': 'our weights, each task its whole encoder',
    'single': 'one dense network for one task',
    'prefix': 'our weights, shared blocks once, every frame',
    'temporal': 'only what changed since earlier frames',
    'task': 'sub-tasks reuse the updates of the base task',
    'combined': 'temporal and task together',
    'hold': 'prefix every n-th frame, its maps shown until the next, at the cost of combined',
    'dense_fused': 'prefix, fused with the maps of earlier frames moved along with the camera',
    'combined_fused': 'combined, fused likewise',
    'moving': 'only what differs from the maps moved along with the camera',
    'moving_fused': 'moving, fused likewise',
    'dense_nth': 'prefix every n-th frame, its maps moved along with the camera',
    'dense_nth_fused': 'dense_nth, fused likewise',
    'shared_encoder_nth': 'a model with one encoder every n-th frame, its maps moved likewise',
    'shared_encoder_nth_fused': 'shared_encoder_nth, fused likewise',
}

FLICKER = {'semseg': 'labels %', 'depth': 'depth %', 'normals': 'normals deg', 'edge': 'edges %'}
"""The titles of the columns that say how much the maps of a task flicker."""


def print_motion(title: str, report: 'MotionReport') -> None:
    """Print speed, work and quality of the contenders on one stream."""
    from mtshare_ros.benchmark.bench_report import SPEED_BASELINES

    contenders = report.contenders
    if report.stream is not None:
        title += (f', {report.stream.pixels:.1f} pixels a frame, '
                  f'{100 * report.stream.changed:.0f} % of the patches change')
    baselines = [name for name in SPEED_BASELINES if name in contenders]
    print_table(f'{title}: milliseconds a frame, and how many times faster than', (
        'contender', 'p50', 'p95', 'p99', 'mean', *baselines),
        [_speed_row(name, contender, baselines) for name, contender in contenders.items()])
    print_table(f'{title}: work and quality', (
        'contender', 'tokens %', 'reused %', 'MACs %', 'MACs p95 %', 'dense frames %',
        'difference', 'clean diff.', 'delta m %', *QUALITY.values()),
        [_work_row(name, contender) for name, contender in contenders.items()])
    print_table(f'{title}: flicker from frame to frame where nothing changes', (
        'contender', *FLICKER.values()),
        [(name, *(_text((contender.flicker or {}).get(task), '.2f') for task in FLICKER))
         for name, contender in contenders.items()])
    owners = ', '.join(f'{owner} {size / MEGABYTE:.1f}'
                       for owner, size in report.cache_bytes.items())
    typer.echo(f'Memory of one camera, MB: {sum(report.cache_bytes.values()) / MEGABYTE:.1f} '
               f'({owners})')


def print_notes(settings: 'BenchSettings', pieces: 'DensePieces | None') -> None:
    """Print what the columns mean and how they were measured."""
    from mtshare_ros.benchmark.race import TURN

    typer.echo()
    for name in (item for item in CONTENDER_TEXTS if item in settings.contenders):
        typer.echo(f'{name:26}{CONTENDER_TEXTS[name]}')
    _echo(
        f'All contenders take turns of {TURN} frames; the first {settings.warm_up} of every room '
        'are not counted, the first of a turn is not timed. Faster than: ratio of medians, or of '
        'means where n is given. tokens, MACs: share computed of those of prefix. difference: '
        'relative L2 distance of the raw outputs to prefix, mean over frames and tasks. delta m: '
        'mean change of the main metrics of the tasks against dense. Flicker: how much maps '
        'change where the truth, moved with the camera, does not.')
    if settings.moves:
        _echo('Maps are moved along with the camera motion that is estimated from the images.')
    if {'independent', 'dense'} & set(settings.contenders):
        _echo(f'independent and dense run on every {settings.dense_every}. frame: their time '
              'does not depend on the image.')
    if pieces is not None:
        _echo(f'Fastest dense form of those tried here: {pieces.form}')
        for notice in pieces.notices:
            typer.echo(notice)


def _echo(text: str) -> None:
    typer.echo(fill(text, 99, break_on_hyphens=False))


def _speed_row(
    name: str, contender: 'ContenderReport', baselines: Sequence[str]
) -> tuple[str, ...]:
    times = contender.ms
    label = f'{name} (n = {contender.period})' if contender.period else name
    return (label, *(f'{value:.1f}' for value in (times.p50, times.p95, times.p99, times.mean)),
            *(_text(contender.ratio.get(baseline), '.2f') for baseline in baselines))


def _work_row(name: str, contender: 'ContenderReport') -> tuple[str, ...]:
    shares = (contender.active_fraction, contender.reused_fraction, contender.macs_fraction,
              contender.macs_fraction_p95, contender.dense_frames)
    return (name, *(_text(value, '.1f', 100) for value in shares),
            _text(contender.difference, '.4f'), _text(contender.difference_clean, '.4f'),
            _text(contender.delta_m, '+.2f'),
            *_metrics(contender.metrics, QUALITY))


def _metrics(
    metrics: 'Metrics | None', columns: Mapping[tuple[str, str], str]
) -> Iterable[str]:
    for task, key in columns:
        yield _text((metrics or {}).get(task, {}).get(key), '.3f' if key == 'rmse' else '.1f')


def _text(value: float | None, form: str, factor: float = 1.0) -> str:
    return '' if value is None else f'{factor * value:{form}}'


def print_active(report: 'ActiveReport') -> None:
    """Print the encoder's times with a given share of the tokens."""
    rows = [(f'dense, {form}', *_percentiles(times), f'{times.p50 / report.temporal.p50:.2f}')
            for form, times in report.dense.items()]
    label = f'temporal, {report.active} of {report.tokens} tokens'
    if report.runs_dense:
        label += ' (above the crossover: all computed)'
    print_table(f'Encoder of one task, {100 * report.fraction:g} % of the tokens, milliseconds',
                ('', 'p50', 'p95', 'p99', 'temporal is faster'),
                [*rows, (label, *_percentiles(report.temporal), '')])
    typer.echo(f'{report.ratio:.2f} times faster than the fastest dense form ({report.form})')
    for notice in report.notices:
        typer.echo(notice)


def print_latency(report: 'LatencyReport') -> None:
    """Print what a latency target does where few and many patches change in turn."""
    texts = {'threshold': 'no target', 'target': f'target {report.target_ms:g} ms'}
    print_table(
        f'3 to 88 % of the patches change, {report.frames} frames; a dense frame takes '
        f'{report.dense_ms:.1f} ms',
        ('', 'p50', 'p95', 'p99', 'worst', 'above target %', 'tokens %', 'oldest token, frames'),
        [(texts[name], *_percentiles(run.ms), f'{run.worst_ms:.1f}', f'{100 * run.misses:.1f}',
          f'{100 * run.computed:.1f}', str(run.oldest_age))
         for name, run in report.runs.items()])


def _percentiles(times: 'Times') -> tuple[str, ...]:
    return tuple(f'{value:.1f}' for value in (times.p50, times.p95, times.p99))


def print_node(sets: Mapping[str, Any], image: Mapping[str, Any]) -> None:
    """Print what the node adds, by set of topics, for images of the given kind."""
    print_table(
        'The node with an image of {height}x{width} pixels (height x width), rgb8, at '
        '{rate_hz:g} Hz: milliseconds'.format(**image),
        ('subscribed', 'topics', 'overhead p50', 'p95', 'inference p50', 'p95', 'frames',
         'dropped'),
        [(name, str(len(times.end_to_end)), *_milliseconds(times.overhead),
          *_milliseconds(times.inference), str(times.frames), str(times.dropped))
         for name, times in sets.items()])
    print_table('From the publication of an image to the arrival of its output, milliseconds',
                ('topic', 'p50', 'p95'), _topic_rows(sets))
    typer.echo('overhead: from the arrival of an image in the node to its last output, without '
               'the inference')
    if any(times.dropped for times in sets.values()):
        typer.echo('Images were dropped because the node was busy when they came; the overhead '
                   'includes the time that images waited.')


def _topic_rows(sets: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return each topic once, as measured with the first set that holds it."""
    rows: dict[str, tuple[str, ...]] = {}
    for times in sets.values():
        for topic, found in times.end_to_end.items():
            rows.setdefault(topic, (topic, *_milliseconds(found)))
    return list(rows.values())


def _milliseconds(times: Any) -> tuple[str, str]:
    return _finite(times.p50), _finite(times.p95)


def _finite(value: float) -> str:
    return f'{value:.2f}' if math.isfinite(value) else '-'
