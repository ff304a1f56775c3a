"""
One metric per task, pooled over all pixels of a set of frames.

The definitions are those of the multi-task literature on NYUD-v2 and PASCAL-Context; shares are
percentages, depths metres, angles degrees. A result is NaN where no pixel could be scored.
"""

from typing import Callable

from mtshare_ros.evaluation.boundary_metric import BoundaryMetric
from mtshare_ros.evaluation.depth_metric import DepthMetric
from mtshare_ros.evaluation.label_metric import LabelMetric
from mtshare_ros.evaluation.normals_metric import NormalsMetric
from mtshare_ros.evaluation.ods_metric import OdsMetric
from mtshare_ros.evaluation.rules import metric_rules, MetricRules, ROOMS_RULES
from mtshare_ros.evaluation.saliency_metric import SaliencyMetric
from mtshare_ros.evaluation.scoring import Metric
from mtshare_ros.tasks import channels_of, get_task

__all__ = ['make_metric', 'Metric', 'metric_rules', 'MetricRules', 'ROOMS_RULES']

_WITHOUT_OPTIONS: dict[str, Callable[[], Metric]] = {
    'depth': DepthMetric, 'normals': NormalsMetric, 'edge': BoundaryMetric,
}


def make_metric(task: str, class_count: int, rules: MetricRules = ROOMS_RULES) -> Metric:
    """
    Return an empty metric for a task id; ``class_count`` is that of the label set.

    Raises MissingExtraError where odsF is asked for and SciPy or scikit-image is missing.
    """
    if task == 'semseg':
        return LabelMetric(task, class_count, mean=rules.semseg_mean)
    if task == 'human_parts':
        return LabelMetric(task, channels_of(get_task(task), class_count), mean='all')
    if task == 'saliency':
        return SaliencyMetric(legacy_sigmoid=rules.legacy_sigmoid)
    if task == 'edge' and rules.edge_max_distance is not None:
        return OdsMetric(rules.edge_max_distance, threshold_count=rules.edge_thresholds)
    return _WITHOUT_OPTIONS[task]()
