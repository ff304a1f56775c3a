"""
Image messages to RGB arrays, and maps to image messages.

Both directions touch each byte at most once: a message is read through a view of its buffer and
filled in place, because the setter of ``Image.data`` walks over single bytes on some releases.
"""

import sys

import numpy as np
from sensor_msgs.msg import Image

from mtshare_ros.errors import FrameError
from mtshare_ros.nodes import bridge
from mtshare_ros.nodes.encodings import INPUT_ENCODINGS, OUTPUT_ENCODINGS

MAX_PIXELS = 16_777_216
"""Default of the largest image accepted, in pixels: 4096 x 4096."""


def image_to_rgb(message: Image, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """
    Return the image as (H, W, 3) uint8 RGB.

    An rgb8 image comes back as a view of the message. Encodings outside INPUT_ENCODINGS go
    through cv_bridge where it is installed. Raises FrameError, saying what is wrong, for an
    image that is empty, too large, shorter than it claims, or in an unknown encoding.
    """
    _check_size(message, max_pixels)
    encoding = INPUT_ENCODINGS.get(message.encoding)
    if encoding is None:
        return bridge.image_to_rgb(message)
    if encoding.even_width and message.width % 2:
        raise FrameError(
            f'a {message.encoding} image has an even width, because two pixels share their '
            f'colour; this one is {message.width}x{message.height}'
        )
    pixels = view_pixels(message, channels=encoding.channels)
    return encoding.to_rgb(pixels)


def view_pixels(
    message: Image, *, channels: int, dtype: np.dtype = np.dtype(np.uint8)
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


def read_map(message: Image) -> np.ndarray:
    """
    Return a map published by these nodes as a view: (H, W) or (H, W, 3) in its own dtype.

    Raises FrameError for an encoding that is not in OUTPUT_ENCODINGS or a short buffer.
    """
    encoding = OUTPUT_ENCODINGS.get(message.encoding)
    if encoding is None:
        raise FrameError(
            f'encoding {message.encoding!r} is none of {", ".join(OUTPUT_ENCODINGS)}'
        )
    values = view_pixels(message, channels=encoding.channels, dtype=encoding.dtype)
    return values[..., 0] if encoding.channels == 1 else values


def fill_image(message: Image, values: np.ndarray, encoding: str) -> None:
    """
    Write a map into a message, whose buffer is reused where its size fits.

    values is (H, W) or (H, W, C) as OUTPUT_ENCODINGS says; the header is left alone. A publisher
    has copied the message when ``publish`` returns, so one message can serve every frame.
    Raises FrameError where the array does not fit the encoding.
    """
    layout = OUTPUT_ENCODINGS[encoding]
    channels = values.shape[2] if values.ndim == 3 else 1
    if values.dtype != layout.dtype or channels != layout.channels:
        raise FrameError(
            f'an array of shape {values.shape} and type {values.dtype} does not fit the '
            f'encoding {encoding}: {layout.channels} channels of {layout.dtype} are needed'
        )
    message.height, message.width = int(values.shape[0]), int(values.shape[1])
    message.encoding = encoding
    message.step = message.width * layout.channels * layout.dtype.itemsize
    message.is_bigendian = int(sys.byteorder == 'big')
    _fill_buffer(message, np.ascontiguousarray(values))


def _fill_buffer(message: Image, values: np.ndarray) -> None:
    source = values.reshape(-1).view(np.uint8)
    buffer = message.data
    if len(buffer) == source.nbytes:
        np.frombuffer(buffer, np.uint8)[:] = source
    else:
        del buffer[:]
        buffer.frombytes(source.data)


def _check_size(message: Image, max_pixels: int) -> None:
    if message.width < 1 or message.height < 1:
        raise FrameError(
            f'the image has {message.width}x{message.height} pixels; at least 1x1 is needed'
        )
    if message.width * message.height > max_pixels:
        raise FrameError(
            f'the image has {message.width}x{message.height} pixels, more than the '
            f'{max_pixels} that the parameter max_pixels allows; publish a smaller image or '
            f'start the node with a larger max_pixels'
        )
