"""What of the maps of two models can be compared, and what is left out."""

from dataclasses import dataclass
import math
from typing import Iterable

import numpy as np

from mtshare_ros.errors import ConfigError
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.tasks import LabelSet, ordered, UNLABELLED


@dataclass(frozen=True)
class Difference:
    """
    How the differences of a task's maps are called and written: times ``factor``, with a unit.

    ``scale`` is what a frame's score counts as a whole unit of it, see ``Disagreement.score``.
    """

    name: str
    unit: str
    factor: float
    scale: float

    def written(self, value: float) -> str:
        """Return a difference with its unit."""
        return f'{value * self.factor:.2f}{"" if self.unit == "°" else " "}{self.unit}'


DIFFERENCES = {
    'semseg': Difference('pixels of another class', '%', 100.0, 1.0),
    'depth': Difference('median difference of depth', '%', 100.0, math.log(2)),
    'normals': Difference('mean angle between normals', '°', 1.0, 90.0),
    'edge': Difference('mean difference of edge probability', '%', 100.0, 1.0),
}
"""By task."""


@dataclass(frozen=True)
class CommonClasses:
    """
    The classes that two label sets both name, in the order of the first.

    ``first`` and ``second`` (256,) uint8 turn class ids into numbers of ``names``, and ids of
    other classes into UNLABELLED.
    """

    names: tuple[str, ...]
    first: np.ndarray
    second: np.ndarray

    @classmethod
    def of(cls, first: LabelSet, second: LabelSet) -> 'CommonClasses':
        """Match classes by name; capital letters and spaces at the ends do not count."""
        known = {name.strip().casefold() for name in second.names}
        names = tuple(name for name in first.names if name.strip().casefold() in known)
        numbers = {name.strip().casefold(): number for number, name in enumerate(names)}
        tables = [np.full(256, UNLABELLED, np.uint8) for _ in range(2)]
        for table, labels in zip(tables, (first, second)):
            for number, name in enumerate(labels.names):
                table[number] = numbers.get(name.strip().casefold(), UNLABELLED)
        return cls(names, *tables)

    def left_out(self, first: LabelSet, second: LabelSet) -> tuple[tuple[str, ...], ...]:
        """Return the names that only the first has, and those that only the second has."""
        return tuple(
            tuple(name for number, name in enumerate(labels.names) if table[number] == UNLABELLED)
            for labels, table in ((first, self.first), (second, self.second)))


@dataclass(frozen=True)
class NamedModel:
    """A model's name and description."""

    name: str
    description: ModelDescription

    @property
    def relative_depth(self) -> bool:
        """Whether its depth has no unit."""
        return self.description.architecture.relative_depth


@dataclass(frozen=True)
class Comparable:
    """
    The tasks whose maps can be compared, and the classes that both models have.

    ``notices`` say what is left out, one line each.
    """

    tasks: tuple[str, ...]
    classes: CommonClasses
    notices: tuple[str, ...]

    @classmethod
    def of(cls, first: NamedModel, second: NamedModel, tasks: Iterable[str]) -> 'Comparable':
        """
        Return what can be compared of some tasks of the first model.

        Raises ConfigError where that is nothing.
        """
        wanted = tuple(task for task in ordered(tasks) if task in DIFFERENCES)
        classes = CommonClasses.of(first.description.labels, second.description.labels)
        notices = _notices(first, second, wanted, classes)
        possible = {'semseg': bool(classes.names),
                    'depth': not (first.relative_depth or second.relative_depth)}
        compared = tuple(task for task in wanted if task in second.description.tasks
                         and possible.get(task, True))
        if not compared:
            raise ConfigError(
                f'--compare is {second.name!r}, which cannot be compared with {first.name!r}: '
                f'{"; ".join(notices)}; give a model that has a task of {", ".join(wanted)}')
        return cls(compared, classes, notices)


def _notices(
    first: NamedModel, second: NamedModel, tasks: tuple[str, ...], classes: CommonClasses
) -> tuple[str, ...]:
    """Return what is left out of the comparison, one line each."""
    both = [task for task in tasks if task in second.description.tasks]
    lines = [f'{second.name} has no {task}' for task in tasks if task not in both]
    labels = first.description.labels, second.description.labels
    if 'semseg' in both and not classes.names:
        lines.append(f'no class of {second.name} has the name of one of {first.name}, so classes '
                     'are not compared')
    elif 'semseg' in both:
        lines += [f'only {model.name} has the classes {", ".join(names)}: their pixels are not '
                  'compared'
                  for model, names in zip((first, second), classes.left_out(*labels)) if names]
    relative = [model.name for model in (first, second) if model.relative_depth]
    if 'depth' in both and relative:
        lines.append(f'the depth of {" and ".join(relative)} is relative, so depth is not '
                     'compared')
    return tuple(lines)
