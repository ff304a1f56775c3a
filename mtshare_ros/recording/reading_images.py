"""From a recorded image message to RGB."""

import numpy as np

from mtshare_ros.errors import FrameError
from mtshare_ros.messages.camera_image import CameraImage
from mtshare_ros.messages.compressed import compressed_to_rgb
from mtshare_ros.messages.encodings import INPUT_ENCODINGS
from mtshare_ros.messages.pixels import check_size, decode_pixels, MAX_PIXELS
from mtshare_ros.messages.quoting import quote
from mtshare_ros.recording.extras import require
from mtshare_ros.recording.message_types import COMPRESSED_IMAGE, IMAGE, MessageTypes

IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)


def require_decoder(message_type: str) -> None:
    """Raise MissingExtraError where images of one of IMAGE_TYPES could not be decoded."""
    if message_type == COMPRESSED_IMAGE:
        require('PIL.Image', 'decoding compressed images', 'bags')


def read_image(types: MessageTypes, data: bytes, message_type: str) -> CameraImage:
    """Return an image from the bytes of one of IMAGE_TYPES; raise FrameError for a bad one."""
    try:
        message = types.read(data, message_type)
    except Exception as error:  # noqa: B902 - rosbags meets anything in bytes that are no message
        raise FrameError(f'the {len(data)} bytes are no {message_type}: {error}') from error
    if message_type == COMPRESSED_IMAGE:
        return CameraImage(message.header, compressed_to_rgb(message), message.format)
    check_size(message.width, message.height, MAX_PIXELS)
    if message.encoding not in INPUT_ENCODINGS:
        raise FrameError(
            f'the image encoding is {quote(message.encoding)}; decoded are '
            f'{", ".join(INPUT_ENCODINGS)}: convert the topic to one of them while recording'
        )
    # rosbags lends its buffer read-only, which torch warns of
    rgb = np.require(decode_pixels(message), requirements=['W'])
    return CameraImage(message.header, rgb, message.encoding)
