"""The targets that the family of models was made for, and whether measurements reach them."""

from dataclasses import dataclass
import math
from statistics import fmean
from typing import Any, Callable, Iterable, Iterator, Mapping

from mtshare_ros.evaluation.scorer import delta_m
from mtshare_ros.report.results import at, Files, MULTI_TASK, ReportPlan, Results, SHARED
from mtshare_ros.tasks import get_task

NOT_MEASURED = 'not measured'
VALIDATION = 'validation'
TEST_CLIPS = ('test-static', 'test-pan', 'test-drive', 'test-handheld')

DENSE, SHARING = ('metrics',), ('sharing', 'metrics')
"""Keys in a file of the metrics of dense frames, and of those with sharing."""

QUALITY_TARGETS = {'semseg': 45.0, 'depth': 0.55, 'normals': 17.0, 'edge': 85.0}
"""Targets of the main metrics on rooms, in the units of MAIN_METRICS."""

LEAST_DELTA_M = -1.0
LEAST_DENSITY, MOST_DENSITY = 0.01, 0.10
MOST_BYTES = 1.5
LEAST_REUSED = 0.5
MOST_GATED = 1.5


@dataclass(frozen=True)
class MainMetric:
    """Name, unit and format of the main metric of a task."""

    name: str
    unit: str
    form: str

    @property
    def suffix(self) -> str:
        """The unit as it is written behind a number."""
        return self.unit if self.unit == '°' else f' {self.unit}'


MAIN_METRICS = {
    'semseg': MainMetric('mean IoU', '%', '.1f'),
    'depth': MainMetric('RMSE', 'm', '.3f'),
    'normals': MainMetric('mean angle', '°', '.1f'),
    'edge': MainMetric('F', '%', '.1f'),
    'human_parts': MainMetric('mean IoU', '%', '.1f'),
    'saliency': MainMetric('largest F', '%', '.1f'),
}


@dataclass(frozen=True)
class Reading:
    """One measured number of a target; it is written multiplied by ``factor``."""

    name: str
    value: float | None
    form: str
    unit: str = ''
    factor: float = 1.0

    def __str__(self) -> str:
        """Return the number with its name and unit."""
        return f'{self.name} {written(self.value, self.form, self.factor, self.unit)}'.strip()


@dataclass(frozen=True)
class Target:
    """A condition for all its readings; a reading that was not measured does not meet it."""

    text: str
    holds: Callable[[float], bool]
    readings: tuple[Reading, ...]

    @property
    def verdict(self) -> str:
        """Whether the target was reached; one reading that fails is enough for "not reached"."""
        values = [reading.value for reading in self.readings]
        known = [value for value in values if value is not None]
        if not all(self.holds(value) for value in known):
            return 'not reached'
        if len(known) == len(values):
            return 'reached'
        return 'reached as far as measured' if known else NOT_MEASURED

    def __str__(self) -> str:
        """Return verdict, target and readings as Markdown; readings that fail are bold."""
        shown = ', '.join(
            f'**{reading}**' if reading.value is not None and not self.holds(reading.value)
            else str(reading) for reading in self.readings)
        return f'**{self.verdict}**: {self.text}' + (f': {shown}' if shown else '')


def written(value: Any, form: str, factor: float = 1.0, unit: str = '') -> str:
    """Return ``factor`` times a number in a format; "not measured" for anything else."""
    known = isinstance(value, (int, float))
    return f'{factor * value:{form}}{unit}' if known else NOT_MEASURED


def main_metric(report: Any, task: str, place: tuple[str, ...] = DENSE) -> float | None:
    """Return the main metric of a task, None where it was not measured."""
    return at(report, *place, task, get_task(task).metric)


def change(task: str, value: float | None, reference: float | None) -> float | None:
    """Return the relative change of a main metric in per cent, above 0 being better."""
    if value is None or reference is None:
        return None
    metric = get_task(task).metric
    found = delta_m({task: {metric: value}}, {task: {metric: reference}})
    return None if math.isnan(found) else found


def mean_change(changes: Iterable[float | None]) -> float | None:
    """Return the mean of changes, None unless all of them are known."""
    known = list(changes)
    values = [value for value in known if value is not None]
    return fmean(values) if values and len(values) == len(known) else None


def changes_to(
    report: Any, references: Files, names: Mapping[str, str], place: tuple[str, ...] = DENSE
) -> dict[str, float | None]:
    """Return the changes by task; ``names`` are the names of the reference's files by task."""
    return {task: change(task, main_metric(report, task, place),
                         main_metric(references.get(name), task))
            for task, name in names.items()}


def clip_names(results: Results) -> tuple[str, ...]:
    """Return the kinds of clips: the expected ones first, whether measured or not."""
    expected = (VALIDATION, *TEST_CLIPS)
    found = (name.removeprefix(f'{SHARED}-') for name in results.clips
             if name.startswith(f'{SHARED}-'))
    return (*expected, *(name for name in found if name not in expected))


def targets(results: Results, plan: ReportPlan) -> Iterator[Target]:
    """Yield every target with its readings."""
    alone = {task: plan.reference_of(task) for task in plan.sub_tasks}
    yield from _compared(results, alone, f'Δm to the networks trained alone at least '
                         f'{LEAST_DELTA_M:g} %', lambda value: value >= LEAST_DELTA_M)
    yield from _compared(results, dict.fromkeys(plan.sub_tasks, MULTI_TASK),
                         f'better than {MULTI_TASK}', lambda value: value > 0)
    clips = {name: results.clips.get(f'{SHARED}-{name}') for name in clip_names(results)}
    yield Target(
        f'sharing costs no more than a Δm of {LEAST_DELTA_M:g} % against dense',
        lambda value: value >= LEAST_DELTA_M,
        tuple(Reading(name, at(report, 'sharing', 'delta_m_to_dense'), '+.2f', ' %')
              for name, report in clips.items()))
    yield from _sparse_weights(results.info.get(SHARED), plan)
    activity = at(clips[VALIDATION], 'sharing')
    yield Target(
        f'validation clips: at least {100 * LEAST_REUSED:g} % of the tokens of sub-tasks in '
        'blocks with delta weights are reused',
        lambda value: value >= LEAST_REUSED,
        (Reading('', at(activity, 'reused'), '.1f', ' %', 100),))
    yield Target(
        f'validation clips: the gates let through at most {MOST_GATED:g} times the share of '
        'patches that change',
        lambda value: value <= MOST_GATED, (Reading('', at(activity, 'gated_to_changed'), '.2f'),))
    yield from (_quality(results, task) for task in plan.tasks if task in QUALITY_TARGETS)
    yield _equally_trained(plan)


def _compared(
    results: Results, names: Mapping[str, str], text: str, holds: Callable[[float], bool]
) -> Iterator[Target]:
    """Yield targets for the mean of the sub-tasks and for each; ``names`` are the references."""
    found = {'dense': changes_to(results.images.get(SHARED), results.images, names)}
    for clip in clip_names(results):
        report = results.clips.get(f'{SHARED}-{clip}')
        files = {task: f'{name}-{clip}' for task, name in names.items()}
        if report and any(file in results.clips for file in files.values()):
            found[f'sharing on {clip}'] = changes_to(report, results.clips, files, SHARING)
    # without clips to compare, a reading that was not measured keeps the target from "reached"
    if len(found) == 1:
        found['sharing'] = dict.fromkeys(names)
    yield Target(f'sub-tasks together: {text}', holds, tuple(
        Reading(where, mean_change(changes.values()), '+.2f', ' %')
        for where, changes in found.items()))
    yield Target(f'every sub-task by itself: {text}', holds, tuple(
        Reading(f'{task} {where}', value, '+.2f', ' %')
        for where, changes in found.items() for task, value in changes.items()))


def _sparse_weights(info: Any, plan: ReportPlan) -> Iterator[Target]:
    limits = f'{100 * LEAST_DENSITY:g} to {100 * MOST_DENSITY:g} %'
    weights = {task: at(info, 'delta_weights', task) for task in plan.sub_tasks}

    def holds(value: float) -> bool:
        return LEAST_DENSITY <= value <= MOST_DENSITY

    yield Target(f'delta weights are {limits} of the encoder', holds, tuple(
        Reading(task, at(found, 'encoder'), '.2f', ' %', 100) for task, found in weights.items()))
    yield Target(f'delta weights are {limits} of every block that is not shared', holds, tuple(
        Reading(f'{word} of {task}', pick(
            (block['elements'] for block in (at(found, 'blocks') or {}).values()), default=None),
            '.2f', ' %', 100)
        for task, found in weights.items() for word, pick in (('least', min), ('most', max))))
    yield Target(
        f'the encoders of all tasks take at most {MOST_BYTES:g} times the bytes of the base',
        lambda value: value <= MOST_BYTES, (Reading('', at(info, 'bytes', 'ratio'), '.3f'),))


def _quality(results: Results, task: str) -> Target:
    """Return the target of a main metric: dense on images, with sharing on the test clips."""
    limit, metric = QUALITY_TARGETS[task], MAIN_METRICS[task]
    higher = get_task(task).higher_is_better
    values = {'dense': main_metric(results.images.get(SHARED), task)}
    values.update({f'sharing on {name}': main_metric(
        results.clips.get(f'{SHARED}-{name}'), task, SHARING) for name in TEST_CLIPS})
    return Target(
        f'{task}: {metric.name} {"at least" if higher else "at most"} {limit:g}{metric.suffix}',
        lambda value: value >= limit if higher else value <= limit,
        tuple(Reading(name, value, metric.form, metric.suffix) for name, value in values.items()))


def _equally_trained(plan: ReportPlan) -> Target:
    """Return the target that baselines saw as many images in training as the compared networks."""
    wanted = {plan.reference_of(task): plan.images_of(task) for task in plan.sub_tasks}
    wanted[MULTI_TASK] = max(wanted.values(), default=0)
    seen = {run.name: run.images_in_all for run in plan.runs if run.baseline}
    return Target(
        'every baseline saw as many images in training as what it is compared with; '
        'the difference',
        lambda value: value == 0,
        tuple(Reading(name, seen[name] - count if name in seen else None, '+.0f')
              for name, count in wanted.items()))
