"""The tasks of the network, and the label sets of the tasks that have classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

import numpy as np
import yaml

from mtshare_ros.config import require
from mtshare_ros.errors import ConfigError
from mtshare_ros.file_paths import share_directory

UNLABELLED = 255
"""Label of pixels without a class, in masks and in ground truth."""

DEFAULT_TASKS = ('semseg', 'depth', 'normals', 'edge')
"""The tasks of a model unless others are named, and those that the perception node publishes."""


@dataclass(frozen=True)
class TaskSpec:
    """
    One task: the raw output of its decode head, its loss, its metric, and its names.

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


@dataclass(frozen=True)
class LabelSet:
    """
    At most 255 class names in the order of their ids, and one RGB colour (0-255) each.

    Both are empty for a model without classes.
    """

    name: str
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        """Raise ConfigError for more names than 8 bits can number, and for wrong colours."""
        require(len(self.names) <= 255, 'the number of names', len(self.names), '255 at most')
        require(len(self.colors) == len(self.names), 'the number of colors', len(self.colors),
                f'{len(self.names)}, one for each name')
        for color in self.colors:
            require(len(color) == 3 and all(0 <= level <= 255 for level in color), 'a color',
                    list(color), 'three numbers from 0 to 255')

    def __len__(self) -> int:
        return len(self.names)

    def palette(self) -> np.ndarray:
        """Return the colours as a (256, 3) uint8 table; ids without a class are black."""
        table = np.zeros((256, 3), np.uint8)
        table[:len(self)] = np.reshape(self.colors, (-1, 3))
        return table


def load_labels(name: str) -> LabelSet:
    """Load ``config/labels/<name>.yaml``; raise ConfigError where it is missing or malformed."""
    folder = share_directory() / 'config' / 'labels'
    path = folder / f'{name}.yaml'
    if not path.is_file():
        known = ', '.join(sorted(file.stem for file in folder.glob('*.yaml')))
        raise ConfigError(f'no label set {name!r} in {folder}; there are: {known}')
    return read_labels(path)


def read_labels(path: Path) -> LabelSet:
    """Read a label file: a list of ``{id, name, rgb}`` whose ids count up from 0."""
    rows = yaml.safe_load(path.read_text(encoding='utf-8'))
    try:
        ids = [row['id'] for row in rows]
        names = tuple(str(row['name']) for row in rows)
        colors = tuple((int(r), int(g), int(b)) for r, g, b in (row['rgb'] for row in rows))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f'{path}: every label needs id, name and rgb (three numbers 0-255): {error!r}'
        ) from error
    if ids != list(range(len(ids))) or len(ids) > 255:
        raise ConfigError(f'{path}: ids must count up from 0 to at most 254, found {ids}')
    return LabelSet(path.stem, names, colors)
