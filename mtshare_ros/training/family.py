"""The stages of a recipe on disk: what is finished, what comes next, the model of all tasks."""

from dataclasses import dataclass
from pathlib import Path

from mtshare_ros.errors import TrainingError
from mtshare_ros.model.assembling import assemble
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint
from mtshare_ros.training.recipe import Recipe, StageRun
from mtshare_ros.training.run_directory import RunDirectory
from mtshare_ros.training.stages import BASE, STAGES, SUB


@dataclass(frozen=True)
class Family:
    """The runs of a recipe below one folder."""

    recipe: Recipe
    path: Path

    def directory(self, run: StageRun) -> RunDirectory:
        """Return where a run keeps what it makes."""
        return RunDirectory(self.path / run.folder)

    def start_of(self, run: StageRun) -> Path | None:
        """
        Return the model that a run goes on from, None where it starts a network.

        Raises TrainingError where the stage before has not come to its end.
        """
        if run.source is None:
            return None
        before = self.directory(run.source)
        if not before.finished:
            raise TrainingError(
                f'{before.path}: the stage {run.source.stage.name} of {run.source.task}, which '
                f'{run.stage.name} goes on from, is not finished; train it first '
                f'(--stage {run.source.stage.name} --task {run.source.task}), or all in order '
                '(--stage all)')
        return before.model

    def assembled(self) -> Checkpoint:
        """
        Return one model of the base task and all sub-tasks, each after its last stage.

        Raises TrainingError where one is not finished, ModelError where they do not fit.
        """
        recipe = self.recipe
        base = self._result(recipe.base_task, BASE)
        sub_tasks = {task: self._result(task, SUB) for task in recipe.sub_tasks}
        return assemble(base, sub_tasks, trained_on=base.description.trained_on.split(',')[0]
                        + ' for the base task, then sub-tasks; see the recipe')

    def is_complete(self) -> bool:
        """Tell whether a model of all tasks can be assembled."""
        runs = [self._last(task, SUB) for task in self.recipe.sub_tasks]
        runs.append(self._last(self.recipe.base_task, BASE))
        return bool(self.recipe.sub_tasks) and all(
            run is not None and self.directory(run).finished for run in runs)

    def _result(self, task: str, role: str) -> Checkpoint:
        run = self._last(task, role)
        if run is None or not self.directory(run).finished:
            raise TrainingError(f'{self.path}: the last {role} stage of {task} is not finished; '
                                'train it first, or all in order (--stage all)')
        return load_checkpoint(self.directory(run).model)

    def _last(self, task: str, role: str) -> StageRun | None:
        """Return the last run of a task in a role, None where the recipe has none."""
        stages = [stage for stage in STAGES.values()
                  if stage.role == role and stage.name in self.recipe.stages]
        return StageRun(self.recipe, stages[-1], task) if stages else None
