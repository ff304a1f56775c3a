"""The targets that the family of models was made for, judged by the figures."""

from typing import Callable, Iterator

from mtshare_ros.report.changes import (
    changes_to,
    DENSE,
    main_figure,
    mean_change,
    SHARING,
)
from mtshare_ros.report.clips import (
    clip_names,
    clip_report,
    gated_to_changed,
    TEST_CLIPS,
    VALIDATION,
)
from mtshare_ros.report.files import at, Results
from mtshare_ros.report.plan import MULTI_TASK, ReportPlan, SHARED
from mtshare_ros.report.target import Reading, Target
from mtshare_ros.report.text import MAIN_FIGURES
from mtshare_ros.report.weights import block_densities, encoder_density
from mtshare_ros.tasks import get_task

QUALITY_LIMITS = {'semseg': 45.0, 'depth': 0.55, 'normals': 17.0, 'edge': 85.0}
"""What the main metric of a task shall reach on rooms."""

LEAST_DELTA_M = -1.0
LEAST_DENSITY, MOST_DENSITY = 0.01, 0.10
MOST_BYTES = 1.5
LEAST_TAKEN_OVER = 0.5
MOST_GATED = 1.5


def targets(results: Results, plan: ReportPlan) -> Iterator[Target]:
    """Yield every target with what was measured of it."""
    yield from _compared_quality(results, plan)
    yield Target(
        f'sharing costs no more than a Δm of {LEAST_DELTA_M:g} % against dense',
        lambda value: value >= LEAST_DELTA_M,
        tuple(Reading(name, at(clip_report(results, name), 'sharing', 'delta_m_to_dense'),
                      '+.2f', ' %') for name in clip_names(results)))
    yield from _sparse_weights(results, plan)
    yield from _activity(results)
    yield from (_quality(results, task) for task in plan.tasks if task in QUALITY_LIMITS)
    yield _equally_trained(plan)


def _quality(results: Results, task: str) -> Target:
    """Judge the main metric on single images, dense, and on the test clips, with sharing."""
    limit, figure = QUALITY_LIMITS[task], MAIN_FIGURES[task]
    higher = get_task(task).higher_is_better

    def reading(name: str, value: float | None) -> Reading:
        return Reading(name, value, figure.form, figure.suffix)

    return Target(
        f'{task}: {figure.name} {"at least" if higher else "at most"} {limit:g}{figure.suffix}',
        lambda value: value >= limit if higher else value <= limit,
        (reading('dense', main_figure(results.images.get(SHARED), task)),
         *(reading(f'sharing on {name}', main_figure(clip_report(results, name), task, SHARING))
           for name in TEST_CLIPS)))


def _compared_quality(results: Results, plan: ReportPlan) -> Iterator[Target]:
    """Judge the sub-tasks against the baselines."""
    alone = {task: plan.reference_of(task) for task in plan.sub_tasks}
    yield from _against(results, alone, f'Δm to the networks trained alone at least '
                        f'{LEAST_DELTA_M:g} %', lambda value: value >= LEAST_DELTA_M)
    yield from _against(results, dict.fromkeys(plan.sub_tasks, MULTI_TASK),
                        f'better than {MULTI_TASK}', lambda value: value > 0)


def _against(
    results: Results, names: dict[str, str], text: str, holds: Callable[[float], bool]
) -> Iterator[Target]:
    """Judge the sub-tasks together, and each by itself; ``names`` are their rivals."""
    found = _changes(results, names)
    yield Target(f'sub-tasks together: {text}', holds, tuple(
        Reading(side, mean_change(changes.values()), '+.2f', ' %')
        for side, changes in found.items()))
    yield Target(f'every sub-task by itself: {text}', holds, tuple(
        Reading(f'{task} {side}', value, '+.2f', ' %')
        for side, changes in found.items() for task, value in changes.items()))


def _changes(
    results: Results, names: dict[str, str]
) -> dict[str, dict[str, float | None]]:
    """Return the changes to other networks by side: dense, and on clips that both ran on."""
    found = {'dense': changes_to(results.images.get(SHARED), results.images, names, DENSE)}
    for clip in clip_names(results):
        files = {name: f'{name}-{clip}' for name in names.values()}
        if clip_report(results, clip) and any(file in results.clips for file in files.values()):
            found[f'sharing on {clip}'] = changes_to(
                clip_report(results, clip), results.clips,
                {task: files[name] for task, name in names.items()}, SHARING)
    if len(found) == 1:
        found['sharing'] = dict.fromkeys(names)
    return found


def _sparse_weights(results: Results, plan: ReportPlan) -> Iterator[Target]:
    info = results.info.get(SHARED)
    limits = f'{100 * LEAST_DENSITY:g} to {100 * MOST_DENSITY:g} %'

    def holds(value: float) -> bool:
        return LEAST_DENSITY <= value <= MOST_DENSITY

    def reading(name: str, value: float | None) -> Reading:
        return Reading(name, value, '.2f', ' %', 100)

    yield Target(f'delta weights are {limits} of the encoder', holds, tuple(
        reading(task, encoder_density(info, task)) for task in plan.sub_tasks))
    blocks = {task: block_densities(info, task).values() for task in plan.sub_tasks}
    yield Target(f'delta weights are {limits} of every block that is not shared', holds, tuple(
        reading(f'{word} of {task}', pick(values, default=None)) for task, values in blocks.items()
        for word, pick in (('least', min), ('most', max))))
    yield Target(
        f'the encoders of all tasks take at most {MOST_BYTES:g} times the bytes of the base',
        lambda value: value <= MOST_BYTES, (Reading('', at(info, 'bytes', 'ratio'), '.3f'),))


def _activity(results: Results) -> Iterator[Target]:
    report = clip_report(results, VALIDATION)
    yield Target(
        f'validation clips: at least {100 * LEAST_TAKEN_OVER:g} % of the rows of sub-tasks in '
        'blocks with delta weights are taken over',
        lambda value: value >= LEAST_TAKEN_OVER,
        (Reading('', at(report, 'sharing', 'reused'), '.1f', ' %', 100),))
    yield Target(
        f'validation clips: the gates let through at most {MOST_GATED:g} times the share of '
        'patches that change',
        lambda value: value <= MOST_GATED, (Reading('', gated_to_changed(report), '.2f'),))


def _equally_trained(plan: ReportPlan) -> Target:
    """Judge whether the baselines saw as many images as what they are compared with."""
    most = max((plan.images_of(task) for task in plan.sub_tasks), default=0)
    wanted = {plan.reference_of(task): plan.images_of(task) for task in plan.sub_tasks}
    wanted[MULTI_TASK] = most
    seen = {name: plan.images_of_baseline(name) for name in wanted}
    return Target(
        'every baseline saw as many images as base and stages of a sub-task; the difference',
        lambda value: value == 0,
        tuple(Reading(name, None if count is None else count - wanted[name], '+.0f')
              for name, count in seen.items()))
