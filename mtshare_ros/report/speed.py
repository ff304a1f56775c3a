"""The benchmark: milliseconds and how many times faster, file by file, with its conditions."""

from typing import Any, Iterator, Mapping, Sequence

from mtshare_ros.benchmark.bench_report import SPEED_BASELINES
from mtshare_ros.benchmark.dense_contenders import DENSE_CONTENDERS
from mtshare_ros.evaluation.flicker import UNITS
from mtshare_ros.report.files import at, Results
from mtshare_ros.report.plan import ReportPlan
from mtshare_ros.report.sizes import quality_beside
from mtshare_ros.report.text import (
    bullets,
    NOT_MEASURED,
    paragraphs,
    percent,
    table,
    written,
)

_PERCENTILES = ('p50', 'p95', 'p99')


def speed(results: Results, plan: ReportPlan) -> str:
    """Return the tables of all files of the benchmark."""
    if not results.bench:
        return f'The benchmark: {NOT_MEASURED}.'
    ran = {contender for report in results.bench.values()
           for comparison in motions_of(report).values() for contender in comparison['contenders']}
    return paragraphs(
        bullets(f'`{name}`: {text}' for name, text in plan.contenders.items() if name in ran),
        'All contenders take turns on the same frames; the dense ones run in the fastest form '
        'that was found on the machine. Milliseconds a frame; "× NAME": how many times faster '
        'than that one, by medians (where n is given, by means); rows and MACs: of those of '
        '`prefix`; Δm to `dense`.',
        *(_file(results, name, report) for name, report in results.bench.items()))


def motions_of(report: Any) -> Mapping[str, Any]:
    """Return the comparisons of a file by motion, none where it holds something else."""
    if at(report, 'contenders') is not None:
        motions = at(report, 'settings', 'motions') or ('one stream',)
        return {motions[0]: report}
    return at(report, 'motions') or {}


def conditions(report: Any) -> str:
    """Say with what a comparison was measured."""
    settings = at(report, 'settings') or {}
    size = at(report, 'machine', 'input_size')
    words = [f'Model {at(report, "machine", "model")}']
    if size:
        words.append(f'{size[1]}x{size[0]} pixels')
    if settings:
        words += [
            f'{settings["frames"]} frames of a motion',
            f'sensor noise times {settings["noise"]:g}',
            f'thresholds times {settings["sharing"]["temporal_threshold"]:g}',
            f'every row computed again within {settings["sharing"]["refresh_period"]} frames']
    return ', '.join([*words, machine_of(report)]) + '.'


def machine_of(report: Any) -> str:
    """Say what a benchmark ran on."""
    machine = at(report, 'machine') or {}
    words = [str(machine[key]) for key in ('device', 'device_name') if machine.get(key)]
    words += [f'{machine[key]} {key}' for key in ('cores', 'threads') if key in machine]
    words += [str(machine['precision'])] if 'precision' in machine else []
    words += [f'{key} {machine[key]}' for key in ('torch', 'python') if key in machine]
    return ', '.join(words)


def _file(results: Results, name: str, report: Mapping[str, Any]) -> str:
    parts = [f'### {name}', conditions(report), quality_beside(results, report)]
    for motion, comparison in motions_of(report).items():
        parts += [_stream(motion, comparison), _comparison(comparison['contenders']),
                  _flicker(comparison), _memory(comparison)]
    parts.append(_forms(report))
    parts += [write(report[key]) for key, write in _OTHERS.items() if key in report]
    return paragraphs(*parts)


def _stream(motion: str, comparison: Any) -> str:
    """Name a stream, and say what it is like where that is known."""
    facts = at(comparison, 'stream')
    if facts is None:
        return f'**{motion}**'
    return (f'**{motion}**: {facts["pixels"]:.1f} pixels a frame, '
            f'{percent(facts["changed"])} % of the patches change')


def _flicker(comparison: Any) -> str:
    """Return how much the maps of each contender change where the truth does not."""
    found = {name: at(item, 'flicker') for name, item in comparison['contenders'].items()}
    rows = [(name, *(_blank(at(figures, task), '.2f') for task in UNITS))
            for name, figures in found.items() if figures]
    heads = ('flicker', *(f'{task}, {unit}' for task, unit in UNITS.items()))
    return table(heads, rows) if rows else ''


def _comparison(contenders: Mapping[str, Any]) -> str:
    baselines = [contender for contender in SPEED_BASELINES if contender in contenders]
    heads = ('contender', *_PERCENTILES, 'mean', *(f'× {name}' for name in baselines), 'rows, %',
             'taken over, %', 'MACs, %', 'Δm, %')
    return table(heads, (_contender_row(name, item, baselines)
                         for name, item in contenders.items()))


def _contender_row(name: str, contender: Any, baselines: Sequence[str]) -> tuple[str, ...]:
    period = at(contender, 'period')
    return (name if period is None else f'{name}, n = {period}',
            *_times(at(contender, 'ms'), (*_PERCENTILES, 'mean')),
            *(_blank(at(contender, 'ratio', baseline), '.2f') for baseline in baselines),
            *(_blank(at(contender, key), '.1f', 100)
              for key in ('active_fraction', 'reused_fraction', 'macs_fraction')),
            _blank(at(contender, 'delta_m'), '+.2f'))


def _forms(report: Any) -> str:
    """Say in which form the dense contenders ran, and what could not be tried."""
    contenders = (contender for comparison in motions_of(report).values()
             for name, contender in comparison['contenders'].items() if name in DENSE_CONTENDERS)
    forms = dict.fromkeys(f'dense contenders, {contender["form"]}' for contender in contenders)
    return bullets([*forms, *(at(report, 'settings', 'notices') or ())])


def _memory(comparison: Any) -> str:
    owners = at(comparison, 'cache_bytes') or {}
    parts = ', '.join(f'{owner} {size / 1e6:.1f}' for owner, size in owners.items())
    total = sum(owners.values()) / 1e6
    return f'Memory of one camera: {total:.1f} MB ({parts}).' if owners else ''


def _active(report: Any) -> str:
    rows = [(f'dense, {form}', *_times(times, _PERCENTILES), '')
            for form, times in report['dense'].items()]
    rows.append((f'{report["active"]} of {report["tokens"]} rows',
                 *_times(report['temporal'], _PERCENTILES), f'{report["ratio"]:.2f}'))
    return paragraphs(
        f'The encoder of one task alone, {100 * report["fraction"]:g} % of the rows, given.',
        table(('', *_PERCENTILES, f'× dense, {report["form"]}'), rows))


def _latency(report: Any) -> str:
    texts = {'threshold': 'no target', 'target': f'target {report["target_ms"]:g} ms'}
    return paragraphs(
        f'A demand that swings from 3 to 88 % of the image, {report["frames"]} frames; a dense '
        f'frame takes {report["dense_ms"]:.1f} ms.',
        table(('', *_PERCENTILES, 'worst', 'above the target, %', 'rows, %',
               'oldest row, frames'), (
            (texts.get(name, name), *_times(run['ms'], _PERCENTILES), f'{run["worst_ms"]:.1f}',
             percent(run['misses']), percent(run['computed']), str(run['oldest_age']))
            for name, run in report['runs'].items())))


def _system(report: Any) -> str:
    return table(('the parts around the model', 'measured'), _system_rows(report))


def _system_rows(report: Any) -> Iterator[tuple[str, str]]:
    rate = at(report, 'renderer', 'frames_per_second')
    yield 'renderer of the simulated camera', written(rate, '.1f', unit=' frames/s')
    for times in at(report, 'engine') or ():
        yield f'a dense frame: {"+".join(times["tasks"])}', f'{times["total"]["p50"]:.1f} ms'
    for step, value in (at(report, 'messages') or {}).items():
        yield step, f'{value:.3f} ms'


_OTHERS = {'active': _active, 'latency': _latency, 'system': _system}
"""What else a file of the benchmark can hold, by key."""


def _times(times: Any, keys: Sequence[str]) -> list[str]:
    return [_blank(at(times, key), '.1f') for key in keys]


def _blank(value: float | None, form: str, factor: float = 1.0) -> str:
    """Return a figure, nothing where a contender has none: that is no omission."""
    return '' if value is None else f'{factor * value:{form}}'
