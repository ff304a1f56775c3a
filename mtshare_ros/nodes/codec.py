"""
Image messages to RGB arrays, and maps to image messages.

Both directions touch each byte at most once: a message is read through a view of its buffer and
filled in place, because the setter of ``Image.data`` walks over single bytes on some releases.
"""

import sys

import numpy as np
from sensor_msgs.msg import Image

from mtshare_ros.messages.encodings import OUTPUT_ENCODINGS
from mtshare_ros.messages.pixels import check_map, MAX_PIXELS
from mtshare_ros.messages.raw_image import read_raw


def image_to_rgb(message: Image, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Return the whole image as (H, W, 3) uint8 RGB; see ``read_raw``."""
    return read_raw(message, max_pixels).rgb()


def fill_image(message: Image, values: np.ndarray, encoding: str) -> None:
    """
    Write a map into a message, whose buffer is reused where its size fits.

    values is (H, W) or (H, W, C) as OUTPUT_ENCODINGS says; the header is left alone. A publisher
    has copied the message when ``publish`` returns, so one message can serve every frame.
    Raises FrameError where the array does not fit the encoding.
    """
    check_map(values, encoding)
    layout = OUTPUT_ENCODINGS[encoding]
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
