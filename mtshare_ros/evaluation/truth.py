"""What evaluation needs to know of a frame."""

from typing import Protocol

import numpy as np


class Truth(Protocol):
    """
    A camera image with its true maps, all (H, W) of the same size.

    Frames of the procedural rooms are such objects; readers of other data sets return them too.
    """

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""

    @property
    def labels(self) -> np.ndarray:
        """(H, W) uint8 class ids; 255 is unlabelled and not scored."""

    @property
    def depth(self) -> np.ndarray:
        """(H, W) float z-depth in metres; NaN, infinity and 0 are not scored."""

    @property
    def normals(self) -> np.ndarray:
        """(H, W, 3) float, optical frame (x right, y down, z forward); NaN, 0 are not scored."""

    @property
    def edges(self) -> np.ndarray:
        """(H, W) bool."""
