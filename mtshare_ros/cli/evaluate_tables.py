"""The tables of ``mtshare evaluate``."""

from typing import Mapping, TYPE_CHECKING

import typer

from mtshare_ros.cli.output import print_table

if TYPE_CHECKING:
    from mtshare_ros.cli.evaluate_outcome import Outcome
    from mtshare_ros.evaluation.clip_evaluation import SharingActivity
    from mtshare_ros.evaluation.metrics import MetricRules
    from mtshare_ros.evaluation.scorer import Change

FIGURES = {
    ('semseg', 'miou'): ('mean IoU', '%', 'up'),
    ('semseg', 'pixel_accuracy'): ('pixel accuracy', '%', 'up'),
    ('semseg', 'classes'): ('classes present', '', ''),
    ('depth', 'rmse'): ('root mean square error', 'm', 'down'),
    ('depth', 'abs_rel'): ('mean |error| / truth', '', 'down'),
    ('depth', 'delta1'): ('within a factor of 1.25', '%', 'up'),
    ('depth', 'log_rmse'): ('root mean square error of logarithms', '', 'down'),
    ('depth', 'sq_rel'): ('mean error squared / truth', 'm', 'down'),
    ('normals', 'mean'): ('mean angle', 'deg', 'down'),
    ('normals', 'median'): ('median angle', 'deg', 'down'),
    ('normals', 'within_11_25'): ('within 11.25 degrees', '%', 'up'),
    ('normals', 'within_22_5'): ('within 22.5 degrees', '%', 'up'),
    ('normals', 'within_30'): ('within 30 degrees', '%', 'up'),
    ('edge', 'f'): ('F', '%', 'up'),
    ('edge', 'threshold'): ('threshold of the best F', '', ''),
    ('human_parts', 'miou'): ('mean IoU', '%', 'up'),
    ('human_parts', 'pixel_accuracy'): ('pixel accuracy', '%', 'up'),
    ('human_parts', 'classes'): ('classes present', '', ''),
    ('saliency', 'maxf'): ('largest F', '%', 'up'),
    ('saliency', 'threshold'): ('threshold of the largest F', '', ''),
}
"""How each figure is called, its unit, and which way is better."""

ACTIVITY_NOTES = """\
taken over  in the blocks above the shared ones whose weights differ from the base task's: rows of
            sub-tasks that were taken over, of those taken over or computed; all frames, those
            that start anew included
let through rows whose refresh turn had not come that a block processed nevertheless, of all such
            rows; mean over blocks and the frames that do not start anew
changed     16x16 patches whose mean absolute difference to the frame before exceeds 4 of 255, in
            the same clips without noise; mean over the frames that "let through" counts
computed    rows computed, mean over tasks, blocks and frames; MACs: of those of a dense frame
No frame ran dense for being faster so: the figures are the same on every machine. The times are
of both ways frame by frame in turn, each slowed by the other: mtshare bench measures speed.\
"""


def print_outcome(outcome: 'Outcome') -> None:
    """Print everything that a person wants to know of an evaluation."""
    data, report = outcome.data, outcome.report
    _print_metrics(f'{outcome.model} on {outcome.seen}: {data.dataset} {data.split}', outcome)
    if outcome.to_baseline:
        _print_changes('Against the baseline', outcome.to_baseline)
    if outcome.to_dense is not None:
        _print_changes('With sharing against dense', {'': outcome.to_dense})
    if report.activity is not None:
        _print_activity(report.activity, {
            name: side.ms_p50 for name, side in report.sides.items()})


def _print_metrics(title: str, outcome: 'Outcome') -> None:
    better_is = {'up': 'higher', 'down': 'lower', '': ''}
    sides = outcome.metrics
    measured = next(iter(sides.values()))
    rows = []
    for (task, key), (text, unit, better) in FIGURES.items():
        if key in measured.get(task, {}):
            figures = (_figure(metrics[task][key]) for metrics in sides.values())
            name = f'{task}: {text}{_rule_of(task, key, outcome.plan.rules)}'
            rows.append((name, *figures, unit, better_is[better]))
    print_table(title, ('figure', *sides, 'unit', 'better'), rows)


def _print_changes(title: str, changes: 'Mapping[str, Change]') -> None:
    first = next(iter(changes.values()))
    rows = [(task, *(f'{change.by_task[task]:+.2f}' for change in changes.values()))
            for task in first.by_task]
    rows.append(('delta m', *(f'{change.delta_m:+.2f}' for change in changes.values())))
    print_table(f'{title}: change of the main metric, %, above 0 is better', ('', *changes), rows)


def _print_activity(activity: 'SharingActivity', milliseconds: Mapping[str, float]) -> None:
    rows = [(task, _percent(activity.taken_over_by_task.get(task)), _percent(share))
            for task, share in activity.gated_by_task.items()]
    rows.append(('all', _percent(activity.taken_over), _percent(activity.gated)))
    print_table('What sharing did: shares of the rows', ('', 'taken over %', 'let through %'),
                rows)
    ratio = activity.gated_to_changed
    resets = ', '.join(f'{count} ({reason})' for reason, count in activity.resets.items())
    typer.echo(f'changed {_percent(activity.changed) or "unknown"} %'
               + ('' if ratio is None else f', let through {ratio:.2f} times that'))
    typer.echo(f'computed {_percent(activity.active_fraction)} %, '
               f'MACs {_percent(activity.macs_share)} %')
    typer.echo(f'frames that started anew: {resets or "none"}')
    typer.echo('milliseconds a frame, median: '
               + ', '.join(f'{name} {value:.1f}' for name, value in milliseconds.items()))
    typer.echo(ACTIVITY_NOTES)


def _rule_of(task: str, key: str, rules: 'MetricRules') -> str:
    """Return what a data set's rules make of a figure, as a part of its name."""
    if (task, key) == ('semseg', 'miou'):
        return ' over the classes present' if rules.semseg_mean == 'present' else \
            ' over all classes'
    if (task, key) == ('edge', 'f'):
        return ', boundary within 2 pixels' if rules.edge_max_distance is None else \
            f', odsF at {rules.edge_thresholds} thresholds and the ends'
    if (task, key) == ('saliency', 'maxf') and rules.legacy_sigmoid:
        return ', probability squashed twice'
    return ''


def _figure(value: float) -> str:
    return f'{value:d}' if isinstance(value, int) else f'{value:.3f}'


def _percent(share: float | None) -> str:
    return '' if share is None else f'{100 * share:.1f}'
