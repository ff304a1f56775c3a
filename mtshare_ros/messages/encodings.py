"""The byte layouts of image encodings, and their conversion to RGB."""

from dataclasses import dataclass
from typing import Callable

import numpy as np


@dataclass(frozen=True)
class InputEncoding:
    """
    An encoding of camera images: 8 bits a sample, ``channels`` bytes a pixel.

    ``to_rgb`` turns an (H, W, channels) uint8 view of the message into (H, W, 3) uint8 RGB.
    ``even_width`` holds where two neighbouring pixels share their colour.
    """

    channels: int
    to_rgb: Callable[[np.ndarray], np.ndarray]
    even_width: bool = False


@dataclass(frozen=True)
class OutputEncoding:
    """An encoding of the published maps: the sample type and the samples of a pixel."""

    dtype: np.dtype
    channels: int


def _reorder(source: np.ndarray, order: tuple[int, int, int]) -> np.ndarray:
    """Gather three channels plane by plane, four times faster than numpy's fancy indexing."""
    result = np.empty(source.shape[:2] + (3,), np.uint8)
    for target, channel in enumerate(order):
        result[..., target] = source[..., channel]
    return result


def _swap_red_and_blue(source: np.ndarray) -> np.ndarray:
    result = source.copy()
    result[..., 0] = source[..., 2]
    result[..., 2] = source[..., 0]
    return result


# Five bits keep the largest sum, white with the strongest blue, within 16-bit integers.
_FIXED_POINT_BITS = 5


def _factor(value: float) -> int:
    return round(value * (1 << _FIXED_POINT_BITS))


def _yuv_to_rgb(
    samples: np.ndarray, *, luma: tuple[int, int], u: int, v: int
) -> np.ndarray:
    """
    Convert 4:2:2 samples to RGB.

    samples is (H, W, 2) uint8, the four bytes of two neighbouring pixels in the order that the
    indices say. ITU-R BT.601 in video range, the convention of the encodings in sensor_msgs and
    of OpenCV, to within 5 of 255 levels.
    """
    height, width, _ = samples.shape
    pairs = samples.reshape(height, width // 2, 4)
    blueness, redness = (pairs[..., index].astype(np.int16) - 128 for index in (u, v))
    colors = (
        redness * _factor(1.596),
        redness * _factor(-0.813) + blueness * _factor(-0.391),
        blueness * _factor(2.018),
    )
    result = np.empty((height, width // 2, 2, 3), np.uint8)
    for side, index in enumerate(luma):
        brightness = (pairs[..., index].astype(np.int16) - 16) * _factor(1.164)
        for channel, color in enumerate(colors):
            result[:, :, side, channel] = _to_level(brightness + color)
    return result.reshape(height, width, 3)


def _to_level(value: np.ndarray) -> np.ndarray:
    """Round fixed-point int16 to 0..255, in place."""
    value += 1 << (_FIXED_POINT_BITS - 1)
    value >>= _FIXED_POINT_BITS
    np.maximum(value, 0, out=value)
    return np.minimum(value, 255, out=value)


INPUT_ENCODINGS = {
    'rgb8': InputEncoding(3, lambda source: source),
    'bgr8': InputEncoding(3, _swap_red_and_blue),
    'rgba8': InputEncoding(4, lambda source: _reorder(source, (0, 1, 2))),
    'bgra8': InputEncoding(4, lambda source: _reorder(source, (2, 1, 0))),
    'mono8': InputEncoding(1, lambda source: _reorder(source, (0, 0, 0))),
    'yuv422_yuy2': InputEncoding(
        2, lambda source: _yuv_to_rgb(source, luma=(0, 2), u=1, v=3), even_width=True
    ),
    'uyvy': InputEncoding(
        2, lambda source: _yuv_to_rgb(source, luma=(1, 3), u=0, v=2), even_width=True
    ),
}
"""What is decoded without cv_bridge, by the names of sensor_msgs/image_encodings."""

OUTPUT_ENCODINGS = {
    'mono8': OutputEncoding(np.dtype(np.uint8), 1),
    'rgb8': OutputEncoding(np.dtype(np.uint8), 3),
    '32FC1': OutputEncoding(np.dtype(np.float32), 1),
    '32FC3': OutputEncoding(np.dtype(np.float32), 3),
}
"""What maps are written in, by the names of sensor_msgs/image_encodings."""
