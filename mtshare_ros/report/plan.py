"""What a report is about: the networks that a recipe trains, and what each of them saw."""

from dataclasses import dataclass
from typing import Mapping

INITIAL, SHARED = 'initial', 'shared'
"""The weights that every training starts from, and the model of all tasks that comes out."""

MULTI_TASK = 'multi-task'


@dataclass(frozen=True)
class TrainedRun:
    """
    One stage of a recipe for one task.

    ``folder`` is where training keeps it, ``tasks`` are those that learnt. ``images`` are those
    that the run itself saw; ``images_in_all`` counts the stages before it too.
    """

    folder: str
    stage: str
    tasks: tuple[str, ...]
    images: int
    images_in_all: int
    baseline: bool

    @property
    def name(self) -> str:
        """What its file of figures is called."""
        return self.folder.replace('/', '-')


@dataclass(frozen=True)
class ReportPlan:
    """
    Everything but the figures.

    ``recipe``, ``folder`` (of the figures) and ``output`` are paths as they were given. The first
    of the ``tasks`` is the base task. ``initial`` names the weights that training starts from.
    ``contenders`` describes those of the benchmark by name. ``pictures`` are links by name.
    """

    recipe: str
    folder: str
    output: str
    tasks: tuple[str, ...]
    runs: tuple[TrainedRun, ...]
    initial: str
    contenders: Mapping[str, str]
    pictures: Mapping[str, str]

    @property
    def sub_tasks(self) -> tuple[str, ...]:
        """The tasks with delta weights."""
        return self.tasks[1:]

    @property
    def names(self) -> tuple[str, ...]:
        """All networks that there can be figures of."""
        return (INITIAL, *(run.name for run in self.runs), SHARED)

    def network_of(self, file: str) -> str | None:
        """Return the network that a file is of, by its name or the name's beginning."""
        found = [name for name in self.names if f'{file}-'.startswith(f'{name}-')]
        return max(found, key=len, default=None)

    def reference_of(self, task: str) -> str:
        """Return the network that was trained for a task alone: for the base task, its base."""
        return f'{task}-base' if task == self.tasks[0] else f'{task}-single-task'

    def images_of(self, task: str) -> int:
        """Return the images that led to a task of the shared model."""
        return max((run.images_in_all for run in self.runs
                    if task in run.tasks and not run.baseline), default=0)

    def images_of_baseline(self, name: str) -> int | None:
        """Return the images that a baseline saw, None where the recipe has none of that name."""
        return next((run.images_in_all for run in self.runs
                     if run.baseline and run.name == name), None)
