"""The page of results: texts of its own, and what is computed from the files for its template."""

from pathlib import Path
import re
from typing import Any, Iterator, Mapping

import jinja2

from mtshare_ros.benchmark.bench_report import SPEED_BASELINES
from mtshare_ros.evaluation.flicker import UNITS
from mtshare_ros.report.real_clips import UNITS as MAP_UNITS
from mtshare_ros.report.results import (
    at,
    check_results,
    INITIAL,
    MULTI_TASK,
    ReportPlan,
    Results,
    SHARED,
)
from mtshare_ros.report.speed_section import machine_of, SpeedSection
from mtshare_ros.report.targets import (
    change,
    changes_to,
    clip_names,
    main_metric,
    MAIN_METRICS,
    mean_change,
    NOT_MEASURED,
    SHARING,
    targets,
    written,
)
from mtshare_ros.tasks import get_task

STAGE_TEXTS = {
    'base': 'the base task alone, all weights',
    'base-temporal': 'the same, with the gates of sharing over time in the forward pass',
    'delta-weights': 'a sub-task from the base: training chooses which of its weights differ',
    'delta-tune': 'the values of those weights',
    'delta-activations': 'the same weights, with all gates of sharing in the forward pass',
    'heads': 'decode heads alone, on features of a frozen backbone that are computed once',
    'single-task': 'baseline: a network of its own for every sub-task, all weights',
    'multi-task': 'baseline: one encoder and a decode head for every task, all weights',
}

PICTURES = {
    'results_views.png': (
        'Ten rooms that no network was trained on: image, truth, and the maps of the model',
        '--split test --count 10'),
    'results_clip.png': (
        'Ten seconds of a camera that drives through such a room: rows of dense maps, each '
        'followed by the maps with sharing and what was computed for them',
        '--clips --split test --motion drive --count 1 --frames 300'),
}
"""By picture of the page: its caption, and the options of ``mtshare evaluate`` that draw it."""

FURTHER = {
    ('semseg', 'pixel_accuracy'): ('semseg: pixel accuracy, %', '.1f'),
    ('depth', 'abs_rel'): ('depth: mean of error / truth', '.3f'),
    ('depth', 'delta1'): ('depth: within a factor of 1.25, %', '.1f'),
    ('normals', 'median'): ('normals: median angle, °', '.1f'),
    ('normals', 'within_11_25'): ('normals: within 11.25°, %', '.1f'),
    ('normals', 'within_22_5'): ('normals: within 22.5°, %', '.1f'),
    ('normals', 'within_30'): ('normals: within 30°, %', '.1f'),
}
"""Name and format of the metrics that are shown besides the main ones, by task and metric."""

_SETTINGS = {'temporal_threshold': 'thresholds over time times {:g}',
             'task_threshold': 'thresholds between tasks times {:g}',
             'refresh_period': 'every token computed again within {:g} frames'}


def write_report(results: Results, plan: ReportPlan) -> str:
    """Return the page as Markdown; raise ConfigError for files that contradict each other."""
    check_results(results, plan)
    page = _Page(results, plan)
    found = list(targets(results, plan))
    return render(
        'results.md.jinja', page=page, speed=SpeedSection(results), results=results, plan=plan,
        targets=found, reached=sum(target.verdict == 'reached' for target in found),
        heads=[_head_of(task) for task in plan.tasks],
        sub_heads=[f'{task}, %' for task in plan.sub_tasks], clips=page.clips,
        stage_texts=STAGE_TEXTS, pictures=PICTURES, speed_baselines=SPEED_BASELINES,
        shared_change=page.change_to_alone(SHARED), flicker_units=list(UNITS),
        multi_task_change=page.change_to_alone(MULTI_TASK),
        flicker_heads=[f'{task}, {unit}' for task, unit in UNITS.items()])


def write_real_page(results: Mapping[str, Any], notes: str = '') -> str:
    """Return the page of ``mtshare real``; ``notes`` are Markdown on what its pictures show."""
    return render('real_images.md.jinja', results=results, notes=notes.strip(), units=MAP_UNITS)


def render(template: str, **values: Any) -> str:
    """Return the page of one of the templates; missing values are written as "not measured"."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / 'templates'),
        undefined=jinja2.ChainableUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False)
    environment.filters.update(
        num=written, percent=lambda value: written(value, '.1f', 100), counted=_counted,
        signed=lambda value: written(value, '+.2f'), blank=blank)
    text = environment.get_template(template).render(**values)
    # a template's blocks that are left out leave empty lines, and rows of tables end in a space
    text = re.sub(r' +$', '', text, flags=re.MULTILINE)
    return re.sub(r'\n{3,}', '\n\n', text).strip() + '\n'


def blank(value: Any, form: str, factor: float = 1.0) -> str:
    """Return a number, or nothing where a contender cannot have it: it was not left unmeasured."""
    return written(value, form, factor) if isinstance(value, (int, float)) else ''


def _counted(number: Any) -> str:
    return written(number, ',.0f').replace(',', ' ')


def _head_of(task: str) -> str:
    """Return the head of a task's column; the arrow shows whether higher or lower is better."""
    metric = MAIN_METRICS[task]
    arrow = '↑' if get_task(task).higher_is_better else '↓'
    return f'{task}: {metric.name}, {metric.unit} {arrow}'


class _Page:
    """Values of the template that are computed from the files."""

    def __init__(self, results: Results, plan: ReportPlan) -> None:
        self._results, self._plan = results, plan
        self.clips = {name: results.clips.get(f'{SHARED}-{name}') for name in clip_names(results)}
        self._alone = {task: plan.reference_of(task) for task in plan.tasks}

    def main(self, report: Any, task: str) -> str:
        """Return the main metric of a task without its unit."""
        return written(main_metric(report, task), MAIN_METRICS[task].form)

    def change_to_alone(self, network: str) -> float | None:
        """Return the Δm of a network, relative to those that were trained for one task alone."""
        images = self._results.images
        return mean_change(changes_to(images.get(network), images, self._alone).values())

    def metrics_of(self, network: str | None) -> str:
        """Return the main metrics of a network; for None, of those trained for one task alone."""
        return ', '.join(f'{task} ' + written(
            main_metric(self._results.images.get(network or alone), task),
            MAIN_METRICS[task].form, unit=MAIN_METRICS[task].suffix)
            for task, alone in self._alone.items())

    def quality_rows(self) -> Iterator[list[str]]:
        """Yield the rows of the table of networks."""
        plan = self._plan
        stages = [run for run in plan.runs if not run.baseline]
        seen = ' / '.join(_counted(plan.images_of(task)) for task in plan.tasks)
        yield ['start: ' + (plan.initial or 'by chance'), '0', '0',
               *self._quality(INITIAL, plan.tasks)]
        for run in (*stages, None, *(run for run in plan.runs if run.baseline)):
            if run is None:
                yield ['**the model of all tasks**', '', seen, *self._quality(SHARED, plan.tasks)]
            else:
                yield [run.stage if len(run.tasks) > 1 else f'{run.tasks[0]}: {run.stage}',
                       _counted(run.images), _counted(run.images_in_all),
                       *self._quality(run.name, run.tasks)]

    def _quality(self, name: str, tasks: tuple[str, ...]) -> Iterator[str]:
        """Yield a network's cells by task, empty for tasks that it does not have, and its Δm."""
        images, changes = self._results.images, []
        for task, alone in self._alone.items():
            if task not in tasks:
                yield ''
                continue
            value = main_metric(images.get(name), task)
            found = change(task, value, main_metric(images.get(alone), task))
            changes.append(found)
            known = found is not None and name != alone
            yield self.main(images.get(name), task) + (f' ({found:+.2f})' if known else '')
        yield written(mean_change(changes), '+.2f') if len(tasks) > 1 else ''

    def further_rows(self) -> list[list[str]]:
        """Return the other metrics of the shared model and of the baselines."""
        rows = []
        for (task, key), (text, form) in FURTHER.items():
            names = (SHARED, self._plan.reference_of(task), MULTI_TASK)
            values = [at(self._results.images, name, 'metrics', task, key) for name in names]
            if task in self._plan.tasks and values[0] is not None:
                rows.append([text, *(written(value, form) for value in values)])
        return rows

    def sizes_seen(self) -> str:
        """Return how many images the model was measured on at each input size."""
        return ', '.join(dict.fromkeys(f'{_counted(report["images"])} images'
                                       for report in self._results.sizes.values()))

    def block_numbers(self, weights: Mapping[str, Any]) -> list[str]:
        """Return the numbers of the blocks with delta weights."""
        return sorted({number for found in weights.values() for number in found['blocks']},
                      key=int)

    def shared_blocks(self) -> str:
        """Return the number of shared blocks: that of the first block with delta weights."""
        weights = at(self._results.info, SHARED, 'delta_weights') or {}
        return next(iter(self.block_numbers(weights)), NOT_MEASURED)

    def before_and_after(self, report: Any, task: str) -> str:
        """Return the main metric of a task, dense and with sharing."""
        values = main_metric(report, task), main_metric(report, task, SHARING)
        if values == (None, None):
            return NOT_MEASURED
        return ' → '.join(written(value, MAIN_METRICS[task].form) for value in values)

    def span(self, key: str, form: str, factor: float = 1.0) -> str:
        """Return the smallest and the largest value of a number over all clips."""
        values = [at(report, 'sharing', key) for report in self.clips.values()]
        known = [value for value in values if value is not None]
        return (f'{written(min(known), form, factor)} to {written(max(known), form, factor)}'
                if known else NOT_MEASURED)

    def by_clips(self, key: str, form: str, factor: float = 1.0) -> str:
        """Return a number for each kind of clip."""
        return ', '.join(f'{name} {written(at(report, "sharing", key), form, factor, " %")}'
                         for name, report in self.clips.items())

    def clip_settings(self) -> dict[str, list[str]]:
        """Return the kinds of clips by the settings, as text, that sharing ran with on them."""
        found: dict[str, list[str]] = {}
        for name, report in self.clips.items():
            settings = at(report, 'sharing', 'settings')
            if settings is not None:
                text = ', '.join(form.format(settings[key]) for key, form in _SETTINGS.items()
                                 if key in settings)
                found.setdefault(text, []).append(name)
        return found

    def commands(self) -> Iterator[str]:
        """Yield the commands that made the files, as these state them, and those of the page."""
        plan, runs = self._plan, f'runs/{Path(self._plan.recipe).stem}'
        model = at(self._results.images, SHARED, 'model')
        yield f'mtshare train {plan.recipe} --output {runs}'
        if model not in (None, 'model'):
            yield f'mtshare calibrate {runs}/model.safetensors --register {model}'
        for kind in ('images', 'sizes', 'clips', 'info', 'bench'):
            for report in getattr(self._results, kind).values():
                if 'command' in report:
                    yield report['command']
        for name, link in plan.pictures.items():
            yield f'mtshare evaluate {model} {PICTURES[name][1]} --sheet ' \
                f'{(Path(plan.output).parent / link).as_posix()}'
        yield f'mtshare report {plan.folder} --recipe {plan.recipe} --output {plan.output}'

    def machines(self) -> list[str]:
        """Return the machines and settings that the commands ran with, each once."""
        results = self._results
        found = [f'`mtshare evaluate`: {at(report, "device")}, {at(report, "precision")}, '
                 f'{"x".join(map(str, at(report, "input_size") or "??"))} pixels (height x width)'
                 for kind in (results.images, results.sizes, results.clips)
                 for report in kind.values()]
        found += [f'`mtshare bench`: {machine_of(report)}' for report in results.bench.values()]
        return list(dict.fromkeys(found))
