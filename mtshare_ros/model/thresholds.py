"""How much a token may change before the sharing engine computes it again."""

from dataclasses import dataclass
import math

from mtshare_ros.config import require
from mtshare_ros.model.architecture import ArchitectureConfig

DEFAULT_TEMPORAL = 0.1
DEFAULT_TASK = 0.05
"""For models nobody calibrated: small against the spread of the tokens, not against noise."""


@dataclass(frozen=True)
class TaskThresholds:
    """
    One task's thresholds, one number for each block of the network.

    Relative to the root mean square of the norms of the block's input rows at the last dense
    frame, so a number means the same in every block and every network; 0: no gate at this block.
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


def default_thresholds(architecture: ArchitectureConfig) -> TaskThresholds:
    """Return thresholds to begin with where a model has none: alike in all blocks."""
    prefix, depth = architecture.prefix, architecture.depth
    return TaskThresholds((DEFAULT_TEMPORAL,) * depth,
                          (0.0,) * prefix + (DEFAULT_TASK,) * (depth - prefix))
