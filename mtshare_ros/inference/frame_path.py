"""The way from a frame to its maps: what goes in, what comes out, and how long it takes."""

from dataclasses import dataclass
import time
from typing import Protocol, TYPE_CHECKING

import numpy as np
import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.prediction import MotionStats
from mtshare_ros.inference.session import Session
from mtshare_ros.motion.motion_settings import MotionSettings
from mtshare_ros.sharing.frame_work import FrameWork
from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.sharing_settings import SharingSettings

if TYPE_CHECKING:  # most cameras are not followed, and do without motion
    from mtshare_ros.motion.rigid import RigidMotion


class StageClock:
    """
    Milliseconds of consecutive stages.

    On CUDA, stages are marked by events in the current stream of the device and read once at the
    end. Marking never waits; reading waits for the last event only, not for later work.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device) if device.startswith('cuda') else None
        self._marks: list[tuple[str, object]] = [('', self._mark())]
        self._passed = False

    def lap(self, stage: str, waited: 'torch.cuda.Event | None' = None) -> None:
        """
        End a stage; the times of stages with the same name are added.

        ``waited`` is an event at which the stage ended and for which the host has waited already.
        """
        self._marks.append((stage, self._mark() if waited is None else waited))
        self._passed = waited is not None

    def stages(self) -> dict[str, float]:
        """Return the milliseconds of every stage in the order they ran; waits for the last."""
        self._wait()
        times: dict[str, float] = {}
        for (_, before), (stage, after) in zip(self._marks, self._marks[1:]):
            times[stage] = times.get(stage, 0.0) + self._between(before, after)
        return times

    def total_ms(self) -> float:
        """Return the milliseconds from the start to the end of the last stage."""
        self._wait()
        return self._between(self._marks[0][1], self._marks[-1][1])

    def _wait(self) -> None:
        if self._device is not None and not self._passed:
            self._marks[-1][1].synchronize()  # type: ignore[attr-defined]
            self._passed = True

    def _mark(self) -> object:
        if self._device is None:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event

    def _between(self, before: object, after: object) -> float:
        if isinstance(before, float) and isinstance(after, float):
            return (after - before) * 1e3
        return before.elapsed_time(after)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Following:
    """
    How the motion of a camera is followed.

    ``pose`` brings points of the frame's optical frame to the world, in metres; None where it is
    unknown. ``calibrated`` is True where the camera is known; the depth of the maps times
    ``depth_scale`` is in metres.
    """

    settings: MotionSettings
    pose: 'RigidMotion | None' = None
    calibrated: bool = True
    depth_scale: float = 1.0


@dataclass(frozen=True)
class FrameRequest:
    """
    One frame, ready for the network.

    ``image`` (H, W, 3) uint8 has the size of the input. ``asked`` are the tasks whose maps are
    returned, ``needed`` the tasks of the network for them, to which the thresholds of ``sharing``
    apply. ``camera`` is that of the maps. ``following`` is None where no motion is followed.
    """

    image: np.ndarray
    asked: tuple[str, ...]
    needed: tuple[str, ...]
    sharing: SharingSettings
    bounds: PlanBounds
    camera: Pinhole
    following: Following | None = None


@dataclass(frozen=True)
class FrameOutcome:
    """
    The result of a frame.

    ``maps`` are by name in ``Prediction`` and belong to the caller; ``non_finite`` are the tasks
    whose raw output holds NaN or infinity.
    """

    work: FrameWork
    maps: dict[str, np.ndarray]
    non_finite: tuple[str, ...]
    motion: MotionStats | None = None


def check_tasks(asked: tuple[str, ...], available: tuple[str, ...]) -> None:
    """Raise ConfigError for a task that the model does not have, and for no task at all."""
    absent = [task for task in asked if task not in available]
    if absent or not asked:
        raise ConfigError(f'this model has no task {absent[0]!r}; it has '
                          f'{", ".join(available)}' if absent else
                          f'no task is asked for; this model has {", ".join(available)}')


class FramePath(Protocol):
    """One way to compute the frames of a camera; its memory is passed in."""

    def run(self, memory: Session, request: FrameRequest, clock: StageClock) -> FrameOutcome:
        """Compute a frame, using and updating the memory of its camera."""
