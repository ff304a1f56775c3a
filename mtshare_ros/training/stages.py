"""The stages of the method: what each goes on from, what it trains, and on what."""

from dataclasses import dataclass

BASE, SUB, SINGLE, MULTI = 'base', 'sub-task', 'single', 'multi'


@dataclass(frozen=True)
class Stage:
    """
    One stage.

    ``role`` says whose network is trained. ``follows`` are stages whose result this one goes on
    from: the first that the recipe has; none: it starts from the recipe's initial weights.
    ``frozen_stem`` keeps the features that all tasks share as they are. ``learns_support``: which
    delta weights differ from zero is learnt here; elsewhere a sub-task's support stays.
    ``films``: the engine's gates act in the forward pass, on short films. ``kept_features``: the
    backbone is frozen, so its features of every image are computed once and kept.
    """

    name: str
    role: str
    follows: tuple[str, ...] = ()
    frozen_stem: bool = False
    learns_support: bool = False
    films: bool = False
    kept_features: bool = False

    @property
    def all_tasks(self) -> bool:
        """Whether one run trains all tasks together."""
        return self.role == MULTI

    def tasks_of(self, tasks: tuple[str, ...], task: str) -> tuple[str, ...]:
        """Return the tasks of the network that is trained for ``task``."""
        if self.role == MULTI:
            return tasks
        return (tasks[0], task) if self.role == SUB else (task,)

    def trained_for(self, tasks: tuple[str, ...]) -> tuple[str, ...]:
        """Return which tasks the stage has a run for; the first of ``tasks`` is the base task."""
        if self.role in (BASE, MULTI):
            return tasks[:1]
        return tasks[1:]  # the stage ``base`` is the single-task training of the base task


STAGES = {
    stage.name: stage for stage in (
        Stage('base', BASE),
        Stage('base-temporal', BASE, follows=('base',), frozen_stem=True, films=True),
        Stage('delta-weights', SUB, follows=('base-temporal', 'base'), frozen_stem=True,
              learns_support=True),
        Stage('delta-tune', SUB, follows=('delta-weights',), frozen_stem=True),
        Stage('delta-activations', SUB, follows=('delta-tune', 'delta-weights'),
              frozen_stem=True, films=True),
        Stage('single-task', SINGLE),
        Stage('multi-task', MULTI),
        Stage('heads', MULTI, kept_features=True),
    )
}
"""All stages by name, in the order they are run."""
