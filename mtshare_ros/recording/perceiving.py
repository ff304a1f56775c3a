"""From recorded frames to predictions, as the perception node computes them."""

from dataclasses import dataclass
from typing import Any, Protocol, TYPE_CHECKING

import numpy as np

from mtshare_ros.image_frame import Picture

if TYPE_CHECKING:  # a camera of frames needs no network, and so no PyTorch
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.messages.camera_info import pinhole_of


@dataclass(frozen=True)
class RecordedFrame:
    """
    One frame of a recording: its image, when it was taken, and what to call it.

    ``picture`` is (H, W, 3) uint8 RGB, or what gives it when it is looked at. ``calibration`` is
    the CameraInfo of its maps, None where it has none.
    """

    picture: np.ndarray | Picture
    time_ns: int
    name: str
    calibration: Any = None


class Observer(Protocol):
    """Somebody who is shown every frame with its maps: a video, a sheet."""

    def see(self, frame: RecordedFrame, prediction: 'Prediction') -> None:
        """Look at one frame."""
        ...

    def close(self) -> None:
        """Write what is left, when no more frames come."""
        ...


class Perception:
    """
    An engine with the memory of one camera.

    ``alone`` says that every frame stands for itself, as photographs do, which leaves it unused.
    """

    def __init__(
        self, engine: 'Engine', settings: 'InferenceSettings', *, alone: bool = False
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._alone = alone
        self._session = engine.new_session()

    def begin(self) -> None:
        """Take a new memory, as if nothing had been seen."""
        self._session = self._engine.new_session()

    def forget(self, reason: str) -> None:
        """Let the next frame begin anew."""
        self._session.reset(reason)

    def infer(self, frame: RecordedFrame) -> 'Prediction':
        """
        Return the maps of a frame; depth is in metres of its camera where that is calibrated.

        Raises FrameError for an image too small to hold anything.
        """
        session = None if self._alone else self._session
        camera = None if frame.calibration is None else pinhole_of(frame.calibration)
        prediction = self._engine.infer(frame.picture, session, self._settings, camera)
        self._engine.scale_depth(
            prediction, None if frame.calibration is None else frame.calibration.k[0])
        return prediction
