"""What differs between data sets in how their maps are scored."""

from dataclasses import dataclass

from mtshare_ros.config import require

CLASS_MEANS = ('present', 'all')


@dataclass(frozen=True)
class MetricRules:
    """
    How the metrics of one data set are taken.

    ``semseg_mean`` says over which classes the mean IoU runs: those ``present`` in the truth, or
    ``all``, where an absent one counts 0. ``edge_max_distance`` is how far a predicted edge may
    lie from a true one in odsF, as a share of the image's diagonal; None scores the boundary F
    within two pixels instead. ``edge_thresholds`` of odsF lie evenly between 0 and 1, beside 0.001
    and 0.999: 20 are quick; 99 make the 101 of published figures. ``legacy_sigmoid`` squashes the
    probability of saliency once more before the thresholds, as many published figures do.
    """

    semseg_mean: str = 'present'
    edge_max_distance: float | None = None
    edge_thresholds: int = 20
    legacy_sigmoid: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError for a value that means nothing."""
        require(self.semseg_mean in CLASS_MEANS, 'semseg_mean', self.semseg_mean,
                f'one of {", ".join(CLASS_MEANS)}')
        require(self.edge_max_distance is None or 0 < self.edge_max_distance < 1,
                'edge_max_distance', self.edge_max_distance,
                'None or a share of the diagonal between 0 and 1')
        require(self.edge_thresholds >= 1, 'edge_thresholds', self.edge_thresholds, '1 or more')


ROOMS_RULES = MetricRules()

_RULES = {
    'rooms': ROOMS_RULES,
    'nyud': MetricRules(semseg_mean='all', edge_max_distance=0.011),
    'pascal': MetricRules(semseg_mean='all', edge_max_distance=0.0075),
    'folder': MetricRules(),
}


def metric_rules(dataset: str) -> MetricRules:
    """Return the rules of a data set by its name; raise ConfigError for an unknown one."""
    require(dataset in _RULES, 'dataset', dataset, f'one of {", ".join(_RULES)}')
    return _RULES[dataset]
