"""Where the network's input lies in the camera image, and what that does to the intrinsics."""

from dataclasses import dataclass

import numpy as np

from mtshare_ros.errors import FrameError

SMALLEST_SIDE = 16
"""Images below this many pixels in either direction hold nothing to perceive."""


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
        """How many pixels of the image, along a side, become one of the input."""
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
        Return values (H, W, ...) of the camera image as the maps show them: (h, w, ...).

        The nearest ones are taken and none are mixed, as classes and depths have to be.
        """
        rows, columns = (
            np.minimum((np.arange(side) + offset + 0.5) * source / resized, source - 1).astype(int)
            for side, offset, source, resized in zip(
                self.input_size, self.offset, self.source_size, self.resized_size))
        return values[rows[:, None], columns]


def frame_to_cover(source_size: tuple[int, int], input_size: tuple[int, int]) -> Framing:
    """
    Return how an image of (height, width) is brought to the network's input size.

    Raises FrameError for an image too small to hold anything.
    """
    if min(source_size) < SMALLEST_SIDE:
        raise FrameError(
            f'the image has {source_size[1]}x{source_size[0]} pixels; '
            f'at least {SMALLEST_SIDE}x{SMALLEST_SIDE} are needed; check the camera driver'
        )
    scale = max(target / side for target, side in zip(input_size, source_size))
    height, width = (
        max(target, round(side * scale)) for target, side in zip(input_size, source_size)
    )
    offset = ((height - input_size[0]) // 2, (width - input_size[1]) // 2)
    return Framing(source_size, (height, width), offset, input_size)
