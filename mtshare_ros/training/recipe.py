"""A recipe: one file with everything that decides the result of a training."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from mtshare_ros.config import load_config, require
from mtshare_ros.model.architecture import ArchitectureConfig, check_input_size
from mtshare_ros.tasks import DEFAULT_TASKS, ordered
from mtshare_ros.training.losses import check_losses
from mtshare_ros.training.stage_config import (
    BASE,
    DataConfig,
    LossConfig,
    PRECISIONS,
    Stage,
    StagePlan,
    STAGES,
    SUB,
)


@dataclass(frozen=True)
class Recipe:
    """
    Data, network and stages of a family of models.

    The first of the ``tasks`` is the base task, the others are sub-tasks. Every base and baseline
    starts from the weights ``initial``: the name of a shipped model, a model file, or a source of
    ``mtshare import``; from random weights where it is empty.
    """

    stages: dict[str, StagePlan]
    architecture: ArchitectureConfig = field(default_factory=ArchitectureConfig)
    data: DataConfig = field(default_factory=DataConfig)
    tasks: tuple[str, ...] = DEFAULT_TASKS
    labels: str = 'nyu40'
    initial: str = ''
    losses: dict[str, LossConfig] = field(default_factory=dict)
    precision: str = 'auto'
    seed: int = 0
    save_every_steps: int = 200
    validate_every_steps: int = 500
    validation_views: int = 48

    def __post_init__(self) -> None:
        """Raise ConfigError for unknown names and for stages that cannot work."""
        object.__setattr__(self, 'tasks', ordered(self.tasks))
        for name in self.stages:
            require(name in STAGES, 'stages', name, f'any of {", ".join(STAGES)}')
            self._check(STAGES[name])
        for task in self.losses:
            require(task in self.tasks, 'losses', task, f'any of {", ".join(self.tasks)}')
        check_losses(self.losses)
        require(self.precision in PRECISIONS, 'precision', self.precision,
                f'one of {", ".join(PRECISIONS)}: float16 would need its losses scaled')

    def _check(self, stage: Stage) -> None:
        depth, shared = self.architecture.depth, self.architecture.shared_blocks
        require(stage.role != SUB or self.architecture.shared_depth < depth,
                'shared_blocks', shared, f'0 to {depth - 1} with the stage {stage.name}: a '
                'sub-task learns in blocks of its own')
        self._check_kept(stage)
        for phase in self.stages[stage.name].phases:
            check_input_size(phase.input_size, self.architecture.patch_size)
            require(phase.downscale == 1 or not stage.clips, f'{stage.name}: downscale',
                    phase.downscale, '1: clips are not shrunk, because that removes the noise '
                    'which the gates have to learn')
            largest = (self.data.height // phase.downscale, self.data.width // phase.downscale)
            rendered_larger = self.data.name == 'rooms' and not stage.kept_features
            require(not rendered_larger or phase.size[0] <= largest[0]
                    and phase.size[1] <= largest[1], f'{stage.name}: input_size',
                    list(phase.size), f'up to the rendered size, {list(largest)} when shrunk')

    def _check_kept(self, stage: Stage) -> None:
        """Check that a stage on kept features has a backbone, and images of its phases' sizes."""
        plan = self.stages[stage.name]
        require(stage.kept_features or plan.rounds == 1, f'{stage.name}: rounds', plan.rounds,
                '1: only a stage on kept features sees its images in rounds; raise images')
        if not stage.kept_features:
            return
        require(bool(self.initial), 'initial', self.initial,
                f'the weights of a backbone: the stage {stage.name} learns heads on it')
        require(self.architecture.stem == 'patch', 'architecture.stem', self.architecture.stem,
                f'patch with the stage {stage.name}: heads of other stems read the image as well')
        require(self.data.name != 'rooms' or all(phase.downscale == 1 for phase in plan.phases),
                f'{stage.name}: downscale', [phase.downscale for phase in plan.phases],
                '1 on rooms, which are rendered at the size of the phase')
        require(len(set(plan.phases)) == len(plan.phases), f'{stage.name}: phases',
                [list(phase.size) for phase in plan.phases], 'phases that differ')

    @property
    def base_task(self) -> str:
        """The task whose encoder the sub-tasks build on."""
        return self.tasks[0]

    @property
    def sub_tasks(self) -> tuple[str, ...]:
        """The tasks with delta weights."""
        return self.tasks[1:]


@dataclass(frozen=True)
class StageRun:
    """One stage of a recipe for one task: one run of a trainer."""

    recipe: Recipe
    stage: Stage
    task: str

    @property
    def plan(self) -> StagePlan:
        """How long and with which settings the stage trains."""
        return self.recipe.stages[self.stage.name]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks of the network, the base of its encoders first."""
        return self.stage.tasks_of(self.recipe.tasks, self.task)

    @property
    def trained(self) -> tuple[str, ...]:
        """The tasks that are trained."""
        return self.tasks if self.stage.all_tasks else (self.task,)

    @property
    def shared_blocks(self) -> int:
        """The number of shared blocks; only networks with a sub-task share fewer than all."""
        return self.recipe.architecture.shared_blocks if self.stage.role == SUB else -1

    @property
    def folder(self) -> str:
        """The folder of the run below the recipe's output."""
        return self.stage.name if self.stage.all_tasks else f'{self.task}/{self.stage.name}'

    @property
    def source(self) -> 'StageRun | None':
        """The run that this one continues, None where it starts a network."""
        name = next((name for name in self.stage.follows if name in self.recipe.stages), None)
        if name is None:
            return None
        task = self.recipe.base_task if STAGES[name].role == BASE else self.task
        return StageRun(self.recipe, STAGES[name], task)

    @property
    def images(self) -> int:
        """The images of the run itself; a clip counts twice, for its last two frames."""
        return self.plan.items * (2 if self.stage.clips else 1)

    @property
    def images_in_all(self) -> int:
        """The images of the run and of the stages that it continues."""
        return self.images + (self.source.images_in_all if self.source else 0)

    def described(self) -> 'StageRun':
        """Return the run with a recipe of only the stages that its result depends on."""
        kept = {self.stage.name: self.plan}
        source = self.source
        while source is not None:
            kept[source.stage.name] = source.plan
            source = source.source
        return replace(self, recipe=replace(self.recipe, stages=kept))


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; raise ConfigError naming file and key."""
    return load_config(path, Recipe)


def runs_of(recipe: Recipe, stage: str, task: str = '') -> list[StageRun]:
    """
    Return the runs of a stage and a task, each after the runs that it continues.

    ``stage`` ``all`` means every stage of the recipe; an empty ``task`` means every task of the
    stage. Raises ConfigError where there is no such run.
    """
    require(stage == 'all' or stage in recipe.stages, 'stage', stage,
            f'all or any of {", ".join(recipe.stages)}')
    require(not task or task in recipe.tasks, 'task', task, f'any of {", ".join(recipe.tasks)}')
    names = [name for name in STAGES if name in recipe.stages and stage in ('all', name)]
    runs = [StageRun(recipe, STAGES[name], of) for name in names
            for of in STAGES[name].trained_for(recipe.tasks) if task in ('', of)]
    runs.sort(key=lambda run: _order(recipe, run))
    require(bool(runs), 'task', task, f'a task that the stage {stage} trains')
    return runs


def _order(recipe: Recipe, run: StageRun) -> tuple[int, int]:
    """Sort the base first, then each sub-task through its stages, then the baselines."""
    number = list(STAGES).index(run.stage.name)
    if run.stage.role == SUB:
        return recipe.tasks.index(run.task), number
    return (0 if run.stage.role == BASE else len(recipe.tasks)), number
