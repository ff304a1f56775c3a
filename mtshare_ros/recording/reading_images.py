"""From a recorded image message to a camera image."""

from dataclasses import replace

import numpy as np

from mtshare_ros.errors import FrameError
from mtshare_ros.messages.camera_image import CameraImage
from mtshare_ros.messages.compressed import read_compressed
from mtshare_ros.messages.hints import BAG_HINTS
from mtshare_ros.messages.raw_image import read_raw
from mtshare_ros.recording.extras import require
from mtshare_ros.recording.message_types import COMPRESSED_IMAGE, IMAGE, MessageTypes

IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)

MOST_PIXELS = 2 ** 27
"""The largest image that is read from a bag, in pixels: 16384 x 8192."""


def require_decoder(message_type: str) -> None:
    """Raise MissingExtraError where images of one of IMAGE_TYPES could not be decoded."""
    if message_type == COMPRESSED_IMAGE:
        require('PIL.Image', 'decoding compressed images', 'bags')


def read_image(
    types: MessageTypes, data: bytes, message_type: str, input_size: tuple[int, int]
) -> CameraImage:
    """
    Return an image, as a network of ``input_size`` sees it, from the bytes of one of IMAGE_TYPES.

    Raises FrameError for a bad one.
    """
    try:
        message = types.read(data, message_type)
    except Exception as error:  # noqa: B902 - rosbags meets anything in bytes that are no message
        raise FrameError(f'the {len(data)} bytes are no {message_type}: {error}') from error
    if message_type == COMPRESSED_IMAGE:
        picture = read_compressed(message, input_size, MOST_PIXELS, BAG_HINTS)
        return CameraImage(message.header, picture, message.format)
    raw = read_raw(message, MOST_PIXELS, BAG_HINTS)
    # rosbags lends its buffer read-only, which torch warns of
    planes = tuple(np.require(plane, requirements=['W']) for plane in raw.planes)
    return CameraImage(message.header, replace(raw, planes=planes), message.encoding)
