"""
Pixels of image messages, read through a view of their buffer.

A message is anything with the fields of sensor_msgs/Image, whatever library made it.
"""

from typing import Any

import numpy as np

from mtshare_ros.errors import FrameError
from mtshare_ros.messages.encodings import INPUT_ENCODINGS, OUTPUT_ENCODINGS
from mtshare_ros.messages.quoting import quote

MAX_PIXELS = 16_777_216
"""Default of the largest image accepted, in pixels: 4096 x 4096."""


def decode_pixels(message: Any) -> np.ndarray:
    """
    Return an image in one of INPUT_ENCODINGS as (H, W, 3) uint8 RGB, rgb8 as a view of it.

    Raises FrameError for an image of an odd width where two pixels share their colour, and for
    one that is shorter than it claims.
    """
    encoding = INPUT_ENCODINGS[message.encoding]
    if encoding.even_width and message.width % 2:
        raise FrameError(
            f'a {message.encoding} image has an even width, because two pixels share their '
            f'colour; this one is {message.width}x{message.height}'
        )
    return encoding.to_rgb(view_pixels(message, channels=encoding.channels))


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
        raise FrameError(
            f'a {message.width}x{message.height} {message.encoding} image needs rows of at '
            f'least {row} bytes and {needed} bytes in all; this one has step {message.step} and '
            f'{len(message.data)} bytes: the publisher fills the message wrongly'
        )
    return np.ndarray(
        (message.height, message.width, channels),
        dtype.newbyteorder('>' if message.is_bigendian else '<'),
        buffer=message.data, strides=(step, pixel, dtype.itemsize),
    )


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


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise FrameError for an image without pixels, or with more than ``max_pixels``."""
    if width < 1 or height < 1:
        raise FrameError(
            f'the image has {width}x{height} pixels; at least 1x1 is needed: check the publisher'
        )
    if width * height > max_pixels:
        raise FrameError(
            f'the image has {width}x{height} pixels, more than the {max_pixels} that the '
            f'parameter max_pixels allows; publish a smaller image or start the node with a '
            f'larger max_pixels'
        )
