"""
Compressed image messages to RGB arrays.

Pillow decodes them, because it is everywhere (``python3-pil``, wheels for every platform), reads
the size before it decodes, and reads JPEG and PNG alike. Others decode JPEG up to twice as fast,
but read JPEG only, or tie the node to one version of numpy. Decoding to a smaller size is not
used: the calibration is that of the whole image.
"""

from functools import lru_cache
import importlib
import io
import re
from types import ModuleType
from typing import Any
import warnings

import numpy as np

from mtshare_ros.errors import FrameError, MissingExtraError
from mtshare_ros.messages.pixels import check_size, MAX_PIXELS
from mtshare_ros.messages.quoting import quote

CODECS = ('JPEG', 'PNG')
"""What is decoded, by Pillow's names; which of them a message holds is seen from its bytes."""

MOST_SCANS = 100
"""A progressive JPEG has its pixels in scans, usually 10; a few bytes can ask for thousands."""

_CODEC_WORDS = re.compile(r'\b(jpeg|jpg|png)\b', re.IGNORECASE)
_JPEG_START, _JPEG_SCAN = b'\xff\xd8', b'\xff\xda'
_EIGHT_BIT_MODES = ('1', 'L', 'LA', 'P', 'RGB', 'RGBA')
"""Pillow's names of the pixel formats that become RGB without a guess; alpha is left out."""


def require_decoder() -> None:
    """Raise MissingExtraError, naming the extra, where Pillow is not installed."""
    _load_pillow()


def compressed_to_rgb(message: Any, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """
    Return a JPEG or PNG as (H, W, 3) uint8 RGB.

    Grey levels, palettes and alpha are converted; of 16-bit colours the upper 8 bits are taken.
    Raises FrameError, saying what is wrong, for another format, for damaged data, and for an
    image that is too large, whose pixels are then never decoded; MissingExtraError without Pillow.
    """
    _check_format(message.format)
    pillow = _load_pillow()
    data = bytes(message.data)
    _check_scans(data)
    try:
        with pillow.open(io.BytesIO(data), formats=CODECS) as image:
            check_size(image.width, image.height, max_pixels)
            _check_mode(image.mode, message.format)
            return np.array(image.convert('RGB'))
    except FrameError:
        raise
    except Exception as error:  # noqa: B902
        raise FrameError(
            f'the compressed image with format {quote(message.format)} and {len(data)} bytes '
            f'cannot be decoded: {_reason(error)}; JPEG and PNG are read, whole files of them: '
            f'check the publisher and the connection'
        ) from error


def _check_format(text: str) -> None:
    if 'compresseddepth' in text.lower():
        raise FrameError(
            f'the compressed image has the format {quote(text)}: it holds depth, not colours; '
            f'remap image/compressed to the colour topic of the camera'
        )
    if not _CODEC_WORDS.search(text):
        raise FrameError(
            f'the compressed image has the format {quote(text)}; allowed are jpeg and png, as in '
            f"'rgb8; jpeg compressed bgr8': set the format of the publisher to one of them"
        )


def _check_scans(data: bytes) -> None:
    if data.startswith(_JPEG_START) and data.count(_JPEG_SCAN) > MOST_SCANS:
        raise FrameError(
            f'the JPEG has {data.count(_JPEG_SCAN)} scans, at most {MOST_SCANS} are decoded; '
            f'no camera makes such files: check who publishes this topic'
        )


def _check_mode(mode: str, text: str) -> None:
    if mode not in _EIGHT_BIT_MODES:
        raise FrameError(
            f'the compressed image with format {quote(text)} holds pixels of the kind {mode!r} '
            f'(16-bit grey or print colours); allowed are grey, palette and RGB images of 8 bits, '
            f'with or without alpha: convert it before it is published'
        )
    if text.startswith('bayer') and mode == 'L':
        raise FrameError(
            f'the compressed image with format {quote(text)} holds the raw pattern of a colour '
            f'sensor; publish the debayered image (image_proc)'
        )


def _reason(error: Exception) -> str:
    """Return what Pillow says, without the address of the buffer it read from."""
    text = str(error).split(' <_io')[0]
    return text or type(error).__name__


@lru_cache(maxsize=1)
def _load_pillow() -> Any:
    """Return the module PIL.Image."""
    try:
        pillow: ModuleType = importlib.import_module('PIL.Image')
    except ImportError as error:
        raise MissingExtraError(
            f'image_transport: compressed needs Pillow to decode JPEG and PNG, which cannot be '
            f'imported ({error}); pip install "mtshare_ros[compressed]", or set image_transport '
            f'to raw'
        ) from error
    # Warnings about odd metadata would come once for every image that differs from the others.
    warnings.filterwarnings('ignore', module=r'PIL\.')
    return pillow
