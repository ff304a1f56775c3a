"""One figure for all tasks: how much better or worse their main metrics are, on average."""

from mtshare_ros.evaluation.evaluate import Metrics
from mtshare_ros.tasks import get_task


def delta_m(metrics: Metrics, baseline: Metrics, *, skip_missing: bool = False) -> float:
    """
    Return the mean over tasks of the relative change of the main metric, in per cent.

    Above 0 is better than the baseline, whichever way the metric runs: (1 / T) sum of
    s (M - B) / B x 100, with s = -1 where lower is better (Maninis et al., CVPR 2019, equation 4).
    NaN where a baseline is 0 or missing; ``skip_missing`` leaves out tasks without a baseline.
    """
    tasks = [task for task in metrics if task in baseline or not skip_missing]
    changes = [_change(task, metrics[task], baseline.get(task, {})) for task in tasks]
    return sum(changes) / len(changes) if changes else float('nan')


def _change(task: str, figures: dict[str, float], baseline: dict[str, float]) -> float:
    spec = get_task(task)
    before = baseline.get(spec.metric, float('nan'))
    if before == 0:
        return float('nan')
    change = 100 * (figures[spec.metric] - before) / before
    return change if spec.higher_is_better else -change
