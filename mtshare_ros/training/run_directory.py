"""The folders of training runs, and the model of all tasks that is assembled from them."""

from dataclasses import dataclass, replace
import os
from pathlib import Path
import pickle
from typing import Any, Mapping

import torch
import yaml

from mtshare_ros.config import to_values
from mtshare_ros.errors import ModelError, TrainingError
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.network import build_model
from mtshare_ros.tasks import ordered
from mtshare_ros.training.recipe import Recipe, StageRun
from mtshare_ros.training.stage_config import BASE, STAGES, SUB


def assemble(
    base: Checkpoint, sub_tasks: Mapping[str, Checkpoint], *, trained_on: str = ''
) -> Checkpoint:
    """
    Return one network with the base task and every sub-task, not calibrated.

    ``base`` has one task; each checkpoint of ``sub_tasks`` has this task, exactly as it is in
    ``base``, and the one it stands for, with a branch of its own. The depth range of the result
    covers all of theirs. Raises ModelError where one was made from another base, naming the first
    tensor that differs, or has another architecture, label set or camera.
    """
    _check_tasks(base, sub_tasks)
    state = base.network.state_dict()
    for task, part in sub_tasks.items():
        _check_description(task, part.description, base.description, sub_tasks)
        own = part.network.state_dict()
        # not ``state``, which has other sub-tasks by now
        _check_base(task, own, base.network.state_dict())
        state |= {name: value for name, value in own.items()
                  if name.startswith((f'branches.{task}.', f'heads.{task}.'))}
    description = _joined(base, sub_tasks, trained_on)
    network = build_model(description.architecture, description.tasks, len(description.labels))
    network.load_state_dict(state)
    return Checkpoint(network.eval(), description)


def _check_tasks(base: Checkpoint, sub_tasks: Mapping[str, Checkpoint]) -> None:
    base_task = base.network.base_task
    if len(base.network.tasks) != 1 or not sub_tasks:
        raise ModelError(
            f'the base has the tasks {", ".join(base.network.tasks)}, and there are '
            f'{len(sub_tasks)} sub-tasks; needed are a base of one task and one sub-task or more')
    for task, part in sub_tasks.items():
        network = part.network
        if network.tasks != (base_task, task) or task not in network.branches:
            raise ModelError(
                f'{task}: its checkpoint has the tasks {", ".join(network.tasks)}, with branches '
                f'of {", ".join(network.branches) or "none"}; needed are the base task '
                f'{base_task} and {task}, with a branch of {task}')


def _check_description(
    task: str, own: ModelDescription, base: ModelDescription, sub_tasks: Mapping[str, Checkpoint]
) -> None:
    first = next(iter(sub_tasks.values())).description.architecture
    # a base task alone has no sub-tasks to share its blocks with
    shape = replace(base.architecture, shared_blocks=first.shared_blocks)
    for what, found, needed in (
            ('architecture', own.architecture, shape),
            ('labels', own.labels, base.labels),
            ('focal length', own.focal_length, base.focal_length)):
        if found != needed:
            raise ModelError(
                f'{task}: the {what} of its checkpoint is {found}, that of the others {needed}; '
                'only models of the same kind can be assembled')


def _check_base(
    task: str, own: Mapping[str, torch.Tensor], base: Mapping[str, torch.Tensor]
) -> None:
    """Compare what a file holds: floats, but not the counters of batch norms."""
    different = next((name for name, value in base.items() if value.is_floating_point()
                      and not torch.equal(value, own[name])), None)
    if different is not None:
        raise ModelError(
            f'{task}: {different} differs from that of the base, so its checkpoint was made from '
            'another base or did not keep it fixed; train it again from this one')


def _joined(
    base: Checkpoint, sub_tasks: Mapping[str, Checkpoint], trained_on: str
) -> ModelDescription:
    parts = [part.description for part in sub_tasks.values()]
    ranges = [known for item in (base.description, *parts) if (known := item.depth_range)]
    return replace(
        base.description, architecture=parts[0].architecture, thresholds={}, calibration='',
        tasks=ordered((base.network.base_task, *sub_tasks)),
        depth_range=(min(near for near, _ in ranges), max(far for _, far in ranges))
        if ranges else None,
        trained_on=trained_on)


@dataclass(frozen=True)
class RunDirectory:
    """A folder with the configuration, the resumable state, the weights and the log of one run."""

    path: Path

    @property
    def model(self) -> Path:
        """Return the file of the averaged weights."""
        return self.path / 'model.safetensors'

    @property
    def log(self) -> Path:
        """Return the folder of the TensorBoard log."""
        return self.path / 'log'

    @property
    def finished(self) -> bool:
        """Return whether the run came to its end."""
        return self._end.is_file()

    @property
    def begun(self) -> bool:
        """Return whether the folder holds a finished run, or one that can be continued."""
        return self.finished or self._state.is_file()

    def finish(self) -> None:
        """Mark the run as finished, and delete the state that an interrupted run resumes from."""
        # written first, so that an interruption leaves at least one of the two files
        self._end.write_text(
            'this stage is trained; delete the folder to train it anew\n', encoding='utf-8')
        self._state.unlink(missing_ok=True)

    def bind(self, run: StageRun) -> None:
        """Write the configuration, or check that it equals the one of the run on disk."""
        values, file = _values(run), self.path / 'config.yaml'
        if file.is_file():
            if yaml.safe_load(file.read_text(encoding='utf-8')) != values:
                raise TrainingError(
                    f'{self.path} holds a run with another configuration; compare {file}, then '
                    'name another --output or delete that folder'
                )
            return
        self.path.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(values, sort_keys=False), encoding='utf-8')

    def save_state(self, state: dict[str, Any]) -> None:
        """Replace the resumable state in one step, so that it is whole after any interruption."""
        partial = self._state.with_suffix('.partial')
        torch.save(state, partial)
        os.replace(partial, self._state)

    def load_state(self) -> dict[str, Any] | None:
        """Return the resumable state, or None for a run that has none yet."""
        if not self._state.is_file():
            return None
        try:
            # weights_only: nothing in the file is run as code
            return torch.load(self._state, weights_only=True, map_location='cpu')
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise TrainingError(
                f'{self._state}: the saved state cannot be read ({error}); delete it to start the '
                'run again'
            ) from error

    @property
    def _state(self) -> Path:
        return self.path / 'state.pt'

    @property
    def _end(self) -> Path:
        return self.path / 'finished'


def _values(run: StageRun) -> dict[str, Any]:
    """Return the configuration of a run and of the stages before it, as plain values."""
    recipe = to_values(run.described().recipe)
    return _plain({'stage': run.stage.name, 'task': run.task, **recipe})


def _plain(value: Any) -> Any:
    """Turn tuples into lists: YAML has no tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True)
class Family:
    """The runs of a recipe below one folder."""

    recipe: Recipe
    path: Path

    def directory(self, run: StageRun) -> RunDirectory:
        """Return the folder of a run."""
        return RunDirectory(self.path / run.folder)

    def start_of(self, run: StageRun) -> Path | None:
        """
        Return the model that a run continues, None where it starts a network.

        Raises TrainingError where the stage before is not finished.
        """
        if run.source is None:
            return None
        before = self.directory(run.source)
        if not before.finished:
            raise TrainingError(
                f'{before.path}: the stage {run.source.stage.name} of {run.source.task}, which '
                f'{run.stage.name} continues, is not finished; train it first '
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
