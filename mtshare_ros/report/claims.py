"""The method's claims beside our figures; what was not published is called unknown."""

from typing import Iterator

from mtshare_ros.report.changes import changes_to, main_figure, mean_change
from mtshare_ros.report.clips import clip_names, clip_report, VALIDATION
from mtshare_ros.report.files import at, Results
from mtshare_ros.report.plan import MULTI_TASK, ReportPlan, SHARED
from mtshare_ros.report.speed import motions_of
from mtshare_ros.report.text import (
    MAIN_FIGURES,
    NOT_MEASURED,
    paragraphs,
    table,
    written,
)
from mtshare_ros.report.weights import block_densities, encoder_density

UNKNOWN = 'unknown'

SOURCES = """\
The method: Shoouri, Yang, Fan, Kim, *Efficient Computation Sharing for Multi-Task Visual Scene
Understanding*, ICCV 2023 ([arXiv 2303.09663](https://arxiv.org/abs/2303.09663)). ¹ follows by
formula from the shape of its networks. ² read in its released code. ³ second-hand: table 2 of
PRISM (ICML 2026), NYUD-v2 with ViT-B; the released code crops NYUD-v2 to 416x416, so the figures
may not be on the usual protocol. Unknown: not published, or nowhere that it could be read for this
table. The method's accuracy is on photographs, ours on rendered rooms and with an easier measure
of edges: **the two columns do not compare**; how each stands to its own baselines does."""

Row = tuple[str, str, str]


def claims(results: Results, plan: ReportPlan) -> str:
    """Return the table of parameters, computation and accuracy."""
    rows = (*_parameters(results, plan), *_computation(results, plan),
            *_accuracy(results, plan))
    return paragraphs(table(('', 'the method, ViT-B', 'here'), rows, align='---'), SOURCES)


def _parameters(results: Results, plan: ReportPlan) -> Iterator[Row]:
    info = results.info.get(SHARED)
    densities = (f'{task} {written(encoder_density(info, task), ".1f", 100, " %")}'
                 for task in plan.sub_tasks)
    yield ('**parameters**: network', 'ViT-B/16, 85.65 M weights in the encoder of a task ¹',
           at(info, 'network') or NOT_MEASURED)
    yield 'delta weights, of those of the encoder', UNKNOWN, ', '.join(densities)
    yield ('encoders of all tasks', UNKNOWN,
           written(at(info, 'bytes', 'ratio'), '.2f', unit=' times the bytes of one'))


def _computation(results: Results, plan: ReportPlan) -> Iterator[Row]:
    taken = at(clip_report(results, VALIDATION), 'sharing', 'reused')
    yield ('**computation**: one dense network per task',
           '74.6 GMACs a task at 416x416, 298 for the four of NYUD-v2; 580 for the five of '
           'PASCAL-Context at 512x512, two of them with a head of half the width ¹',
           'not counted; see wall-clock')
    yield ('MACs with sharing, of those of dense frames',
           f'{UNKNOWN}; the released code computes everything and then overwrites small '
           'differences, element by element: savings are simulated only ²',
           _by_clips(results, 'macs_share', '.1f', 100) + '; rows of tokens, really left out')
    yield ('rows that sub-tasks take over from the base task', UNKNOWN,
           written(taken, '.1f', 100, ' % in the blocks with delta weights'))
    milliseconds = '; '.join(_milliseconds(results))
    yield ('wall-clock', 'never published', NOT_MEASURED if not milliseconds else
           f'{milliseconds}; how good the maps are at these sizes stands under "Speed"')
    yield ('blocks that all tasks share; thresholds; frames between refreshes', UNKNOWN,
           _constants(results, plan))


def _accuracy(results: Results, plan: ReportPlan) -> Iterator[Row]:
    alone = {task: plan.reference_of(task) for task in plan.tasks}
    yield ('**accuracy**: the model of all tasks, dense',
           'mIoU 50.46 %, RMSE 0.5332 m, angle 18.42°, odsF 77.89 % ³',
           _figures(results, dict.fromkeys(plan.tasks, SHARED)))
    yield ('networks trained for one task alone',
           'mIoU 51.15 %, RMSE 0.5792 m, angle 19.77°, odsF 77.35 % ³', _figures(results, alone))
    yield ('one encoder, all heads', 'mIoU 49.27 %, RMSE 0.5823 m, angle 19.92°, odsF 75.88 % ³',
           _figures(results, dict.fromkeys(plan.tasks, MULTI_TASK)))
    changes = (mean_change(changes_to(results.images.get(name), results.images, alone).values())
               for name in (SHARED, MULTI_TASK))
    yield ('Δm to the networks trained alone: all tasks shared; one encoder, all heads',
           '+3.53 %; -1.72 % ³', '; '.join(written(value, '+.2f', unit=' %') for value in changes))
    yield ('Δm of sharing on video to dense frames', UNKNOWN,
           _by_clips(results, 'delta_m_to_dense', '+.2f'))


def _figures(results: Results, names: dict[str, str]) -> str:
    """Return the main figures of tasks, each from the network that is named for it."""
    return ', '.join(
        f'{task} {MAIN_FIGURES[task].with_unit(main_figure(results.images.get(name), task))}'
        for task, name in names.items())


def _by_clips(results: Results, key: str, form: str, factor: float = 1.0) -> str:
    values = {name: at(clip_report(results, name), 'sharing', key) for name in clip_names(results)}
    return ', '.join(f'{name} {written(value, form, factor, " %")}'
                     for name, value in values.items())


def _milliseconds(results: Results) -> Iterator[str]:
    """Yield what the model itself reached against one dense network per task."""
    for name, report in results.bench.items():
        if at(report, 'machine', 'model') != at(results.images, SHARED, 'model'):
            continue
        for motion, comparison in motions_of(report).items():
            side = at(comparison, 'contenders', 'combined')
            ratio = at(side, 'ratio', 'independent')
            if ratio is not None:
                yield (f'{name} ({motion}): {at(side, "ms", "p50"):.1f} ms, {ratio:.2f} times '
                       'faster than one dense network per task')


def _constants(results: Results, plan: ReportPlan) -> str:
    blocks = [int(number) for task in plan.sub_tasks
              for number in block_densities(results.info.get(SHARED), task)]
    settings = at(clip_report(results, VALIDATION), 'sharing', 'settings')
    refresh = at(settings, 'refresh_period')
    calibrated = at(results.info, SHARED, 'calibrated')
    return (f'{min(blocks) if blocks else NOT_MEASURED} blocks; thresholds: '
            f'{calibrated or NOT_MEASURED}; {written(refresh, "g")} frames')
