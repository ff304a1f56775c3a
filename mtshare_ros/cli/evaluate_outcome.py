"""The outcome of ``mtshare evaluate``: its tables, its JSON report and its picture."""

from dataclasses import asdict, dataclass, field
from typing import Any, Mapping, TYPE_CHECKING

import typer

from mtshare_ros.cli.output import print_table

if TYPE_CHECKING:
    import numpy as np

    from mtshare_ros.evaluation.activity import SharingActivity
    from mtshare_ros.evaluation.clip_evaluation import ClipPlan, ClipReport
    from mtshare_ros.evaluation.datasets import EvaluationSet
    from mtshare_ros.evaluation.scorer import Baseline, Change, Metrics
    from mtshare_ros.evaluation.truth_and_rules import MetricRules, Truth
    from mtshare_ros.inference.contact_sheet import SheetMaps, SheetRow
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.inference.prediction import Prediction
    from mtshare_ros.tasks import LabelSet

METRICS = {
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
"""Name and unit of each metric, and whether higher or lower is better."""

ACTIVITY_NOTES = """\
reused      in the blocks above the shared ones whose weights differ from the base task's: tokens
            of sub-tasks that reused the base task's update, of those reused or computed; all
            frames
let through tokens that were not due for a refresh and that a block processed nevertheless, of all
            that were not due; mean over blocks and the frames that are not whole
changed     16x16 patches whose mean absolute difference to the frame before exceeds 4 of 255, in
            the same clips without noise; mean over the frames that "let through" counts
computed    tokens computed, mean over tasks, blocks and frames; MACs: of those of a dense frame
The crossover is off, so the metrics are the same on every machine. The times are of both modes
frame by frame in turn, each slowed by the other: mtshare bench measures speed.\
"""


@dataclass(frozen=True)
class Outcome:
    """
    One evaluation.

    In its report ``metrics`` are those of the dense frames, or with sharing where nothing ran
    dense. Per cent are 0 to 100, shares (reused, gated, changed, active_fraction, macs_share)
    0 to 1. ``workers_with`` is what the workers of a fleet computed with, empty without a fleet.
    """

    engine: 'Engine'
    data: 'EvaluationSet'
    plan: 'ClipPlan'
    report: 'ClipReport'
    baseline: 'Baseline'
    workers_with: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.engine.file.name if self.engine.file else ''

    @property
    def seen(self) -> str:
        """How many images, or clips and frames, were evaluated."""
        data = self.data
        return f'{len(data.clips)} clips, {data.length} frames' if data.in_motion else \
            f'{data.length} images'

    @property
    def metrics(self) -> 'dict[str, Metrics]':
        """The metrics by mode, dense before sharing."""
        return {name: mode.metrics for name, mode in self.report.modes.items()}

    @property
    def to_baseline(self) -> 'dict[str, Change]':
        """The change to the baseline by mode, empty without a baseline."""
        from mtshare_ros.evaluation.scorer import Change

        known = self.baseline.metrics
        return {name: Change.between(metrics, known)
                for name, metrics in self.metrics.items()} if known else {}

    @property
    def to_dense(self) -> 'Change | None':
        """What sharing changes, None where only one mode was computed."""
        from mtshare_ros.evaluation.clip_evaluation import DENSE, SHARING
        from mtshare_ros.evaluation.scorer import Change

        if len(self.metrics) < 2:
            return None
        return Change.between(self.metrics[SHARING], self.metrics[DENSE])

    def values(self) -> dict[str, Any]:
        """Return the report."""
        from mtshare_ros.evaluation.output_error import DENSE
        from mtshare_ros.inference.machine_costs import choices_of

        main = next(iter(self.metrics))
        computed_with = dict(
            self.workers_with or choices_of(self.engine, self.plan.sharing or DENSE))
        return {
            'metrics': self.metrics[main], **self._changes(main), 'metrics_of': main,
            'model': self.model, 'sha256': self.engine.file.sha256 if self.engine.file else None,
            **self.data.origin, 'views': None if self.data.in_motion else self.data.length,
            'device': computed_with['device'], 'precision': computed_with['precision'],
            'input_size': self.engine.input_size, 'rules': asdict(self.plan.rules),
            'baseline': self.baseline.files or None,
            'ms_p50': self.report.modes[main].ms_p50, 'sharing': self._sharing(),
            'computed_with': computed_with,
        }

    def _changes(self, mode: str) -> dict[str, Any]:
        change = self.to_baseline.get(mode)
        return {'delta_m': change and change.delta_m,
                'per_task_delta': change and change.by_task}

    def _sharing(self) -> dict[str, Any] | None:
        from mtshare_ros.evaluation.clip_evaluation import SHARING

        activity, change = self.report.activity, self.to_dense
        if activity is None or self.plan.sharing is None:
            return None
        return {
            'metrics': self.metrics[SHARING], **self._changes(SHARING),
            'delta_m_to_dense': change and change.delta_m,
            'per_task_delta_to_dense': change and change.by_task,
            **asdict(activity), 'gated_to_changed': activity.gated_to_changed,
            'ms_p50': self.report.modes[SHARING].ms_p50,
            'delta_blocks': dict(self.plan.delta_blocks), 'settings': asdict(self.plan.sharing),
        }


def print_outcome(outcome: 'Outcome') -> None:
    """Print metrics, changes and what sharing did."""
    data, report = outcome.data, outcome.report
    _print_metrics(f'{outcome.model} on {outcome.seen}: {data.dataset} {data.split}', outcome)
    if outcome.to_baseline:
        _print_changes('Against the baseline', outcome.to_baseline)
    if outcome.to_dense is not None:
        _print_changes('With sharing against dense', {'': outcome.to_dense})
    if report.activity is not None:
        _print_activity(report.activity, {
            name: mode.ms_p50 for name, mode in report.modes.items()})


def _print_metrics(title: str, outcome: 'Outcome') -> None:
    better_is = {'up': 'higher', 'down': 'lower', '': ''}
    modes = outcome.metrics
    measured = next(iter(modes.values()))
    rows = []
    for (task, key), (text, unit, better) in METRICS.items():
        if key in measured.get(task, {}):
            values = (_number(metrics[task][key]) for metrics in modes.values())
            name = f'{task}: {text}{_rule_of(task, key, outcome.plan.rules)}'
            rows.append((name, *values, unit, better_is[better]))
    print_table(title, ('metric', *modes, 'unit', 'better'), rows)


def _print_changes(title: str, changes: 'Mapping[str, Change]') -> None:
    first = next(iter(changes.values()))
    rows = [(task, *(f'{change.by_task[task]:+.2f}' for change in changes.values()))
            for task in first.by_task]
    rows.append(('delta m', *(f'{change.delta_m:+.2f}' for change in changes.values())))
    print_table(f'{title}: change of the main metric, %, above 0 is better', ('', *changes), rows)


def _print_activity(activity: 'SharingActivity', milliseconds: Mapping[str, float]) -> None:
    rows = [(task, _percent(activity.reused_by_task.get(task)), _percent(share))
            for task, share in activity.gated_by_task.items()]
    rows.append(('all', _percent(activity.reused), _percent(activity.gated)))
    print_table('What sharing did: shares of the tokens', ('', 'reused %', 'let through %'),
                rows)
    ratio = activity.gated_to_changed
    resets = ', '.join(f'{count} ({reason})' for reason, count in activity.resets.items())
    typer.echo(f'changed {_percent(activity.changed) or "unknown"} %'
               + ('' if ratio is None else f', let through {ratio:.2f} times that'))
    typer.echo(f'computed {_percent(activity.active_fraction)} %, '
               f'MACs {_percent(activity.macs_share)} %')
    typer.echo(f'whole frames: {resets or "none"}')
    typer.echo('milliseconds a frame, median: '
               + ', '.join(f'{name} {value:.1f}' for name, value in milliseconds.items()))
    typer.echo(ACTIVITY_NOTES)


def _rule_of(task: str, key: str, rules: 'MetricRules') -> str:
    """Return the rule of a data set for a metric, as a part of its name."""
    if (task, key) == ('semseg', 'miou'):
        return ' over the classes present' if rules.semseg_mean == 'present' else \
            ' over all classes'
    if (task, key) == ('edge', 'f'):
        return ', boundary within 2 pixels' if rules.edge_max_distance is None else \
            f', odsF at {rules.edge_thresholds} thresholds and the ends'
    if (task, key) == ('saliency', 'maxf') and rules.legacy_sigmoid:
        return ', sigmoid applied twice'
    return ''


def _number(value: float) -> str:
    return f'{value:d}' if isinstance(value, int) else f'{value:.3f}'


def _percent(share: float | None) -> str:
    return '' if share is None else f'{100 * share:.1f}'


SHEET_FRAMES = 10
"""Frames of a sheet."""


class Gallery:
    """
    Keeps some frames with their predictions for the contact sheet.

    A frame that was computed in two modes has two rows: the first shows the image and the truth,
    the second what was recomputed in place of the image.
    """

    def __init__(self, passing: int, wanted: int) -> None:
        wanted = min(passing, wanted)
        self.places = frozenset(number * passing // wanted for number in range(wanted))
        self._rows: list['SheetRow'] = []

    def see(self, number: int, truth: 'Truth', found: Mapping[str, 'Prediction']) -> None:
        """Keep a frame with its predictions by mode if it is one of those shown."""
        if number in self.places:
            self._rows += _rows(truth, found)

    def draw(self, labels: 'LabelSet') -> Any:
        """Return the sheet of the kept frames."""
        from mtshare_ros.inference.contact_sheet import draw_contact_sheet

        return draw_contact_sheet(self._rows, labels)


def _rows(truth: 'Truth', found: Mapping[str, 'Prediction']) -> 'list[SheetRow]':
    from mtshare_ros.inference.contact_sheet import SheetMaps, SheetRow

    rows: list['SheetRow'] = []
    for prediction in found.values():
        maps = maps_of(prediction)
        rows.append(SheetRow(truth.image, SheetMaps(), maps, shown_activity(prediction)) if rows
                    else SheetRow(truth.image, _true_maps(truth), maps))
    return rows


def _true_maps(truth: 'Truth') -> 'SheetMaps':
    from mtshare_ros.evaluation.truth_and_rules import is_marked
    from mtshare_ros.inference.contact_sheet import SheetMaps

    edges = None if truth.edges is None else is_marked(truth.edges)
    return SheetMaps(truth.labels, truth.depth, truth.normals, edges)


def maps_of(prediction: 'Prediction') -> 'SheetMaps':
    """Return the maps of a prediction that a contact sheet shows."""
    from mtshare_ros.inference.contact_sheet import SheetMaps

    return SheetMaps(prediction.mask, prediction.depth, prediction.normals, prediction.edges,
                     prediction.disparity)


def shown_activity(prediction: 'Prediction') -> 'np.ndarray | None':
    """Return the image (H, W, 3) uint8 of a prediction with what was recomputed drawn over it."""
    from mtshare_ros.inference.colorize import color_activity

    shown = dict(list(prediction.stats.activity.items())[:4])  # a tile has room for four tasks
    return None if prediction.image is None else color_activity(prediction.image, shown)
