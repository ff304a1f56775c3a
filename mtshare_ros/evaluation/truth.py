"""What evaluation needs to know of a frame."""

from typing import Protocol

import numpy as np

from mtshare_ros.tasks import get_task


class Truth(Protocol):
    """
    A camera image with its true maps, all (H, W) of the same size; None where there is none.

    Frames of the procedural rooms are such objects; readers of other data sets return them too.
    More attributes are optional: ``human_parts`` (H, W) uint8 class ids, 255 not scored;
    ``saliency`` (H, W) bool, or uint8 with 255 not scored; ``regions`` (H, W) integers, of which
    the outlines are what odsF compares edges with; ``focal_length`` of the camera in pixels.
    """

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""

    @property
    def labels(self) -> np.ndarray | None:
        """(H, W) uint8 class ids; 255 is unlabelled and not scored."""

    @property
    def depth(self) -> np.ndarray | None:
        """(H, W) float z-depth in metres; NaN, infinity and 0 are not scored."""

    @property
    def normals(self) -> np.ndarray | None:
        """(H, W, 3) float, optical frame (x right, y down, z forward); NaN, 0 are not scored."""

    @property
    def edges(self) -> np.ndarray | None:
        """(H, W) bool, or uint8 with 1 on edges and 255 not scored."""


def truth_of(truth: Truth, task: str) -> np.ndarray | None:
    """Return what is true of a frame for a task id, None where the frame does not tell."""
    return getattr(truth, get_task(task).truth, None)


def focal_length_of(truth: Truth) -> float | None:
    """Return the focal length of a frame's camera in pixels, None where nobody knows it."""
    return getattr(truth, 'focal_length', None)
