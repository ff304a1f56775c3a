"""A decoded camera image, whichever message it came in."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class CameraImage:
    """A decoded image: the message's header, (H, W, 3) uint8 RGB, and how it was encoded."""

    header: Any
    rgb: np.ndarray
    encoding: str

    @property
    def height(self) -> int:
        """Rows of the image."""
        return self.rgb.shape[0]

    @property
    def width(self) -> int:
        """Columns of the image."""
        return self.rgb.shape[1]
