"""
Images on their way to the network's size, decoded or not.

PyTorch is loaded where an image is resized: whoever only reads images does without.
"""

from typing import Protocol

import numpy as np

from mtshare_ros.errors import FrameError
from mtshare_ros.model.framing import Framing


class Picture(Protocol):
    """An image that is decoded when it is looked at, and no finer."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""

    def rgb(self) -> np.ndarray:
        """Return all that there is of it: (H, W, 3) uint8 RGB, or fewer pixels."""

    def fit(self, framing: Framing) -> np.ndarray:
        """Return what ``fit_image`` makes of it: (h, w, 3) uint8 RGB of the input size."""


def size_of(image: np.ndarray | Picture) -> tuple[int, int]:
    """Return height and width; raise FrameError for an array that is no image."""
    if not isinstance(image, np.ndarray):
        return image.size
    check_image(image)
    return image.shape[0], image.shape[1]


def fit_frame(image: np.ndarray | Picture, framing: Framing) -> np.ndarray:
    """Return what the network sees of an image, decoded or not: (h, w, 3) uint8 RGB."""
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
    """Resize with anti-aliasing: without it a shrunk image shimmers and every patch changes."""
    import torch

    planes = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(
        planes, size, mode='bilinear', antialias=True)
    return resized[0].permute(1, 2, 0).numpy()
