"""The camera that a model was trained with, which stands for one that nothing is known of."""

from dataclasses import dataclass

import numpy as np

from mtshare_ros.image_frame import Framing
from mtshare_ros.inference.geometry import (
    assumed_focal_length,
    centred_camera,
    depth_scale,
    Pinhole,
    usual_focal_length,
)
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.model.description import ModelDescription, VIEW


@dataclass(frozen=True)
class TrainedCamera:
    """The camera of a model's training as it sees images of an input size (height, width)."""

    description: ModelDescription
    input_size: tuple[int, int]

    @property
    def focal_length(self) -> float | None:
        """In pixels of the maps; None: unknown."""
        known = self.description.focal_length
        if known is None:
            return None
        return assumed_focal_length(
            known, trained_size=self.description.architecture.input_size, size=self.input_size)

    def of(self, framing: Framing) -> Pinhole:
        """Return the camera of maps of which nothing is known: like this one, or a usual one."""
        return centred_camera(self.focal_length or usual_focal_length(framing),
                              framing.input_size)

    def scale_depth(self, prediction: Prediction, focal_length: float | None = None) -> None:
        """
        Turn a prediction's depth, in place, into metres of the camera at hand.

        ``focal_length`` is that of the camera in pixels of the maps; without one the camera is
        taken for that of the training. Nothing changes where there is no depth, or where the focal
        length of the training images is unknown.
        """
        if prediction.depth is not None:
            scale = np.float32(self.depth_scale(focal_length))
            np.multiply(prediction.depth, scale, out=prediction.depth)

    def depth_scale(self, focal_length: float | None) -> float:
        """Return what ``scale_depth`` multiplies by; 1 where the training's camera is unknown."""
        assumed = self.focal_length
        focal_length = assumed if focal_length is None else focal_length
        if focal_length is None:
            return 1.0
        by_view = self.description.depth_scaling == VIEW
        trained = assumed if by_view else self.description.focal_length
        return depth_scale(focal_length, trained=trained)
