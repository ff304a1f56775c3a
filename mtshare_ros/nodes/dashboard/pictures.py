"""Image messages as JPEG pictures, and the classes in a mask."""

import io
from typing import Any, Callable

import numpy as np
from PIL import Image as PillowImage
from sensor_msgs.msg import Image

from mtshare_ros.labels import LabelSet
from mtshare_ros.messages.pixels import MAX_PIXELS, read_map
from mtshare_ros.nodes.codec import image_to_rgb
from mtshare_ros.nodes.dashboard.channels import css_color

Decoder = Callable[[Any, int], np.ndarray]
"""Turns an image message into RGB, under a limit of pixels."""

LARGEST_SIDE = 640
"""Pixels of a picture at most, however large the image is: it is shown in a tile."""

_QUALITY = 85
_SMALLEST_SHARE = 0.005


def encode_picture(message: Any, decode: Decoder = image_to_rgb) -> bytes:
    """Return an image as JPEG; raise FrameError where it cannot be read."""
    picture = PillowImage.fromarray(decode(message, MAX_PIXELS))
    factor = -(-max(picture.size) // LARGEST_SIDE)
    if factor > 1:
        picture = picture.reduce(factor)
    buffer = io.BytesIO()
    # Without halving the colours: the edges of tiles and classes are what is looked at.
    picture.save(buffer, 'JPEG', quality=_QUALITY, subsampling=0)
    return buffer.getvalue()


def list_classes(message: Image, labels: LabelSet) -> list[dict[str, Any]]:
    """
    Return the classes that cover a visible share of a mask, in the order of their ids.

    That order keeps every class in its place while the shares change.
    """
    mask = read_map(message)
    shares = np.bincount(mask.reshape(-1), minlength=256) / mask.size
    return [
        {'name': labels.names[number], 'color': css_color(labels.colors[number]),
         'percent': round(100 * float(shares[number]))}
        for number in range(len(labels)) if shares[number] >= _SMALLEST_SHARE
    ]
