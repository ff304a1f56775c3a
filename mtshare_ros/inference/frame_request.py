"""What a frame is computed from, and what becomes of it."""

from dataclasses import dataclass

import numpy as np

from mtshare_ros.errors import ConfigError
from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.prediction import MotionStats
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.settings import MotionSettings
from mtshare_ros.sharing.account import FrameAccount
from mtshare_ros.sharing.plan import PlanLimits
from mtshare_ros.sharing.settings import SharingSettings


@dataclass(frozen=True)
class Following:
    """
    How the motion of a camera is followed.

    ``pose`` brings points of the frame's optical frame to the world, in metres; None where it is
    not known. ``calibrated`` says whether the camera is known, ``depth_scale`` is what turns the
    depth of the maps into metres.
    """

    settings: MotionSettings
    pose: RigidMotion | None = None
    calibrated: bool = True
    depth_scale: float = 1.0


@dataclass(frozen=True)
class FrameRequest:
    """
    One frame, ready for the network.

    ``image`` (H, W, 3) uint8 has the input's size, ``asked`` are the tasks whose maps are wanted,
    ``needed`` those of the network for them. ``sharing`` holds factors for the latter. ``camera``
    is that of the maps. ``following`` is None where nobody follows its motion.
    """

    image: np.ndarray
    asked: tuple[str, ...]
    needed: tuple[str, ...]
    sharing: SharingSettings
    bounds: PlanLimits
    camera: Pinhole
    following: Following | None = None

@dataclass(frozen=True)
class FrameOutcome:
    """
    What became of a frame.

    ``maps`` are by name in ``Prediction`` and belong to the caller; ``non_finite`` are the tasks
    whose raw output holds NaN or infinity; ``motion`` is what is reported of the camera's.
    """

    account: FrameAccount
    maps: dict[str, np.ndarray]
    non_finite: tuple[str, ...]
    motion: MotionStats | None = None


def check_tasks(asked: tuple[str, ...], available: tuple[str, ...]) -> None:
    """Raise ConfigError for a task that a model does not have, and where none is asked for."""
    absent = [task for task in asked if task not in available]
    if absent or not asked:
        raise ConfigError(f'this model has no task {absent[0]!r}; it has '
                          f'{", ".join(available)}' if absent else
                          f'no task is asked for; this model has {", ".join(available)}')
