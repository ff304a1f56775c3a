"""
Compressed image messages to RGB arrays.

Pillow decodes them, because it is available everywhere (``python3-pil``, wheels for every
platform), reads the size before it decodes, and reads both JPEG and PNG. Other libraries decode
JPEG up to twice as fast, but read JPEG only or need one version of numpy. The format is recognised
by the bytes, because drivers write anything into the field ``format``. A JPEG far larger than the
network's input is decoded to a half, a quarter or an eighth of its sides, in a third of the time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import io
import re
from typing import Any

import numpy as np

from mtshare_ros.errors import FrameError, MissingExtraError, quote
from mtshare_ros.image_files import decode, load_pillow, orientation_of, SENSOR_BITS, why
from mtshare_ros.image_frame import fit_image, frame_to_cover, Framing, Picture
from mtshare_ros.messages.encodings import INPUT_ENCODINGS
from mtshare_ros.messages.image_messages import check_size, Hints, MAX_PIXELS, NODE_HINTS

CODECS = ('JPEG', 'PNG', 'WEBP', 'TIFF', 'BMP')
"""The formats that are decoded, by Pillow's names."""

MOST_SCANS = 100
"""Scans of a progressive JPEG, usually 10; a small file with thousands would take minutes."""

_JPEG_START, _JPEG_SCAN = b'\xff\xd8', b'\xff\xda'
_JPEGS = ('JPEG', 'MPO')
# compressed_depth_image_transport puts 12 bytes before the PNG.
_PNG_START, _DEPTH_HEADER = b'\x89PNG', 12
_VIDEO_STARTS = (b'\0\0\0\1', b'\0\0\1')
_DEPTH_WORDS = re.compile(r'compresseddepth|^\s*(16UC1|32FC1)\b', re.IGNORECASE)
_VIDEO_WORDS = re.compile(r'\b([hx].?26[45]|hevc|av1|vp[89]|mpeg-?[124]?)\b', re.IGNORECASE)
_BAYER = re.compile(r'\s*(bayer_[rgb]{4})', re.IGNORECASE)


def require_decoder() -> None:
    """Raise MissingExtraError, naming the extra, where Pillow is not installed."""
    _require_pillow()


@dataclass(frozen=True)
class ReducedImage:
    """An image of (height, width) ``size``, decoded to fewer ``pixels``, (h, w, 3) uint8 RGB."""

    pixels: np.ndarray
    size: tuple[int, int]

    def rgb(self) -> np.ndarray:
        """Return the decoded pixels."""
        return self.pixels

    def fit(self, framing: Framing) -> np.ndarray:
        """Return the part that the network sees in its size, (h, w, 3) uint8."""
        return fit_image(self.pixels, framing)


def read_compressed(
    message: Any, input_size: tuple[int, int], max_pixels: int = MAX_PIXELS,
    hints: Hints = NODE_HINTS,
) -> np.ndarray | Picture:
    """Return the image as ``compressed_to_rgb`` does, no finer than ``input_size`` needs."""
    with _opened(message, max_pixels, hints) as image:
        size = (image.height, image.width)
        _reduce(image, message.format, input_size)
        rgb = _rgb(image, message.format)
        return ReducedImage(rgb, size) if (image.height, image.width) != size else rgb


def compressed_to_rgb(
    message: Any, max_pixels: int = MAX_PIXELS, hints: Hints = NODE_HINTS
) -> np.ndarray:
    """
    Return an image in one of CODECS as (H, W, 3) uint8 RGB, upright.

    Grey levels, palettes, CMYK and alpha are converted, of 16 bits the upper 8 are taken, and the
    pattern of a colour sensor is interpolated. Raises FrameError for depth, for video, for another
    format, for damaged data, and for an image that is too large (before its pixels are decoded);
    MissingExtraError without Pillow.
    """
    with _opened(message, max_pixels, hints) as image:
        return _rgb(image, message.format)


@contextmanager
def _opened(message: Any, max_pixels: int, hints: Hints) -> Iterator[Any]:
    """Open the image of a message; raise FrameError for whatever the decoder raises."""
    data = bytes(message.data)
    _check_depth(message.format, data, hints)
    pillow = _require_pillow()
    _check_scans(data)
    try:
        with pillow.open(io.BytesIO(data), formats=CODECS) as image:
            check_size(image.width, image.height, max_pixels, hints)
            yield image
    except FrameError:
        raise
    except Exception as error:  # noqa: B902
        raise _failure(message.format, data, error) from error


def _reduce(image: Any, text: str, input_size: tuple[int, int]) -> None:
    """Decode a JPEG smaller, where that leaves at least twice the pixels that the network sees."""
    # A smaller image would mix the pixels of a mosaic, whose neighbours have other colours.
    if image.format not in _JPEGS or _BAYER.match(text) or orientation_of(image) != 1:
        return
    shrink = frame_to_cover((image.height, image.width), input_size).shrink
    for factor in (8, 4, 2):
        if shrink >= 2 * factor and image.width % factor == image.height % factor == 0:
            image.draft(image.mode, (image.width // factor, image.height // factor))
            return


def _rgb(image: Any, text: str) -> np.ndarray:
    stored = decode(image, SENSOR_BITS)
    pattern = _BAYER.match(text)
    if pattern is None or len(image.getbands()) > 1 or min(image.size) < 2:
        return stored.upright()
    encoding = INPUT_ENCODINGS.get(f'{pattern[1].lower()}8')
    return stored.upright() if encoding is None else encoding.to_rgb(stored.pixels[..., :1])


def _check_depth(text: str, data: bytes, hints: Hints) -> None:
    start = data[_DEPTH_HEADER:_DEPTH_HEADER + len(_PNG_START)]
    if _DEPTH_WORDS.search(text) or start == _PNG_START:
        raise FrameError(
            f'the compressed image with format {quote(text)} holds depth, not colours; '
            f'{hints.depth}'
        )


def _check_scans(data: bytes) -> None:
    if data.startswith(_JPEG_START) and data.count(_JPEG_SCAN) > MOST_SCANS:
        raise FrameError(
            f'the JPEG has {data.count(_JPEG_SCAN)} scans, at most {MOST_SCANS} are decoded; '
            f'no camera makes such files: check who publishes this topic'
        )


def _failure(text: str, data: bytes, error: Exception) -> FrameError:
    about = f'the compressed image with format {quote(text)} and {len(data)} bytes'
    if data.startswith(_VIDEO_STARTS) or _VIDEO_WORDS.search(text):
        return FrameError(
            f'{about} is one packet of a video, which cannot be decoded without those before it; '
            f'{", ".join(CODECS)} are read: republish the images as one of these with '
            f'image_transport'
        )
    return FrameError(
        f'{about} cannot be decoded: {why(error)}; {", ".join(CODECS)} are read, each image '
        f'as a complete file: check the publisher and the connection'
    )


def _require_pillow() -> Any:
    """Return the module PIL.Image."""
    try:
        return load_pillow()
    except ImportError as error:
        raise MissingExtraError(
            f'image_transport: compressed needs Pillow to decode JPEG and PNG, which cannot be '
            f'imported ({error}); pip install "mtshare_ros[compressed]", or set image_transport '
            f'to raw'
        ) from error
