"""Reading of image files, of any kind that Pillow knows, as 8-bit RGB; for all commands."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
import importlib
from pathlib import Path
from typing import Any
import warnings

import numpy as np

from mtshare_ros.errors import FrameError

IMAGE_ENDINGS = (
    '.png', '.jpg', '.jpeg', '.jfif', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.pgm', '.pbm',
    '.pnm', '.gif', '.jp2', '.avif', '.tga',
)
"""How the names of image files end, in small letters."""

_ORIENTATION = 0x0112
_DEEP_MODES = ('I', 'F')
"""Pillow's modes of 32-bit integers and floats; the names of its 16-bit modes begin with I;."""

_SEQUENCES = ('GIF', 'PNG', 'WEBP', 'TIFF', 'AVIF')
"""Formats whose viewers show all pictures of a file; those of JPEG show only the first."""

_FAINT = 16
"""12-bit colours stored in 16 bits stay below this level, as Pillow takes the upper 8 bits."""

FILE_BITS = (8, 12, 16)
"""Bits that the samples of a file may have, whatever type they are stored in."""

SENSOR_BITS = (12, 16)
"""Bits of a camera's 16-bit samples; without a sample above 4095 it is taken to have 12."""

_LARGEST_FRACTION, _SMALLEST_WHITE = 1.0, 16.0
"""
The highest float tells fractions, up to the first, from levels, from the second on.

Floats in between could be metres and are refused.
"""


@dataclass(frozen=True)
class StoredImage:
    """
    An image as it is stored: (H, W, 3) uint8 RGB, and its orientation.

    ``orientation`` counts from 1, upright, to 8 as in EXIF; ``doubts`` are sentences about what
    was left out or may be wrong.
    """

    pixels: np.ndarray
    orientation: int = 1
    doubts: tuple[str, ...] = ()

    def upright(self) -> np.ndarray:
        """Return the pixels turned upright."""
        return turn_upright(self.pixels, self.orientation)


def read_image_file(path: Path) -> StoredImage:
    """
    Read an image file of any kind.

    Grey levels, palettes, print colours, and samples of 16 or 32 bits become 8-bit RGB; alpha is
    left out. Raises FrameError, naming the file, for any error of the decoder; ImportError without
    Pillow.
    """
    pillow = load_pillow()
    try:
        with pillow.open(path) as image:
            return decode(image)
    except Exception as error:  # noqa: B902 - decoders raise errors of any kind for damaged bytes
        raise FrameError(f'{path}: cannot be read as an image: {why(error)}') from error


def decode(image: Any, bits: Sequence[int] = FILE_BITS) -> StoredImage:
    """
    Return the first picture of an opened Pillow image.

    ``bits`` are those that its samples may have, see ``eight_bits``. Raises FrameError for values
    that are no picture.
    """
    doubts = []
    # read before ``load``, after which Pillow no longer says how the file stores its samples
    deep = ';16' in str(image.tile[:1])
    image.load()
    pixels = _pixels(image, bits)
    if deep and 0 < pixels.max() < _FAINT:
        doubts.append('it is nearly black, because none of its 16-bit samples is above 4095; if '
                      'they count to 4095, multiply them by 16')
    if image.format in _SEQUENCES and getattr(image, 'n_frames', 1) > 1:
        doubts.append(f'only the first of its {image.n_frames} pictures is used')
    return StoredImage(pixels, orientation_of(image), tuple(doubts))


def orientation_of(image: Any) -> int:
    """Return the EXIF orientation of a Pillow image, 1 to 8; 1 if there is none or a bad one."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: B902 - EXIF may be damaged where the pixels are not
        return 1
    return value if value in range(1, 9) else 1


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return (H, W, C) pixels turned and mirrored as an EXIF orientation, 1 to 8, asks for."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def why(error: Exception) -> str:
    """Return the message of a decoder's error, without the address of the buffer it read."""
    kind = type(error).__name__
    if kind == 'DecompressionBombError':
        return f'{error} Make it smaller'
    if kind == 'UnidentifiedImageError':
        return 'its format is unknown'
    return str(error).split(' <_io')[0] or kind


@lru_cache(maxsize=1)
def load_pillow() -> Any:
    """Return the module PIL.Image; raise ImportError without it."""
    pillow = importlib.import_module('PIL.Image')
    # warnings about odd metadata and large sizes would appear in the middle of other output
    warnings.filterwarnings('ignore', module=r'PIL\.')
    return pillow


def _pixels(image: Any, bits: Sequence[int]) -> np.ndarray:
    if image.mode in _DEEP_MODES or image.mode.startswith('I;'):
        grey = eight_bits(np.asarray(image), bits)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.array(image.convert('RGB'))


def eight_bits(samples: np.ndarray, bits: Sequence[int] = FILE_BITS) -> np.ndarray:
    """
    Return samples of any kind as uint8 levels of the same shape.

    Integers are taken to have the smallest number of ``bits`` that holds them all, and the upper 8
    of these are returned. Floats are fractions of 1, or levels up to 255 or 65535. Raises
    FrameError for values that cannot be a picture: negative ones, NaN, infinity and larger ones.
    """
    if samples.dtype == np.uint8 or not samples.size:
        return samples.astype(np.uint8)
    if samples.dtype.kind == 'f':
        return _from_floats(samples)
    _check_range(samples, 2 ** bits[-1] - 1)
    depth = next(bit for bit in bits if samples.max() < 2 ** bit)
    return (samples >> (depth - 8)).astype(np.uint8)


def _from_floats(samples: np.ndarray) -> np.ndarray:
    if not np.isfinite(samples).all():
        raise FrameError('it holds NaN or infinity; allowed are fractions from 0 to 1, or levels '
                         'up to 255 or 65535')
    _check_range(samples, 2 ** 16 - 1)
    highest = samples.max()
    if _LARGEST_FRACTION < highest < _SMALLEST_WHITE:
        raise FrameError(
            f'its floats go up to {highest:g}, which could be metres as well as brightness; '
            'allowed are fractions from 0 to 1, or levels up to 255 or 65535')
    white = next(white for white in (1, 255, 65535) if highest <= white)
    return (samples * (255 / white)).round().astype(np.uint8)


def _check_range(samples: np.ndarray, highest: int) -> None:
    low, high = samples.min(), samples.max()
    if low < 0 or high > highest:
        raise FrameError(f'its values go from {low:g} to {high:g}; a picture has none below 0 or '
                         f'above {highest}')
