"""The engine as a side of the benchmark: the very call that the node makes."""

from dataclasses import replace

import numpy as np
import torch

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.sharing.settings import SharingSettings

ENGINE_SIDES = {
    'prefix': (False, False),
    'temporal': (True, False),
    'task': (False, True),
    'combined': (True, True),
}
"""
What each side shares: over time, across tasks.

``prefix``: every frame dense, the shared blocks once for all tasks.
"""


class EngineSide:
    """The engine with settings of its own and a session of its own."""

    def __init__(self, name: str, engine: Engine, settings: InferenceSettings) -> None:
        self.name = name
        self.form = 'the engine'
        self.session = engine.new_session()
        self._engine = engine
        self._settings = settings

    def start(self) -> None:
        """Begin a room."""
        self.session.reset('the benchmark begins another room')

    def run(self, frame: np.ndarray) -> Prediction:
        """Compute the maps of one (H, W, 3) uint8 RGB frame."""
        return self._engine.infer(frame, self.session, self._settings)

    def raw(self, task: str) -> torch.Tensor:
        """Return the raw output (1, C, H/4, W/4) of the last frame."""
        return self._engine.raw(self.session, task)


def make_engine_side(
    name: str, engine: Engine, tasks: tuple[str, ...], sharing: SharingSettings
) -> EngineSide:
    """Return one of ``ENGINE_SIDES``; ``sharing`` says all that its name does not."""
    temporal, task = ENGINE_SIDES[name]
    settings = replace(sharing, temporal=temporal, task=task)
    return EngineSide(name, engine, InferenceSettings(tasks, settings))
