"""The engine as a side of the benchmark: the very call that the node makes."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.motion.settings import MotionSettings
from mtshare_ros.pinhole import Pinhole
from mtshare_ros.sharing.settings import SharingSettings


@dataclass(frozen=True)
class EngineWay:
    """What a side shares over time and across tasks, and what it makes of a moving camera."""

    temporal: bool
    task: bool
    motion: MotionSettings = MotionSettings()


ENGINE_SIDES = {
    'prefix': EngineWay(False, False),
    'temporal': EngineWay(True, False),
    'task': EngineWay(False, True),
    'combined': EngineWay(True, True),
}
"""
The engine for a camera at rest.

``prefix``: every frame dense, the shared blocks once for all tasks.
"""

_FUSED = MotionSettings(source='images', fusion=True)

MOTION_SIDES = {
    'dense_fused': EngineWay(False, False, _FUSED),
    'combined_fused': EngineWay(True, True, _FUSED),
    'moving': EngineWay(True, True, MotionSettings(source='images', sharing=True)),
    'moving_fused': EngineWay(True, True, replace(_FUSED, sharing=True)),
}
"""The engine for a camera whose motion it finds in the images."""


class EngineSide:
    """
    The engine with settings of its own and a session of its own.

    ``camera`` is that of the frames, None where nothing is known of it.
    """

    def __init__(
        self, name: str, engine: Engine, settings: InferenceSettings,
        camera: Pinhole | None = None,
    ) -> None:
        self.name = name
        self.form = 'the engine'
        self.session = engine.new_session()
        self._engine = engine
        self._settings = settings
        self._camera = camera

    def start(self) -> None:
        """Begin a room."""
        self.session.reset('the benchmark begins another room')

    def run(self, frame: np.ndarray) -> Prediction:
        """Compute the maps of one (H, W, 3) uint8 RGB frame."""
        return self._engine.infer(frame, self.session, self._settings, self._camera)

    def raw(self, task: str) -> torch.Tensor:
        """Return the raw output (1, C, H/4, W/4) of the last frame."""
        return self._engine.raw(self.session, task)


def make_engine_side(
    name: str, engine: Engine, tasks: tuple[str, ...], sharing: SharingSettings,
    camera: Pinhole | None = None,
) -> EngineSide:
    """Return a side of the engine by name; ``sharing`` says all that its name does not."""
    way = (ENGINE_SIDES | MOTION_SIDES)[name]
    shared = replace(sharing, temporal=way.temporal, task=way.task)
    return EngineSide(name, engine, InferenceSettings(tasks, shared, motion=way.motion), camera)
