"""
Pixels of image messages, read through a view of their buffer.

A message is anything with the fields of sensor_msgs/Image, whatever library made it.
"""

from typing import Any

import numpy as np

from mtshare_ros.errors import FrameError
from mtshare_ros.messages.encodings import InputEncoding, OUTPUT_ENCODINGS
from mtshare_ros.messages.hints import Hints, NODE_HINTS
from mtshare_ros.messages.quoting import quote

MAX_PIXELS = 16_777_216
"""Default of the largest image accepted, in pixels: 4096 x 4096."""


def view_planes(message: Any, encoding: InputEncoding) -> tuple[np.ndarray, ...]:
    """
    Return (H, W, channels) views of an image's planes, in its samples and byte order.

    Rows may be padded (``step`` is that of the first plane); a buffer of exactly the bytes that
    the image needs has none, whatever its step. Raises FrameError where it is shorter.
    """
    dtype = np.dtype(np.uint8 if encoding.bits == 8 else np.uint16)
    if len(encoding.planes) == 1:
        return (view_pixels(message, channels=encoding.planes[0].channels, dtype=dtype),)
    height, width = message.height, message.width
    exact = len(message.data) == encoding.total_bytes(height, width)
    row = encoding.row_bytes(width)
    padding = 0 if exact else (message.step or row) - row
    views, start = [], 0
    for plane in encoding.planes:
        shape = (height // plane.shared, width // plane.shared, plane.channels)
        length = shape[1] * shape[2]
        step = length + padding * plane.channels // plane.shared
        end = start + step * (shape[0] - 1) + length
        if padding < 0 or len(message.data) < end:
            raise _too_short(message, row, encoding.total_bytes(height, width))
        views.append(np.ndarray(shape, dtype, buffer=message.data, offset=start,
                                strides=(step, shape[2], 1)))
        start += step * shape[0]
    return tuple(views)


def view_pixels(
    message: Any, *, channels: int, dtype: np.dtype = np.dtype(np.uint8)
) -> np.ndarray:
    """
    Return an (H, W, channels) view of a message's buffer in its dtype and byte order.

    Rows may be padded (``step``). Raises FrameError where the buffer is shorter than it claims.
    """
    pixel = channels * dtype.itemsize
    row = message.width * pixel
    step = message.step or row
    needed = step * (message.height - 1) + row
    if step < row or len(message.data) < needed:
        raise _too_short(message, row, needed)
    return np.ndarray(
        (message.height, message.width, channels),
        dtype.newbyteorder('>' if message.is_bigendian else '<'),
        buffer=message.data, strides=(step, pixel, dtype.itemsize),
    )


def _too_short(message: Any, row: int, needed: int) -> FrameError:
    return FrameError(
        f'a {message.width}x{message.height} {message.encoding} image needs rows of at least '
        f'{row} bytes and {needed} bytes in all; this one has step {message.step} and '
        f'{len(message.data)} bytes: the publisher fills the message wrongly')


def read_map(message: Any) -> np.ndarray:
    """
    Return a map written by this package as a view: (H, W) or (H, W, 3) in its own dtype.

    Raises FrameError for an encoding that is not in OUTPUT_ENCODINGS or a short buffer.
    """
    encoding = OUTPUT_ENCODINGS.get(message.encoding)
    if encoding is None:
        raise FrameError(
            f'encoding {quote(message.encoding)} is none of {", ".join(OUTPUT_ENCODINGS)}'
        )
    values = view_pixels(message, channels=encoding.channels, dtype=encoding.dtype)
    return values[..., 0] if encoding.channels == 1 else values


def check_map(values: np.ndarray, encoding: str) -> None:
    """Raise FrameError where a map, (H, W) or (H, W, C), does not fit an encoding."""
    layout = OUTPUT_ENCODINGS[encoding]
    channels = values.shape[2] if values.ndim == 3 else 1
    if values.dtype != layout.dtype or channels != layout.channels:
        raise FrameError(
            f'an array of shape {values.shape} and type {values.dtype} does not fit the '
            f'encoding {encoding}: {layout.channels} channels of {layout.dtype} are needed'
        )


def check_size(
    width: int, height: int, max_pixels: int, hints: Hints = NODE_HINTS
) -> None:
    """Raise FrameError for an image without pixels, or with more than ``max_pixels``."""
    if width < 1 or height < 1:
        raise FrameError(
            f'the image has {width}x{height} pixels; at least 1x1 is needed: check the publisher'
        )
    if width * height > max_pixels:
        raise FrameError(
            f'the image has {width}x{height} pixels, more than the {max_pixels} {hints.largest}; '
            f'{hints.smaller}'
        )
