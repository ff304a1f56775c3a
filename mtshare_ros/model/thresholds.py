"""How much a token may change before the sharing engine computes it again."""

from dataclasses import dataclass
import math

from mtshare_ros.config import require
from mtshare_ros.model.architecture import ArchitectureConfig

DEFAULT_TEMPORAL = 0.2
DEFAULT_TASK = 0.1
"""For models nobody calibrated: small against the spread of the tokens, not against noise."""

UNTRAINED_TEMPORAL = 0.1
"""
The same for public backbones, which never met the gates.

On videos of a street and of things held in the hand, DINOv2 with heads of ours errs 3 to 16 % less
than at 0.2 for 6 to 30 % more work; below 0.1 hardly a row drops out any more.
"""

UNTRAINED_REFRESH_PERIOD = 7
"""Frames within which such a network, on a street, stays nearer than the next dense frame is."""


@dataclass(frozen=True)
class TaskThresholds:
    """
    One task's thresholds, one number for each block of the network.

    Relative to the spread of the block's input rows (their root mean square distance from the mean
    row) at the last dense frame, so a number means the same in every block and every network; 0:
    no gate at this block.
    ``temporal`` gates rows against the task's own previous value, ``task`` against the base task;
    the latter is read above the shared prefix only.
    """

    temporal: tuple[float, ...]
    task: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise ConfigError for numbers no gate can use."""
        for name in ('temporal', 'task'):
            for block, value in enumerate(getattr(self, name)):
                require(math.isfinite(value) and value >= 0, f'{name}[{block}]', value,
                        'a finite number, 0 or more')

    def check_depth(self, depth: int, task: str) -> None:
        """Raise ConfigError unless there is one number for each of ``depth`` blocks."""
        for name in ('temporal', 'task'):
            count = len(getattr(self, name))
            require(count == depth, f'the number of {name} thresholds of {task}', count,
                    f'{depth}, one for each block')

    def scaled(self, temporal: float = 1.0, task: float = 1.0) -> 'TaskThresholds':
        """Return the thresholds times a factor for each kind."""
        return TaskThresholds(tuple(value * temporal for value in self.temporal),
                              tuple(value * task for value in self.task))


def block_profile(depth: int) -> tuple[float, ...]:
    """
    Return the thresholds of ``depth`` blocks relative to each other: 1.5 falling to 0.5, mean 1.

    A row that drops out early saves all later blocks. For rooms_vit_tiny at the same output error
    this profile does less than equal thresholds: 5 % (normals), 9 % (semseg), 22 % (edges).
    """
    middle = (depth - 1) / 2
    return tuple(1 - (block - middle) / (2 * middle) if middle else 1.0 for block in range(depth))


def never_gated(architecture: ArchitectureConfig) -> bool:
    """Tell whether a network without thresholds was trained without the gates, by others."""
    # the networks that public weights fit have a stem of one projection
    return architecture.stem == 'patch'


def default_thresholds(architecture: ArchitectureConfig) -> TaskThresholds:
    """Return thresholds to begin with where a model has none."""
    shared, depth = architecture.shared_depth, architecture.depth
    temporal = UNTRAINED_TEMPORAL if never_gated(architecture) else DEFAULT_TEMPORAL
    return TaskThresholds(tuple(temporal * value for value in block_profile(depth)),
                          (0.0,) * shared + (DEFAULT_TASK,) * (depth - shared))
