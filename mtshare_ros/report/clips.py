"""What sharing did on clips, and what it cost in quality."""

from typing import Any, Mapping

from mtshare_ros.report.changes import main_figure, SHARING
from mtshare_ros.report.files import at, Results
from mtshare_ros.report.plan import ReportPlan, SHARED
from mtshare_ros.report.text import (
    bullets,
    counted,
    head_of,
    MAIN_FIGURES,
    NOT_MEASURED,
    paragraphs,
    percent,
    signed,
    table,
    written,
)

VALIDATION = 'validation'
TEST_CLIPS = ('test-static', 'test-pan', 'test-drive', 'test-handheld')

NOTES = """\
Rows are tokens in a block. *Computed*: mean over tasks, blocks and frames. *Taken over*: in the
blocks whose weights differ from the base task's, rows of sub-tasks that were taken over from it,
of those taken over or computed; all frames, those that start anew included. *Let through*: of the
rows whose refresh turn had not come, those that a block processed nevertheless; mean over blocks
and the frames that do not start anew. *Changed*: 16x16 patches whose mean absolute difference to
the frame before exceeds 4 of 255, in the same clips without noise. *MACs*: multiply-accumulates,
of those of a dense frame in which the tasks share their blocks already.
Δm is to the same frames computed dense. No frame ran dense for being faster so: the figures do not
depend on the speed of the machine."""

_SETTINGS = {'temporal_threshold': 'thresholds over time times {:g}',
             'task_threshold': 'thresholds between tasks times {:g}',
             'refresh_period': 'every row computed again within {:g} frames'}


def clip_names(results: Results) -> tuple[str, ...]:
    """Return the clips of the shared model: the expected ones first, measured or not."""
    start = f'{SHARED}-'
    expected = (VALIDATION, *TEST_CLIPS)
    found = (name.removeprefix(start) for name in results.clips if name.startswith(start))
    return (*expected, *(name for name in found if name not in expected))


def clip_report(results: Results, clip: str, network: str = SHARED) -> Mapping[str, Any] | None:
    """Return the figures of a network on some clips, None where they were not measured."""
    return results.clips.get(f'{network}-{clip}')


def gated_to_changed(report: Any) -> float | None:
    """Return how many times the share that changed the gates let through."""
    return at(report, 'sharing', 'gated_to_changed')


def clips(results: Results, plan: ReportPlan) -> str:
    """Return the tables of the shared model on clips."""
    names = clip_names(results)
    return paragraphs(
        _settings(results),
        table(('clips', 'frames', 'rows computed, %', 'taken over, %', 'let through, %',
               'changed, %', 'let through / changed', 'MACs, %', 'Δm, %'),
              (_work_row(results, name) for name in names)),
        NOTES,
        'Dense → with sharing:',
        table(('clips', *map(head_of, plan.tasks)),
              ((name, *(_quality(clip_report(results, name), task) for task in plan.tasks))
               for name in names)),
        'Taken over, task by task:',
        table(('clips', *(f'{task}, %' for task in plan.sub_tasks)),
              ((name, *(percent(at(clip_report(results, name), 'sharing', 'reused_by_task',
                                   task)) for task in plan.sub_tasks)) for name in names)))


def _work_row(results: Results, name: str) -> tuple[str, ...]:
    report = clip_report(results, name)
    if at(report, 'sharing') is None:
        return (name, *[NOT_MEASURED] * 8)
    shares = (percent(at(report, 'sharing', key))
              for key in ('active_fraction', 'reused', 'gated', 'changed'))
    return (name, counted(at(report, 'images')), *shares,
            written(gated_to_changed(report), '.2f'),
            percent(at(report, 'sharing', 'macs_share')),
            signed(at(report, 'sharing', 'delta_m_to_dense')))


def _quality(report: Any, task: str) -> str:
    values = main_figure(report, task), main_figure(report, task, SHARING)
    if values == (None, None):
        return NOT_MEASURED
    return ' → '.join(MAIN_FIGURES[task].write(value) for value in values)


def _settings(results: Results) -> str:
    """Say what sharing ran with; clips with other settings than the rest stand apart."""
    found: dict[str, list[str]] = {}
    for name in clip_names(results):
        settings = at(clip_report(results, name), 'sharing', 'settings')
        if settings is not None:
            text = ', '.join(form.format(settings[key]) for key, form in _SETTINGS.items()
                             if key in settings)
            found.setdefault(text, []).append(name)
    if len(found) == 1:
        return f'Sharing with {next(iter(found))}.'
    return bullets(f'{", ".join(names)}: sharing with {text}' for text, names in found.items())
