"""Delta weights: how many there are, and what they take in a file."""

from typing import Any

from mtshare_ros.report.files import at, Results
from mtshare_ros.report.plan import INITIAL, ReportPlan, SHARED
from mtshare_ros.report.text import (
    NOT_MEASURED,
    paragraphs,
    percent,
    table,
    written,
)


def block_densities(info: Any, task: str) -> dict[str, float]:
    """Return the share of delta weights by the number of the block, none where not measured."""
    blocks = at(info, 'delta_weights', task, 'blocks') or {}
    return {number: blocks[number]['elements'] for number in sorted(blocks, key=int)}


def encoder_density(info: Any, task: str) -> float | None:
    """Return the share of an encoder's weights, shared blocks counted, that a task changes."""
    return at(info, 'delta_weights', task, 'encoder')


def weights(results: Results, plan: ReportPlan) -> str:
    """Return the tables of the shared model's delta weights and of its file."""
    info = results.info.get(SHARED)
    if info is None:
        return f'Delta weights and their bytes: {NOT_MEASURED}.'
    return paragraphs(
        _densities(info, plan),
        "Weights that differ from the base task's: of all weights of the encoder, blocks that "
        'are shared counted, and of the linear weights of every block that is not shared.',
        _storage(info, plan), _files(results))


def _densities(info: Any, plan: ReportPlan) -> str:
    blocks = {task: block_densities(info, task) for task in plan.sub_tasks}
    numbers = sorted({number for found in blocks.values() for number in found}, key=int)
    return table(('delta weights', *(f'{task}, %' for task in plan.sub_tasks)), (
        ('encoder', *(percent(encoder_density(info, task)) for task in plan.sub_tasks)),
        *((f'block {number}', *(percent(found.get(number)) for found in blocks.values()))
          for number in numbers)))


def _storage(info: Any, plan: ReportPlan) -> str:
    base = at(info, 'bytes', 'base_bytes')
    deltas = {task: at(info, 'bytes', 'delta_bytes', task) for task in plan.sub_tasks}
    rows = [('stem and encoder of the base task', base, 1.0 if base else None)]
    rows += [(f'{task}: delta weights', size, size / base if size is not None and base else None)
             for task, size in deltas.items()]
    sizes = [base, *deltas.values()]
    rows.append(('all tasks, heads apart', None if None in sizes else sum(sizes),
                 at(info, 'bytes', 'ratio')))
    rows += [(f'{task}: decode head', at(info, 'bytes', 'head_bytes', task), None)
             for task in plan.tasks]
    return table(('in the file', 'MB', 'of the base'), (
        (name, written(size, '.2f', 1e-6), '' if ratio is None else f'{ratio:.3f}')
        for name, size, ratio in rows))


def _files(results: Results) -> str:
    sizes = {name: written(at(results.info.get(name), 'bytes', 'file'), '.1f', 1e-6, ' MB')
             for name in (SHARED, INITIAL)}
    return (f'The whole file: {sizes[SHARED]}; that of the start, whose tasks share all blocks: '
            f'{sizes[INITIAL]}.')
