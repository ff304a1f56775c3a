"""The quality of every stage and baseline, and the images that each of them saw."""

from typing import Iterator

from mtshare_ros.report.changes import change, main_figure, mean_change
from mtshare_ros.report.files import at, Results
from mtshare_ros.report.plan import (
    INITIAL,
    MULTI_TASK,
    ReportPlan,
    SHARED,
    TrainedRun,
)
from mtshare_ros.report.text import (
    bullets,
    counted,
    head_of,
    MAIN_FIGURES,
    NOT_MEASURED,
    paragraphs,
    signed,
    table,
    written,
)

STAGE_TEXTS = {
    'base': 'the base task alone, all weights',
    'base-temporal': 'the same, with the gates of sharing over time in the forward pass',
    'delta-weights': 'a sub-task from the base: which weights differ from it is learnt',
    'delta-tune': 'the values of those weights',
    'delta-activations': 'the same weights, with all gates of sharing in the forward pass',
    'heads': 'decode heads alone, on features of a frozen backbone that are computed once',
    'single-task': 'baseline: a network of its own for every sub-task, all weights',
    'multi-task': 'baseline: one encoder and a decode head for every task, all weights',
}

FURTHER = {
    ('semseg', 'pixel_accuracy'): ('semseg: pixel accuracy, %', '.1f'),
    ('depth', 'abs_rel'): ('depth: mean of error / truth', '.3f'),
    ('depth', 'delta1'): ('depth: within a factor of 1.25, %', '.1f'),
    ('normals', 'median'): ('normals: median angle, °', '.1f'),
    ('normals', 'within_11_25'): ('normals: within 11.25°, %', '.1f'),
    ('normals', 'within_22_5'): ('normals: within 22.5°, %', '.1f'),
    ('normals', 'within_30'): ('normals: within 30°, %', '.1f'),
}
"""Name and format of the figures that are shown besides the main ones."""


def quality(results: Results, plan: ReportPlan) -> str:
    """Return the tables of single images, computed dense."""
    heads = ('network', 'images seen', 'in all', *map(head_of, plan.tasks), 'Δm, %')
    used = {run.stage: STAGE_TEXTS[run.stage] for run in plan.runs}
    return paragraphs(
        _origin(results), table(heads, _rows(results, plan)),
        'In brackets: the change of the task to the network that was trained for it alone, in per '
        f'cent, above 0 being better; that is `{plan.tasks[0]}: base` for the base task, '
        '`single-task` for the others. Δm is the mean over the tasks. "Images seen" are those of '
        'the stage, "in all" counts the stages before it too (for the model of all tasks: task by '
        f'task); the images that `{plan.initial or "the start"}` itself had seen before come on '
        'top for every network alike.',
        bullets(f'`{stage}`: {text}' for stage, text in used.items()), _further(results, plan))


def _origin(results: Results) -> str:
    """Say what all networks were measured on; they have that in common."""
    report = next(iter(results.images.values()), None)
    if report is None:
        return ''
    return (f'On {counted(at(report, "images"))} images of the {at(report, "split")} split of '
            f'{at(report, "dataset")}, which no network was trained on, every one computed '
            'dense. Mean IoU is over the classes present, F of edges within two pixels.')


def _rows(results: Results, plan: ReportPlan) -> Iterator[tuple[str, ...]]:
    stages = [run for run in plan.runs if not run.baseline]
    images = ' / '.join(counted(plan.images_of(task)) for task in plan.tasks)
    yield ('start: ' + (plan.initial or 'by chance'), '0', '0',
           *_figures(results, plan, INITIAL, plan.tasks))
    yield from (_run_row(results, plan, run) for run in stages)
    yield ('**the model of all tasks**', '', images,
           *_figures(results, plan, SHARED, plan.tasks))
    yield from (_run_row(results, plan, run) for run in plan.runs if run.baseline)


def _run_row(results: Results, plan: ReportPlan, run: TrainedRun) -> tuple[str, ...]:
    name = run.stage if len(run.tasks) > 1 else f'{run.tasks[0]}: {run.stage}'
    return (name, counted(run.images), counted(run.images_in_all),
            *_figures(results, plan, run.name, run.tasks))


def _figures(
    results: Results, plan: ReportPlan, name: str, tasks: tuple[str, ...]
) -> list[str]:
    """Return the cells of a network for all tasks, empty where it is not about them, and Δm."""
    cells, changes = [], []
    for task in plan.tasks:
        if task not in tasks:
            cells.append('')
            continue
        value = main_figure(results.images.get(name), task)
        reference = plan.reference_of(task)
        changes.append(change(task, value, main_figure(results.images.get(reference), task)))
        known = value is not None and changes[-1] is not None and name != reference
        cells.append(MAIN_FIGURES[task].write(value)
                     + (f' ({signed(changes[-1])})' if known else ''))
    return [*cells, signed(mean_change(changes)) if len(tasks) > 1 else '']


def _further(results: Results, plan: ReportPlan) -> str:
    """Return the other figures of the shared model and of the baselines."""
    rows = []
    for (task, key), (text, form) in FURTHER.items():
        names = (SHARED, plan.reference_of(task), MULTI_TASK)
        values = [at(results.images, name, 'metrics', task, key) for name in names]
        if task in plan.tasks and values[0] is not None:
            rows.append((text, *(written(value, form) for value in values)))
    if not rows:
        return f'Further figures of the model of all tasks: {NOT_MEASURED}.'
    return table(('further figures', 'model of all tasks', 'trained alone', MULTI_TASK), rows)
