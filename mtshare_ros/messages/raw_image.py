"""Raw camera images, decoded no finer than the network looks at them."""

from dataclasses import dataclass
import re
from typing import Any

import numpy as np

from mtshare_ros.errors import FrameError
from mtshare_ros.image_files import eight_bits, SENSOR_BITS
from mtshare_ros.image_frame import fit_image, Framing
from mtshare_ros.messages.encodings import INPUT_ENCODINGS, InputEncoding, Planes
from mtshare_ros.messages.hints import Hints, NODE_HINTS
from mtshare_ros.messages.pixels import check_size, MAX_PIXELS, view_planes
from mtshare_ros.messages.quoting import quote

_NUMBERS = re.compile(r'(8|16|32|64)[USF]C\d*', re.IGNORECASE)
_COMPRESSED = re.compile('jpe?g|png|h26[45]|hevc', re.IGNORECASE)
_BY_NAME = {name.lower(): encoding for name, encoding in INPUT_ENCODINGS.items()}


@dataclass(frozen=True)
class RawImage:
    """The planes of an image message, uint8 each; see InputEncoding."""

    encoding: InputEncoding
    planes: Planes
    size: tuple[int, int]

    def rgb(self) -> np.ndarray:
        """Return the whole image, (H, W, 3) uint8; rgb8 as a view of the message."""
        return self.encoding.to_rgb(*self.planes)

    def fit(self, framing: Framing) -> np.ndarray:
        """Return what the network sees of it, (h, w, 3) uint8."""
        encoding = self.encoding
        if encoding.cells is None:
            return encoding.to_rgb(fit_image(self.planes[0], framing))
        cells, shrink = encoding.cells, framing.shrink
        odd = any(side % 2 for side, needed in zip(self.size, cells.even) if needed)
        if odd or shrink < cells.shrink:
            return fit_image(self.rgb(), framing)
        wide = 4 if shrink >= 2 * cells.shrink and self.size[1] % 4 == 0 else 2
        parts = cells.split(wide, *self.planes)
        return cells.to_rgb(*(fit_image(part, framing) for part in parts))


def read_raw(message: Any, max_pixels: int = MAX_PIXELS, hints: Hints = NODE_HINTS) -> RawImage:
    """
    Return the image in a message with the fields of sensor_msgs/Image.

    Raises FrameError, saying what is wrong, for an image that is empty, too large, shorter than
    it claims, or in an encoding that is not decoded.
    """
    check_size(message.width, message.height, max_pixels, hints)
    encoding = _BY_NAME.get(message.encoding.lower())
    if encoding is None:
        raise FrameError(_explain(message.encoding, hints))
    _check_sides(message, encoding)
    planes = tuple(eight_bits(plane, SENSOR_BITS) if encoding.bits > 8 else plane
                   for plane in view_planes(message, encoding))
    return RawImage(encoding, planes, (message.height, message.width))


def _explain(name: str, hints: Hints) -> str:
    """Say why an encoding is not decoded, and what helps."""
    if name.upper() == '16UC1':
        return (f'the image encoding is {quote(name)}, which is depth in millimetres; '
                f'{hints.depth}, or, if it is grey, name it mono16')
    if _NUMBERS.fullmatch(name):
        return (f'the image encoding is {quote(name)}, which holds depth or other numbers, not '
                f'colours; {hints.depth}')
    if _COMPRESSED.search(name):
        return (f'the image encoding is {quote(name)}, but sensor_msgs/Image holds raw pixels; '
                f'compressed images belong into a sensor_msgs/CompressedImage')
    return (f'the image encoding is {quote(name)}; decoded are {", ".join(INPUT_ENCODINGS)}: '
            f'{hints.convert}')


def _check_sides(message: Any, encoding: InputEncoding) -> None:
    size = (message.height, message.width)
    odd = [side for side, length, even in zip(('height', 'width'), size, encoding.even)
           if even and length % 2]
    if odd:
        raise FrameError(
            f'a {message.encoding} image has an even {odd[0]}, because neighbouring pixels share '
            f'their colour; this one is {message.width}x{message.height}: the publisher fills the '
            f'message wrongly')
    if message.encoding.lower().startswith('bayer') and min(size) < 2:
        raise FrameError(f'a {message.encoding} image has at least 2x2 pixels; this one is '
                         f'{message.width}x{message.height}')
