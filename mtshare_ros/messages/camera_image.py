"""A camera image, whichever message it came in."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mtshare_ros.image_frame import Picture, size_of


@dataclass(frozen=True)
class CameraImage:
    """
    The image of a message: the message's header, the pixels, and how they were encoded.

    ``picture`` is (H, W, 3) uint8 RGB, or what gives it when it is looked at.
    """

    header: Any
    picture: np.ndarray | Picture
    encoding: str

    @property
    def rgb(self) -> np.ndarray:
        """The whole image, (H, W, 3) uint8 RGB."""
        return self.picture if isinstance(self.picture, np.ndarray) else self.picture.rgb()

    @property
    def height(self) -> int:
        """Rows of the image."""
        return size_of(self.picture)[0]

    @property
    def width(self) -> int:
        """Columns of the image."""
        return size_of(self.picture)[1]
