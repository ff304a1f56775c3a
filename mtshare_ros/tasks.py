"""What the network predicts: one specification per task, free of torch and ROS."""

from dataclasses import dataclass
from typing import Iterable

from mtshare_ros.errors import ConfigError

UNLABELLED = 255
"""Label of pixels without a class, in masks and in ground truth."""


@dataclass(frozen=True)
class TaskSpec:
    """
    One task as the decode heads, losses, metrics and topics see it.

    ``channels`` is the width of the head's raw output, 0 where the label set decides it.
    ``encoding`` says what the raw output means: ``class_logits``, ``log_metres`` (natural
    logarithm of the z-depth), ``direction`` (an unnormalised vector in the optical frame) or
    ``logit``. ``map`` is the field of ``Prediction`` that holds the task's map, or the key in its
    ``other``; ``truth`` is the attribute of ``Truth`` that the map is compared with.
    """

    name: str
    ros_name: str
    channels: int
    encoding: str
    loss: str
    loss_weight: float
    metric: str
    higher_is_better: bool
    map: str
    truth: str


TASKS = {
    spec.name: spec
    for spec in (
        TaskSpec('semseg', 'semantic', 0, 'class_logits', 'cross_entropy', 1.0, 'miou', True,
                 'mask', 'labels'),
        TaskSpec('depth', 'depth', 1, 'log_metres', 'log_l1', 2.0, 'rmse', False,
                 'depth', 'depth'),
        TaskSpec('normals', 'normals', 3, 'direction', 'cosine', 3.0, 'mean', False,
                 'normals', 'normals'),
        TaskSpec('edge', 'edges', 1, 'logit', 'balanced_bce', 5.0, 'f', True,
                 'edges', 'edges'),
        TaskSpec('human_parts', 'human_parts', 7, 'class_logits', 'cross_entropy', 2.0, 'miou',
                 True, 'human_parts', 'human_parts'),
        TaskSpec('saliency', 'saliency', 1, 'logit', 'balanced_bce', 5.0, 'maxf', True,
                 'saliency', 'saliency'),
    )
}
"""The built-in tasks by task id. Python and checkpoints use the id, topics the ROS name."""

DEFAULT_TASKS = ('semseg', 'depth', 'normals', 'edge')
"""The tasks of a model unless others are named, and those that the perception node publishes."""


def get_task(name: str) -> TaskSpec:
    """Return the specification of a task id; raise ConfigError for an unknown one."""
    try:
        return TASKS[name]
    except KeyError:
        raise ConfigError(
            f'unknown task {name!r}; known tasks are {", ".join(TASKS)}'
        ) from None


def channels_of(task: TaskSpec, label_count: int) -> int:
    """Return the width of a task's raw output for a label set of ``label_count`` classes."""
    return task.channels or label_count


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Return task ids in the canonical order, each once; raise ConfigError for an unknown one."""
    wanted = {get_task(name).name for name in names}
    return tuple(name for name in TASKS if name in wanted)
