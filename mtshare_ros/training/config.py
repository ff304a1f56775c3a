"""What a training run is: everything that decides its result, in one file."""

from dataclasses import dataclass, field

from mtshare_ros.model.architecture import ArchitectureConfig, check_input_size
from mtshare_ros.tasks import ordered, TASKS


@dataclass(frozen=True)
class Phase:
    """
    A stretch of training at one image size.

    The frames are shrunk by ``downscale`` and randomly cropped to ``input_size``; starting small
    sees several times as many images in the same time.
    """

    input_size: tuple[int, ...]
    downscale: int
    batch_size: int
    images: int

    def __post_init__(self) -> None:
        """Raise ConfigError for a size the network does not take."""
        check_input_size(self.input_size)

    @property
    def steps(self) -> int:
        """Optimiser steps of the phase."""
        return self.images // self.batch_size


@dataclass(frozen=True)
class RoomsConfig:
    """How many training frames of procedural rooms are rendered, and their size in pixels."""

    frames: int = 12000
    height: int = 240
    width: int = 320


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW with a linear warm-up and a cosine to zero."""

    learning_rate: float = 1e-3
    warmup_steps: int = 150
    weight_decay: float = 0.05
    gradient_clip: float = 3.0
    ema_decay: float = 0.998


@dataclass(frozen=True)
class TrainingConfig:
    """One training run."""

    phases: tuple[Phase, ...]
    architecture: ArchitectureConfig = field(default_factory=ArchitectureConfig)
    tasks: tuple[str, ...] = tuple(TASKS)
    labels: str = 'nyu40'
    rooms: RoomsConfig = field(default_factory=RoomsConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    precision: str = 'bf16'
    seed: int = 0
    save_every_steps: int = 200
    validate_every_steps: int = 500
    validation_views: int = 48

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown task."""
        object.__setattr__(self, 'tasks', ordered(self.tasks))

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return sum(phase.steps for phase in self.phases)
