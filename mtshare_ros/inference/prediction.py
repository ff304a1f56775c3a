"""The result of one frame."""

from dataclasses import dataclass, field

import numpy as np

from mtshare_ros.model.framing import Framing
from mtshare_ros.tasks import ordered, TASKS


@dataclass(frozen=True)
class InferenceSettings:
    """
    What one call of the engine computes.

    ``tasks`` are task ids in any order; what is not named is not computed.
    """

    tasks: tuple[str, ...] = tuple(TASKS)

    def __post_init__(self) -> None:
        """Bring the tasks into canonical order; raise ConfigError for an unknown one."""
        object.__setattr__(self, 'tasks', ordered(self.tasks))


@dataclass(frozen=True)
class FrameStats:
    """Milliseconds one frame took: in all, and by stage in the order they ran."""

    total_ms: float
    stage_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """
    The maps of one frame, each (H, W) of the engine's input size, or None where not computed.

    ``framing`` says which part of the camera image they cover. The arrays belong to the caller.
    """

    framing: Framing
    stats: FrameStats
    image: np.ndarray | None = None
    """(H, W, 3) uint8 RGB, what the network saw; a view of the frame where nothing was resized."""
    mask: np.ndarray | None = None
    """(H, W) uint8 class ids; 255 is unlabelled."""
    confidence: np.ndarray | None = None
    """(H, W) uint8, probability of the chosen class x 255."""
    depth: np.ndarray | None = None
    """(H, W) float32 z-depth in metres; NaN is invalid."""
    normals: np.ndarray | None = None
    """(H, W, 3) float32 unit vectors, optical frame (x right, y down, z forward); NaN invalid."""
    edges: np.ndarray | None = None
    """(H, W) uint8, edge probability x 255."""
