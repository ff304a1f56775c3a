"""The scale of depth: the focal length of the camera against that of the training images."""

import math

from mtshare_ros.image_frame import Framing, Pinhole

USUAL_FIELD_OF_VIEW = 65.0
"""Degrees across the longer side of an image, where nobody knows the camera: a common webcam's."""


def depth_scale(focal_length: float, *, trained: float | None) -> float:
    """
    Return the factor that turns predicted depth into metres of the camera at hand.

    A network judges distance by how large things look, so its metres hold for the focal length it
    was trained with. ``focal_length`` is that of the camera in pixels of the maps. Where it judges
    by pixels, ``trained`` is in pixels of the training images: the same view at twice the size
    looks as if it were at half the distance. Where it judges by the share of the view, ``trained``
    is in pixels of the maps too, see ``assumed_focal_length``. 1.0 where it is None: unknown.
    """
    return 1.0 if trained is None else focal_length / trained


def assumed_focal_length(
    trained: float, *, trained_size: tuple[int, ...], size: tuple[int, int]
) -> float:
    """
    Return the focal length of a camera like that of the training, in pixels of maps of ``size``.

    ``trained`` is in pixels at ``trained_size``, sizes are (height, width). A training image would
    be brought to the maps as any image is, scaled to cover them.
    """
    return trained * max(target / side for target, side in zip(size, trained_size))


def centred_camera(focal_length: float, size: tuple[int, int]) -> Pinhole:
    """Return a camera that looks through the middle of maps (height, width)."""
    return Pinhole(focal_length, focal_length, (size[1] - 1) / 2, (size[0] - 1) / 2)


def say_assumed_camera(focal_length: float | None) -> str:
    """Say what is assumed of a camera, with the focal length that a model assumes, if any."""
    if focal_length is None:
        return f'a camera with a field of view of {USUAL_FIELD_OF_VIEW:.0f} degrees'
    return 'a camera with the field of view of the training images'


def usual_focal_length(framing: Framing) -> float:
    """Return that of a camera with USUAL_FIELD_OF_VIEW, in pixels of the maps of its images."""
    half = math.tan(math.radians(USUAL_FIELD_OF_VIEW / 2))
    return max(framing.resized_size) / 2 / half
