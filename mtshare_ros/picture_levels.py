"""From samples of more than 8 bits to the 8 that the network takes."""

from collections.abc import Sequence

import numpy as np

from mtshare_ros.errors import FrameError

FILE_BITS = (8, 12, 16)
"""Bits that the samples of a file may have, whatever type they are stored in."""

SENSOR_BITS = (12, 16)
"""Bits of a camera's 16-bit samples; one that never shows more than 12 counts to 4095."""

_LARGEST_FRACTION, _SMALLEST_WHITE = 1.0, 16.0
"""Floats are fractions or levels; what lies between could be metres as well."""


def eight_bits(samples: np.ndarray, bits: Sequence[int] = FILE_BITS) -> np.ndarray:
    """
    Return samples of any kind as uint8 levels of the same shape.

    Integers count to the smallest of 2 ^ ``bits`` that holds them all, and their upper 8 bits are
    taken. Floats are fractions of 1, or levels up to 255 or 65535. Raises FrameError for what
    cannot be a picture: negative numbers, none at all, others than these.
    """
    if samples.dtype == np.uint8 or not samples.size:
        return samples.astype(np.uint8)
    if samples.dtype.kind == 'f':
        return _from_floats(samples)
    _check_range(samples, 2 ** bits[-1] - 1)
    depth = next(bit for bit in bits if samples.max() < 2 ** bit)
    return (samples >> (depth - 8)).astype(np.uint8)


def _from_floats(samples: np.ndarray) -> np.ndarray:
    if not np.isfinite(samples).all():
        raise FrameError('it holds NaN or infinity; allowed are fractions from 0 to 1, or levels '
                         'up to 255 or 65535')
    _check_range(samples, 2 ** 16 - 1)
    highest = samples.max()
    if _LARGEST_FRACTION < highest < _SMALLEST_WHITE:
        raise FrameError(
            f'its floats go up to {highest:g}, which could be metres as well as brightness; '
            'allowed are fractions from 0 to 1, or levels up to 255 or 65535')
    white = next(white for white in (1, 255, 65535) if highest <= white)
    return (samples * (255 / white)).round().astype(np.uint8)


def _check_range(samples: np.ndarray, highest: int) -> None:
    low, high = samples.min(), samples.max()
    if low < 0 or high > highest:
        raise FrameError(f'its values go from {low:g} to {high:g}; a picture has none below 0 or '
                         f'above {highest}')
