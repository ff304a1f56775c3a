"""The stages of the method, and how each trains; every default of the training is set here."""

from dataclasses import dataclass, field

from mtshare_ros.config import require
from mtshare_ros.model.architecture import check_input_size

GRANULARITIES = ('element', 'row', 'block')
SCHEDULES = ('cosine', 'polynomial')
PRECISIONS = ('auto', 'fp32', 'bf16')

BASE, SUB, SINGLE, MULTI = 'base', 'sub-task', 'single', 'multi'


@dataclass(frozen=True)
class Phase:
    """
    A part of a stage, at one image size.

    The frames are shrunk by ``downscale`` and randomly cropped to ``input_size`` (height, width);
    small images first show the network several times as many in the same time. ``images`` counts
    images, or clips where the stage learns from clips; ``batch_size`` is the sum of all processes.
    """

    input_size: tuple[int, ...]
    batch_size: int
    images: int
    downscale: int = 1

    def __post_init__(self) -> None:
        """Raise ConfigError for a size the network does not take and where there is no step."""
        check_input_size(self.input_size)
        for name in ('batch_size', 'images', 'downscale'):
            require(getattr(self, name) >= 1, name, getattr(self, name), '1 or more')
        require(self.images >= self.batch_size, 'images', self.images,
                f'batch_size = {self.batch_size} or more, so that there is a step')

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.input_size[0], self.input_size[1]

    @property
    def steps(self) -> int:
        """Optimiser steps of the phase."""
        return self.images // self.batch_size


@dataclass(frozen=True)
class OptimizerConfig:
    """
    AdamW with a linear warm-up, then a cosine or a polynomial (power 0.9) to zero.

    ``layer_decay`` multiplies the learning rate once for every block between a weight and the
    heads. Matrices decay by ``weight_decay``, delta weights by ``delta_decay``, vectors not.
    """

    learning_rate: float = 1e-3
    warmup_steps: int = 150
    weight_decay: float = 0.05
    delta_decay: float = 1e-6
    layer_decay: float = 1.0
    gradient_clip: float = 3.0
    ema_decay: float = 0.998
    schedule: str = 'cosine'

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown schedule."""
        require(self.schedule in SCHEDULES, 'schedule', self.schedule,
                f'one of {", ".join(SCHEDULES)}')


@dataclass(frozen=True)
class DeltaConfig:
    """
    How sparse delta weights are learnt (hard-concrete L0 gates).

    ``granularity``: a gate for each ``element`` (the paper's), output ``row`` or ``block`` of
    16 x 16 weights. ``penalty`` is a constant weight on the expected number of delta weights (the
    paper's lambda). If it is 0, training aims at a ``density``, the share of a transformer block's
    linear weights that may differ: the allowed share falls to it over the first ``anneal`` of the
    steps, and only the gates of the smallest deltas beyond that share are penalised.
    """

    granularity: str = 'row'
    density: float = 0.08
    penalty: float = 0.0
    anneal: float = 0.6
    initial_log_alpha: float = 5.0
    gate_learning_rate: float = 0.1

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown granularity and for numbers out of range."""
        require(self.granularity in GRANULARITIES, 'granularity', self.granularity,
                f'one of {", ".join(GRANULARITIES)}')
        require(0 < self.density <= 1, 'density', self.density, 'above 0, at most 1')
        require(self.penalty >= 0, 'penalty', self.penalty, '0 or more')
        require(0 <= self.anneal <= 1, 'anneal', self.anneal, '0 to 1')


@dataclass(frozen=True)
class GateConfig:
    """
    The engine's gates in the forward pass, and the penalty of tokens that they let pass.

    The factors scale the network's default thresholds. ``temporal_penalty`` and ``task_penalty``
    weigh the mean over tokens of how far a token's distance exceeds its threshold, relative to the
    spread of the block's tokens: a group norm over a token's channels with a hinge.
    """

    temporal_threshold: float = 1.0
    task_threshold: float = 1.0
    temporal_penalty: float = 0.02
    task_penalty: float = 0.1

    def __post_init__(self) -> None:
        """Raise ConfigError for negative numbers."""
        for name in ('temporal_threshold', 'task_threshold', 'temporal_penalty', 'task_penalty'):
            require(getattr(self, name) >= 0, name, getattr(self, name), '0 or more')


@dataclass(frozen=True)
class StagePlan:
    """
    How long and with which settings a stage trains.

    ``delta`` and ``gates`` matter only for stages that learn delta weights or train on clips.
    ``rounds`` is how often a stage on kept features sees each image; in other stages the phases
    decide it.
    """

    phases: tuple[Phase, ...]
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    delta: DeltaConfig = field(default_factory=DeltaConfig)
    gates: GateConfig = field(default_factory=GateConfig)
    rounds: int = 1

    def __post_init__(self) -> None:
        """Raise ConfigError where there is no phase."""
        require(bool(self.phases), 'phases', list(self.phases), 'one or more')
        require(self.rounds >= 1, 'rounds', self.rounds, '1 or more')

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole stage."""
        return sum(phase.steps for phase in self.phases) * self.rounds

    @property
    def items(self) -> int:
        """The number of images or clips that the whole stage sees."""
        return sum(phase.steps * phase.batch_size for phase in self.phases)


@dataclass(frozen=True)
class DataConfig:
    """
    The training data.

    ``name``: ``rooms`` (this package renders ``frames`` frames and ``clips`` clips of (height,
    width)), or ``nyud``, ``pascal``, ``folder``, read from ``mtshare train --root``. ``varied`` is
    the share of rooms with other paint, light and cameras, for models to be used elsewhere.
    """

    name: str = 'rooms'
    frames: int = 12000
    clips: int = 1600
    height: int = 240
    width: int = 320
    varied: float = 0.0

    def __post_init__(self) -> None:
        """Raise ConfigError for a share beyond 1."""
        require(0 <= self.varied <= 1, 'varied', self.varied, '0 to 1, a share of the rooms')


@dataclass(frozen=True)
class LossConfig:
    """A loss and a weight of a task; empty and 0 keep those of its specification."""

    loss: str = ''
    weight: float = 0.0


@dataclass(frozen=True)
class Stage:
    """
    One stage.

    ``role`` says whose network is trained. The stage continues the first of the stages ``follows``
    that the recipe has; without one it starts from the recipe's initial weights.
    ``frozen_stem`` keeps the stem, whose features all tasks share, unchanged. ``learns_support``:
    the stage learns which delta weights differ from zero; in other stages these stay the same.
    ``clips``: the engine's gates act in the forward pass, on short clips. ``kept_features``: the
    backbone is frozen, so its features of every image are computed once and stored.
    """

    name: str
    role: str
    follows: tuple[str, ...] = ()
    frozen_stem: bool = False
    learns_support: bool = False
    clips: bool = False
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
        """Return the tasks with a run of this stage; the first of ``tasks`` is the base task."""
        if self.role in (BASE, MULTI):
            return tasks[:1]
        return tasks[1:]  # the stage ``base`` is the single-task training of the base task


STAGES = {
    stage.name: stage for stage in (
        Stage('base', BASE),
        Stage('base-temporal', BASE, follows=('base',), frozen_stem=True, clips=True),
        Stage('delta-weights', SUB, follows=('base-temporal', 'base'), frozen_stem=True,
              learns_support=True),
        Stage('delta-tune', SUB, follows=('delta-weights',), frozen_stem=True),
        Stage('delta-activations', SUB, follows=('delta-tune', 'delta-weights'),
              frozen_stem=True, clips=True),
        Stage('single-task', SINGLE),
        Stage('multi-task', MULTI),
        Stage('heads', MULTI, kept_features=True),
    )
}
"""All stages by name, in the order they are run."""
