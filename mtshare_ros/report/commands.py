"""The commands that made a report, and the machines they ran on."""

from pathlib import PurePosixPath
from typing import Any, Callable, Iterator

from mtshare_ros.report.files import at, Files, Results
from mtshare_ros.report.options import (
    bench_options,
    clip_options,
    image_options,
    size_options,
)
from mtshare_ros.report.plan import INITIAL, ReportPlan, SHARED
from mtshare_ros.report.speed import machine_of
from mtshare_ros.report.text import bullets, paragraphs

PICTURES = {
    'results_views.png': (
        'Ten rooms that no network was trained on: image, truth, and the maps of the model',
        '--split test --count 10'),
    'results_clip.png': (
        'Ten seconds of a camera that drives through such a room: dense maps, and below each row '
        'those with sharing beside what was computed again',
        '--clips --split test --motion drive --count 1 --frames 300'),
}
"""What the pictures of a report show, and the options that ``mtshare evaluate`` draws them by."""


def commands(results: Results, plan: ReportPlan) -> str:
    """Return the commands as they are typed, and the machines."""
    lines = '\n'.join(_commands(results, plan))
    machines = dict.fromkeys(_machines(results))
    return paragraphs(f'```bash\n{lines}\n```', bullets(machines))


def _commands(results: Results, plan: ReportPlan) -> Iterator[str]:
    shared = _model(results, plan, SHARED)
    yield f'mtshare train {plan.recipe} --output {_runs(plan)}'
    if shared != _assembled(plan):
        yield f'mtshare calibrate {_assembled(plan)} --register {shared}'
    yield from _evaluations(results, plan, 'images', image_options)
    yield from _evaluations(results, plan, 'sizes', size_options)
    yield from _evaluations(results, plan, 'clips', clip_options)
    for name in results.info:
        yield (f'mtshare models info {_model(results, plan, name)} '
               f'--json {plan.folder}/info/{name}.json')
    for name, report in results.bench.items():
        yield f'mtshare bench {bench_options(report)} --json {plan.folder}/bench/{name}.json'
    for name in plan.pictures:
        file = PurePosixPath(plan.output).parent / plan.pictures[name]
        yield f'mtshare evaluate {shared} {PICTURES[name][1]} --sheet {file}'
    yield f'mtshare report {plan.folder} --recipe {plan.recipe} --output {plan.output}'


def _evaluations(
    results: Results, plan: ReportPlan, kind: str, options: Callable[[Any], str]
) -> Iterator[str]:
    files: Files = getattr(results, kind)
    for network in plan.names:
        for file, report in files.items():
            if plan.network_of(file) == network:
                yield (f'mtshare evaluate {_model(results, plan, network)} {options(report)} '
                       f'--json {plan.folder}/{kind}/{file}.json')


def _model(results: Results, plan: ReportPlan, name: str) -> str:
    """Return how a network is named on the command line: a run's by its file."""
    folder = next((run.folder for run in plan.runs if run.name == name), None)
    if folder is not None:
        return f'{_runs(plan)}/{folder}/model.safetensors'
    if name == INITIAL:
        return plan.initial
    model = at(results.images, SHARED, 'model')
    return _assembled(plan) if model in (None, 'model') else model


def _assembled(plan: ReportPlan) -> str:
    return f'{_runs(plan)}/model.safetensors'


def _runs(plan: ReportPlan) -> str:
    return f'runs/{PurePosixPath(plan.recipe).stem}'


def _machines(results: Results) -> Iterator[str]:
    for kind in ('images', 'sizes', 'clips'):
        for report in getattr(results, kind).values():
            size = at(report, 'input_size') or ('?', '?')
            yield (f'`mtshare evaluate`: {at(report, "device")}, {at(report, "precision")}, '
                   f'{size[1]}x{size[0]} pixels')
    for report in results.bench.values():
        yield f'`mtshare bench`: {machine_of(report)}'
