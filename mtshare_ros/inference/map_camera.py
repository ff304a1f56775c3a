"""The camera of the maps, assumed where it is unknown, and depth in its metres."""

from dataclasses import dataclass
import math

import numpy as np

from mtshare_ros.image_frame import Framing, Pinhole
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.model.description import ModelDescription, VIEW

USUAL_FIELD_OF_VIEW = 65.0
"""Degrees along the longer side of an image, those of a common webcam, for unknown cameras."""


def depth_scale(focal_length: float, *, trained: float | None) -> float:
    """
    Return the factor that turns predicted depth into metres of the camera at hand.

    A network judges distance by how large things look, so its metres hold for the focal length
    with which it was trained. ``focal_length`` is that of the camera in pixels of the maps. For a
    network that judges by pixels, ``trained`` is in pixels of the training images: the same view
    at twice the size looks as if it were at half the distance. For one that judges by the share of
    the view, ``trained`` is in pixels of the maps too, see ``assumed_focal_length``. The factor is
    1.0 where ``trained`` is None, for unknown.
    """
    return 1.0 if trained is None else focal_length / trained


def assumed_focal_length(
    trained: float, *, trained_size: tuple[int, ...], size: tuple[int, int]
) -> float:
    """
    Return the focal length of the training's camera in pixels of maps of ``size``.

    ``trained`` is in pixels at ``trained_size``; sizes are (height, width). A training image would
    be scaled to cover the maps, like any image.
    """
    return trained * max(target / side for target, side in zip(size, trained_size))


def centred_camera(focal_length: float, size: tuple[int, int]) -> Pinhole:
    """Return a camera whose optical axis is in the middle of maps (height, width)."""
    # the middle of a pixel has whole numbers, so that the last one is at size - 1
    return Pinhole(focal_length, focal_length, (size[1] - 1) / 2, (size[0] - 1) / 2)


def say_assumed_camera(focal_length: float | None) -> str:
    """Return in words the camera assumed by a model with a focal length, None: unknown."""
    if focal_length is None:
        return f'a camera with a field of view of {USUAL_FIELD_OF_VIEW:.0f} degrees'
    return 'a camera with the field of view of the training images'


def usual_focal_length(framing: Framing) -> float:
    """Return the focal length of a camera with USUAL_FIELD_OF_VIEW, in pixels of its maps."""
    half = math.tan(math.radians(USUAL_FIELD_OF_VIEW / 2))
    return max(framing.resized_size) / 2 / half


@dataclass(frozen=True)
class TrainedCamera:
    """The camera of a model's training images, at an input size (height, width)."""

    description: ModelDescription
    input_size: tuple[int, int]

    @property
    def focal_length(self) -> float | None:
        """The focal length in pixels of the maps; None where it is unknown."""
        known = self.description.focal_length
        if known is None:
            return None
        return assumed_focal_length(
            known, trained_size=self.description.architecture.input_size, size=self.input_size)

    def of(self, framing: Framing) -> Pinhole:
        """Return the camera assumed for maps of an unknown camera: this one, or a usual one."""
        return centred_camera(self.focal_length or usual_focal_length(framing),
                              framing.input_size)

    def scale_depth(self, prediction: Prediction, focal_length: float | None = None) -> None:
        """
        Turn a prediction's depth, in place, into metres of the camera at hand.

        ``focal_length`` is that of the camera in pixels of the maps; without one, the camera is
        assumed to be that of the training. Nothing changes where there is no depth, or where the
        focal length of the training images is unknown.
        """
        if prediction.depth is not None:
            scale = np.float32(self.depth_scale(focal_length))
            np.multiply(prediction.depth, scale, out=prediction.depth)

    def depth_scale(self, focal_length: float | None) -> float:
        """Return the factor of ``scale_depth``; 1 where the training's camera is unknown."""
        assumed = self.focal_length
        focal_length = assumed if focal_length is None else focal_length
        if focal_length is None:
            return 1.0
        by_view = self.description.depth_scaling == VIEW
        trained = assumed if by_view else self.description.focal_length
        return depth_scale(focal_length, trained=trained)
