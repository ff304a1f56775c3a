"""The byte layouts of image encodings, and their conversion to RGB."""

from dataclasses import dataclass
from typing import Callable

import numpy as np

# Five bits keep the largest sum, white with the strongest blue, within 16-bit integers.
_FIXED_POINT_BITS = 5


def reorder(source: np.ndarray, order: tuple[int, int, int]) -> np.ndarray:
    """Return three channels in an order, four times faster than numpy's fancy indexing."""
    result = np.empty(source.shape[:2] + (3,), np.uint8)
    for target, channel in enumerate(order):
        result[..., target] = source[..., channel]
    return result


def swap_red_and_blue(source: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) with the first and the last channel exchanged."""
    result = source.copy()
    result[..., 0] = source[..., 2]
    result[..., 2] = source[..., 0]
    return result


def yuv_to_rgb(luma: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """
    Convert luma (H, W) and its colours to RGB (H, W, 3), all uint8.

    u and v are (H / n, W / m): each sample is that of n x m pixels. ITU-R BT.601 in video range,
    the convention of the encodings in sensor_msgs and of OpenCV, to within 5 of 255 levels.
    """
    down, across = luma.shape[0] // u.shape[0], luma.shape[1] // u.shape[1]
    blueness, redness = (samples.astype(np.int16) - 128 for samples in (u, v))
    colors = (
        redness * _factor(1.596),
        redness * _factor(-0.813) + blueness * _factor(-0.391),
        blueness * _factor(2.018),
    )
    result = np.empty((*luma.shape, 3), np.uint8)
    for row in range(down):
        for column in range(across):
            places = luma[row::down, column::across]
            brightness = (places.astype(np.int16) - 16) * _factor(1.164)
            for channel, color in enumerate(colors):
                result[row::down, column::across, channel] = _to_level(brightness + color)
    return result


def bayer_to_rgb(mosaic: np.ndarray, pattern: str) -> np.ndarray:
    """
    Interpolate the pattern of a colour sensor, (H, W) uint8, to RGB (H, W, 3), bilinearly.

    ``pattern`` names the colours of the first two pixels and of those below, as in 'rggb'. H and W
    are at least 2.
    """
    # Mirroring at the edge keeps the pattern.
    padded = np.pad(mosaic, 1, mode='reflect').astype(np.uint16)
    result = np.empty((*mosaic.shape, 3), np.uint8)
    for place, own in enumerate(pattern):
        row, column = divmod(place, 2)
        beside = pattern[place ^ 1]
        for channel, color in enumerate('rgb'):
            result[row::2, column::2, channel] = _interpolate(
                padded, row, column, _neighbours(color, own, beside))
    return result


_HERE = ((0, 0),)
_BESIDE, _ABOVE = ((0, -1), (0, 1)), ((-1, 0), (1, 0))
_CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))


def _neighbours(color: str, own: str, beside: str) -> tuple[tuple[int, int], ...]:
    """Return the offsets of a colour around a pixel of colour ``own``, ``beside`` to its right."""
    if color == own:
        return _HERE
    if own == 'g':
        return _BESIDE if color == beside else _ABOVE
    return _BESIDE + _ABOVE if color == 'g' else _CORNERS


def _interpolate(
    padded: np.ndarray, row: int, column: int, places: tuple[tuple[int, int], ...]
) -> np.ndarray:
    """Return the mean of the neighbours of every other pixel of every other row."""
    height, width = padded.shape[0] - 2, padded.shape[1] - 2
    found = [padded[1 + row + down:1 + down + height:2, 1 + column + right:1 + right + width:2]
             for down, right in places]
    total = np.add.reduce(found) if len(found) > 1 else found[0]
    return (total + len(places) // 2) // len(places)


def mean_level(samples: np.ndarray) -> np.ndarray:
    """Return the rounded mean of (H, W, N) uint8 over the last axis."""
    count = samples.shape[-1]
    return ((samples.sum(-1, dtype=np.uint16) + count // 2) // count).astype(np.uint8)


def _factor(value: float) -> int:
    return round(value * (1 << _FIXED_POINT_BITS))


def _to_level(value: np.ndarray) -> np.ndarray:
    """Round fixed-point int16 to 0..255, in place."""
    value += 1 << (_FIXED_POINT_BITS - 1)
    value >>= _FIXED_POINT_BITS
    np.maximum(value, 0, out=value)
    return np.minimum(value, 255, out=value)


Planes = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Plane:
    """A part of a buffer: ``channels`` samples for every ``shared`` x ``shared`` pixels."""

    channels: int
    shared: int = 1


@dataclass(frozen=True)
class PixelGroups:
    """
    A faster way to RGB for images that are shrunk a lot: resize groups of pixels, then convert.

    ``split(wide, *planes)`` returns arrays in which one place holds a group of ``wide`` (2 or 4)
    neighbouring pixels. Each array is resized by itself, and ``to_rgb`` makes RGB of the results.
    ``even`` tells which of (height, width) have to be even. ``shrink`` is how many pixels along a
    side must become one for groups of 2 to give as good a result as single pixels; groups of 4
    need twice as many.
    """

    split: Callable[..., Planes]
    to_rgb: Callable[..., np.ndarray]
    even: tuple[bool, bool] = (False, True)
    shrink: float = 4.0


@dataclass(frozen=True)
class InputEncoding:
    """
    An encoding of camera images: ``planes`` one after the other, of samples of ``bits``.

    ``to_rgb`` turns the planes, (H, W, channels) uint8, into (H, W, 3) uint8 RGB. Without
    ``groups`` it treats each pixel by itself, so that the image may be resized first. ``even``
    tells which of (height, width) have to be even, because neighbouring pixels share samples.
    """

    planes: tuple[Plane, ...]
    to_rgb: Callable[..., np.ndarray]
    bits: int = 8
    even: tuple[bool, bool] = (False, False)
    groups: PixelGroups | None = None

    def row_bytes(self, width: int) -> int:
        """Return the bytes of a row of the first plane without padding."""
        return width * self.planes[0].channels * self.bits // 8

    def total_bytes(self, height: int, width: int) -> int:
        """Return the bytes of an image without padding."""
        return sum((height // plane.shared) * (width // plane.shared) * plane.channels
                   for plane in self.planes) * self.bits // 8


@dataclass(frozen=True)
class OutputEncoding:
    """An encoding of the published maps: the sample type and the samples of a pixel."""

    dtype: np.dtype
    channels: int


def _across(plane: np.ndarray, pixels: int) -> np.ndarray:
    """Return (H, W, C) as (H, W / pixels, pixels * C): neighbours become channels."""
    height, width, channels = plane.shape
    return plane.reshape(height, width // pixels, pixels * channels)


def _grey(level: np.ndarray) -> np.ndarray:
    return reorder(level, (0, 0, 0))


def _mono(bits: int) -> InputEncoding:
    return InputEncoding((Plane(1),), _grey, bits, groups=PixelGroups(
        lambda wide, plane: (_across(plane, wide),),
        lambda levels: _grey(mean_level(levels)[..., None])))


def _yuv_422(luma: int, u: int, v: int) -> InputEncoding:
    """Return an encoding of four bytes for two pixels; the arguments are places in these."""
    color = 1 - luma

    def convert(samples: np.ndarray) -> np.ndarray:
        first, second = samples[:, ::2, color], samples[:, 1::2, color]
        return yuv_to_rgb(samples[..., luma], *((first, second) if u < v else (second, first)))

    return InputEncoding(
        (Plane(2),), convert, even=(False, True), groups=PixelGroups(
            lambda wide, samples: (_across(samples, 2),),
            lambda four: yuv_to_rgb(mean_level(four[..., luma::2]), four[..., u], four[..., v])))


def _yuv_two_planes(shared: int, u: int, v: int) -> InputEncoding:
    """Return an encoding of luma, then of u and v in turn for shared x shared pixels."""
    return InputEncoding(
        (Plane(1), Plane(2, shared)),
        lambda luma, colors: yuv_to_rgb(luma[..., 0], colors[..., u], colors[..., v]),
        even=(shared == 2, shared == 2), groups=PixelGroups(
            lambda wide, luma, colors: (
                _across(luma, wide), _across(colors, min(wide // shared, 2))),
            lambda levels, colors: yuv_to_rgb(
                mean_level(levels), mean_level(colors[..., u::2]), mean_level(colors[..., v::2]))))


def _bayer(pattern: str, bits: int) -> InputEncoding:
    red, blue = pattern.index('r'), pattern.index('b')
    green = [place for place, color in enumerate(pattern) if color == 'g']

    def convert(*rows: np.ndarray) -> np.ndarray:
        four = np.dstack([mean_level(row[..., column::2]) for row in rows for column in (0, 1)])
        return np.dstack([four[..., red], mean_level(four[..., green]), four[..., blue]])

    return InputEncoding(
        (Plane(1),), lambda mosaic: bayer_to_rgb(mosaic[..., 0], pattern), bits,
        groups=PixelGroups(
            lambda wide, mosaic: (_across(mosaic[::2], wide), _across(mosaic[1::2], wide)),
            convert, even=(True, True), shrink=6.0))  # red and blue are half a pixel off


def _with_bits(bits: int) -> dict[str, InputEncoding]:
    """Return the encodings that exist with 8 and with 16 bits."""
    packed: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
        'rgb': (3, lambda pixels: pixels),
        'bgr': (3, swap_red_and_blue),
        'rgba': (4, lambda pixels: reorder(pixels, (0, 1, 2))),
        'bgra': (4, lambda pixels: reorder(pixels, (2, 1, 0))),
    }
    found = {f'{name}{bits}': InputEncoding((Plane(channels),), to_rgb, bits)
             for name, (channels, to_rgb) in packed.items()}
    found[f'mono{bits}'] = _mono(bits)
    # The names of OpenCV do not tell the order of the channels; OpenCV itself uses that of bgr.
    found[f'{bits}UC3'], found[f'{bits}UC4'] = found[f'bgr{bits}'], found[f'bgra{bits}']
    found.update((f'bayer_{pattern}{bits}', _bayer(pattern, bits))
                 for pattern in ('rggb', 'bggr', 'gbrg', 'grbg'))
    return found


_YUYV, _UYVY = _yuv_422(luma=0, u=1, v=3), _yuv_422(luma=1, u=0, v=2)

INPUT_ENCODINGS = {
    **_with_bits(8), **_with_bits(16), '8UC1': _mono(8),
    'yuyv': _YUYV, 'yuv422_yuy2': _YUYV, 'uyvy': _UYVY, 'yuv422': _UYVY,
    'nv12': _yuv_two_planes(shared=2, u=0, v=1), 'nv21': _yuv_two_planes(shared=2, u=1, v=0),
    'nv24': _yuv_two_planes(shared=1, u=0, v=1),
}
"""What is decoded, by the names of sensor_msgs/image_encodings."""

OUTPUT_ENCODINGS = {
    'mono8': OutputEncoding(np.dtype(np.uint8), 1),
    'rgb8': OutputEncoding(np.dtype(np.uint8), 3),
    '32FC1': OutputEncoding(np.dtype(np.float32), 1),
    '32FC3': OutputEncoding(np.dtype(np.float32), 3),
}
"""What maps are written in, by the names of sensor_msgs/image_encodings."""
