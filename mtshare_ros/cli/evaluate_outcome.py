"""What came out of ``mtshare evaluate``, and how its JSON report says it."""

from dataclasses import asdict, dataclass
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from mtshare_ros.evaluation.clip_evaluation import ClipPlan, ClipReport
    from mtshare_ros.evaluation.datasets import EvaluationSet
    from mtshare_ros.evaluation.scorer import Baseline, Change, Metrics
    from mtshare_ros.inference.engine import Engine


@dataclass(frozen=True)
class Outcome:
    """
    One evaluation.

    In its report ``metrics`` are those of the dense frames, or with sharing where nothing ran
    dense. Per cent are 0 to 100, shares (taken_over, gated, changed, active_fraction, macs_share)
    0 to 1.
    """

    engine: 'Engine'
    data: 'EvaluationSet'
    plan: 'ClipPlan'
    report: 'ClipReport'
    baseline: 'Baseline'

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.engine.file.name if self.engine.file else ''

    @property
    def seen(self) -> str:
        """What was looked at: images, or clips and their frames."""
        data = self.data
        return f'{len(data.clips)} clips, {data.length} frames' if data.in_motion else \
            f'{data.length} images'

    @property
    def metrics(self) -> 'dict[str, Metrics]':
        """The figures by the way they were computed, dense before sharing."""
        return {name: side.metrics for name, side in self.report.sides.items()}

    @property
    def to_baseline(self) -> 'dict[str, Change]':
        """The change to the baseline by way, empty without a baseline."""
        from mtshare_ros.evaluation.scorer import Change

        known = self.baseline.metrics
        return {name: Change.between(metrics, known)
                for name, metrics in self.metrics.items()} if known else {}

    @property
    def to_dense(self) -> 'Change | None':
        """What sharing changes, None where only one way was computed."""
        from mtshare_ros.evaluation.clip_evaluation import DENSE, SHARING
        from mtshare_ros.evaluation.scorer import Change

        if len(self.metrics) < 2:
            return None
        return Change.between(self.metrics[SHARING], self.metrics[DENSE])

    def values(self) -> dict[str, Any]:
        """Return the report."""
        from mtshare_ros.evaluation.output_error import DENSE
        from mtshare_ros.inference.choices import choices_of

        main = next(iter(self.metrics))
        return {
            'metrics': self.metrics[main], **self._changes(main), 'metrics_of': main,
            'model': self.model, 'sha256': self.engine.file.sha256 if self.engine.file else None,
            **self.data.origin, 'views': None if self.data.in_motion else self.data.length,
            'device': self.engine.device,
            'precision': str(self.engine.dtype).removeprefix('torch.'),
            'input_size': self.engine.input_size, 'rules': asdict(self.plan.rules),
            'baseline': self.baseline.files or None,
            'ms_p50': self.report.sides[main].ms_p50, 'sharing': self._sharing(),
            'computed_with': choices_of(self.engine, self.plan.sharing or DENSE),
        }

    def _changes(self, side: str) -> dict[str, Any]:
        change = self.to_baseline.get(side)
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
            'ms_p50': self.report.sides[SHARING].ms_p50,
            'delta_blocks': dict(self.plan.delta_blocks), 'settings': asdict(self.plan.sharing),
        }
