"""How good a model is at which input size: beside every speed, and as a table of its own."""

from typing import Any, Iterator, Mapping

from mtshare_ros.report.changes import main_figure
from mtshare_ros.report.files import at, Results
from mtshare_ros.report.plan import INITIAL, ReportPlan, SHARED
from mtshare_ros.report.text import (
    counted,
    head_of,
    MAIN_FIGURES,
    NOT_MEASURED,
    paragraphs,
    table,
)


def sizes(results: Results, plan: ReportPlan) -> str:
    """Return the table of the figures at several sizes, empty where there are none."""
    if not results.sizes:
        return ''
    seen = ', '.join(dict.fromkeys(_seen(report) for report in results.sizes.values()))
    return paragraphs(
        f'Without a training for the size, on {seen}; depth is scaled to the camera, as the node '
        'does. What is said of speed at a size holds for maps as good as they are there.',
        table(('network', 'pixels', *map(head_of, plan.tasks)), _rows(results, plan)))


def quality_beside(results: Results, report: Mapping[str, Any]) -> str:
    """Say how good the model of a file of the benchmark is at the size it was timed at."""
    model, size = at(report, 'machine', 'model'), at(report, 'machine', 'input_size')
    if ', ' in str(model):
        return 'Its weights are by chance, all or some: the maps mean nothing, only their cost.'
    found = next((item for item in (*results.sizes.values(), *results.images.values())
                  if at(item, 'model') == model and at(item, 'input_size') == size), None)
    if found is None:
        return f'The quality of its maps at this size: {NOT_MEASURED}.'
    return f'The quality of its maps at this size, dense, on {_seen(found)}: {_words(found)}.'


def _rows(results: Results, plan: ReportPlan) -> Iterator[tuple[str, ...]]:
    for name, report in results.sizes.items():
        network = plan.network_of(name)
        text = {INITIAL: f'start: {plan.initial}', SHARED: '**the model of all tasks**'}
        height, width = report['input_size']
        yield (text.get(str(network), str(network)), f'{width}x{height}', *(
            MAIN_FIGURES[task].write(main_figure(report, task)) for task in plan.tasks))


def _seen(report: Mapping[str, Any]) -> str:
    return f'{counted(at(report, "images"))} images'


def _words(report: Mapping[str, Any]) -> str:
    found = {task: main_figure(report, task) for task in MAIN_FIGURES}
    return ', '.join(f'{task} {MAIN_FIGURES[task].name} {MAIN_FIGURES[task].with_unit(value)}'
                     for task, value in found.items() if value is not None)
