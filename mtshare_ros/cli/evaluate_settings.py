"""What ``mtshare evaluate`` is asked for: words of its options, and what follows from them."""

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from mtshare_ros.cli.options import read_input_size

if TYPE_CHECKING:
    from mtshare_ros.evaluation.truth_and_rules import MetricRules
    from mtshare_ros.sharing.sharing_settings import SharingSettings


class Dataset(str, Enum):
    """What a model can be measured on."""

    ROOMS = 'rooms'
    NYUD = 'nyud'
    PASCAL = 'pascal'
    FOLDER = 'folder'


class Split(str, Enum):
    """Parts of a data set that no model was trained on."""

    VALIDATION = 'validation'
    TEST = 'test'


class Sharing(str, Enum):
    """Whether clips are computed with sharing, dense, or in both ways."""

    ON = 'on'
    OFF = 'off'
    BOTH = 'both'


class Saliency(str, Enum):
    """What the thresholds of saliency are compared with."""

    PROBABILITY = 'probability'
    INVPT = 'invpt'


def sharing_settings(
    temporal_threshold: float | None, task_threshold: float | None, refresh_period: int | None
) -> 'SharingSettings':
    """Return the settings of clips; an option that was not given has its default."""
    from mtshare_ros.sharing.sharing_settings import SharingSettings as Usual

    period = Usual.refresh_period if refresh_period is None else refresh_period
    return Usual(
        temporal_threshold=Usual.temporal_threshold if temporal_threshold is None else
        temporal_threshold,
        task_threshold=Usual.task_threshold if task_threshold is None else task_threshold,
        refresh_period=period, max_age=max(Usual.max_age, period),
        # metrics must not depend on how fast the machine computes whole frames
        crossover=1.0)


def rules_for(
    dataset: Dataset, edge_thresholds: int | None, saliency: Saliency
) -> 'MetricRules':
    """Return how the metrics of a data set are computed."""
    from mtshare_ros.evaluation.truth_and_rules import metric_rules

    rules = replace(metric_rules(dataset.value), legacy_sigmoid=saliency is Saliency.INVPT)
    return rules if edge_thresholds is None else replace(rules, edge_thresholds=edge_thresholds)


def size_for(dataset: Dataset, text: str | None, model: str) -> tuple[int, int] | None:
    """Return the (height, width) of the input; None is the model's own."""
    from mtshare_ros.evaluation.datasets import INPUT_SIZES
    from mtshare_ros.model.architecture import nearest_input_size
    from mtshare_ros.model.file_description import read_description
    from mtshare_ros.model.manifest import find_model

    if text is not None:
        return read_input_size(text)
    usual = INPUT_SIZES.get(dataset.value)
    if usual is None:
        return None
    shape = read_description(find_model(model).path).architecture
    return nearest_input_size(usual, shape.patch_size)
