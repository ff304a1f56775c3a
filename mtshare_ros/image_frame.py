"""
Resizing of camera images to the network's input size, and the camera matrix of the maps.

PyTorch is loaded only where an image is resized, so that code that only reads images does not
load it.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mtshare_ros.errors import FrameError

SMALLEST_SIDE = 16
"""An image with fewer pixels than this in either direction is refused."""


@dataclass(frozen=True)
class Pinhole:
    """
    A pinhole camera without distortion.

    Focal lengths and principal point in pixels; pixel centres lie at integers.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def scaled(self, factor: float) -> 'Pinhole':
        """Return the camera of the same image enlarged by a factor."""
        return Pinhole(self.fx * factor, self.fy * factor,
                       (self.cx + 0.5) * factor - 0.5, (self.cy + 0.5) * factor - 0.5)


@dataclass(frozen=True)
class Framing:
    """
    A camera image resized to cover the network's input, then centre-cropped to it.

    Sizes are (height, width) in pixels; ``offset`` is (top, left) of the input in the
    resized image.
    """

    source_size: tuple[int, int]
    resized_size: tuple[int, int]
    offset: tuple[int, int]
    input_size: tuple[int, int]

    @property
    def shrink(self) -> float:
        """How many pixels of the image, along one side, one pixel of the input covers."""
        return min(size / resized for size, resized in zip(self.source_size, self.resized_size))

    def scale_intrinsics(self, matrix: np.ndarray) -> np.ndarray:
        """
        Return the (3, 3) camera matrix of the maps for the (3, 3) matrix of the camera image.

        Also takes the (3, 4) projection matrix. Pixel centres lie at integers, as in
        sensor_msgs/CameraInfo.
        """
        scaled = np.array(matrix, dtype=np.float64)
        for row, axis in ((0, 1), (1, 0)):
            factor = self.resized_size[axis] / self.source_size[axis]
            scaled[row] *= factor
            scaled[row, 2] += 0.5 * factor - 0.5 - self.offset[axis]
        return scaled

    def pick(self, values: np.ndarray) -> np.ndarray:
        """
        Return values (H, W, ...) of the camera image, resized and cropped like the maps.

        Each pixel gets its nearest value; values are never interpolated, because the mean of two
        classes or of two depths means nothing.
        """
        rows, columns = (
            np.minimum((np.arange(side) + offset + 0.5) * source / resized, source - 1).astype(int)
            for side, offset, source, resized in zip(
                self.input_size, self.offset, self.source_size, self.resized_size))
        return values[rows[:, None], columns]


def frame_to_cover(source_size: tuple[int, int], input_size: tuple[int, int]) -> Framing:
    """
    Return how an image of (height, width) is brought to the network's input size.

    Raises FrameError for an image with a side below SMALLEST_SIDE.
    """
    if min(source_size) < SMALLEST_SIDE:
        raise FrameError(
            f'the image has {source_size[0]}x{source_size[1]} pixels (height x width); '
            f'at least {SMALLEST_SIDE}x{SMALLEST_SIDE} are needed; check the camera driver'
        )
    scale = max(target / side for target, side in zip(input_size, source_size))
    height, width = (
        max(target, round(side * scale)) for target, side in zip(input_size, source_size)
    )
    offset = ((height - input_size[0]) // 2, (width - input_size[1]) // 2)
    return Framing(source_size, (height, width), offset, input_size)


class Picture(Protocol):
    """An image that is decoded only when it is needed, at the smallest size that suffices."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""

    def rgb(self) -> np.ndarray:
        """Return the whole image as (H, W, 3) uint8 RGB; it may have been decoded smaller."""

    def fit(self, framing: Framing) -> np.ndarray:
        """Return the image resized and cropped as by ``fit_image``: (h, w, 3) uint8 RGB."""


def size_of(image: np.ndarray | Picture) -> tuple[int, int]:
    """Return height and width; raise FrameError for an array that is no image."""
    if not isinstance(image, np.ndarray):
        return image.size
    check_image(image)
    return image.shape[0], image.shape[1]


def fit_frame(image: np.ndarray | Picture, framing: Framing) -> np.ndarray:
    """Return the network's input for an image, decoded or not: (h, w, 3) uint8 RGB."""
    return fit_image(image, framing) if isinstance(image, np.ndarray) else image.fit(framing)


def check_image(image: np.ndarray) -> None:
    """Raise FrameError unless the array is (H, W, 3) uint8."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise FrameError(
            f'expected an (H, W, 3) uint8 RGB image, found {image.shape} {image.dtype}'
        )


def fit_image(image: np.ndarray, framing: Framing) -> np.ndarray:
    """
    Resize and crop an (H, W, C) uint8 image, or one of its parts, as the framing says.

    Returns (h, w, C) uint8 of the input size: a view of ``image`` where nothing is resized.
    """
    if image.shape[:2] != framing.resized_size:
        image = _resize(image, framing.resized_size)
    top, left = framing.offset
    height, width = framing.input_size
    return image[top:top + height, left:left + width]


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize with anti-aliasing: without it a shrunk image flickers and every patch changes."""
    import torch

    planes = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(
        planes, size, mode='bilinear', antialias=True)
    return resized[0].permute(1, 2, 0).numpy()
