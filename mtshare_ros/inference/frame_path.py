"""What every way of computing a frame takes and gives."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mtshare_ros.inference.clock import StageClock
from mtshare_ros.inference.geometry import Pinhole
from mtshare_ros.inference.session import Session
from mtshare_ros.sharing.account import FrameAccount
from mtshare_ros.sharing.plan import PlanLimits
from mtshare_ros.sharing.settings import SharingSettings


@dataclass(frozen=True)
class FrameRequest:
    """
    One frame, ready for the network.

    ``image`` (H, W, 3) uint8 has the input's size, ``asked`` are the tasks whose maps are wanted,
    ``needed`` those of the network for them. ``sharing`` holds factors for the latter. ``camera``
    is that of the maps.
    """

    image: np.ndarray
    asked: tuple[str, ...]
    needed: tuple[str, ...]
    sharing: SharingSettings
    bounds: PlanLimits
    camera: Pinhole


@dataclass(frozen=True)
class FrameOutcome:
    """
    What became of a frame.

    ``maps`` are by name in ``Prediction`` and belong to the caller; ``non_finite`` are the tasks
    whose raw output holds NaN or infinity.
    """

    account: FrameAccount
    maps: dict[str, np.ndarray]
    non_finite: tuple[str, ...]


class FramePath(Protocol):
    """A way of computing the frames of a camera, whose memory is passed in."""

    def run(self, memory: Session, request: FrameRequest, clock: StageClock) -> FrameOutcome:
        """Compute a frame on what is known of the camera."""
