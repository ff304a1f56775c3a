"""The byte layouts of image encodings, and their conversion to RGB."""

from dataclasses import dataclass
from typing import Callable

import numpy as np

from mtshare_ros.messages.colors import (
    bayer_to_rgb,
    mean_level,
    reorder,
    swap_red_and_blue,
    yuv_to_rgb,
)

Planes = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Plane:
    """A part of a buffer: ``channels`` samples for each ``shared`` x ``shared`` pixels."""

    channels: int
    shared: int = 1


@dataclass(frozen=True)
class Cells:
    """
    A faster way to RGB for images that are looked at far smaller than they are.

    ``split`` turns planes into arrays of the same view, one place of them a cell of ``wide``
    pixels, its first argument (2 or 4), so that each array can be resized for itself; ``to_rgb``
    takes what came of them, pixel by pixel. ``even`` are the sides, of (height, width), that have
    to be, and ``shrink`` the pixels along a side that become one, from which on the result of
    cells of 2 is as good as that of whole pixels; of cells of 4 it is so from twice as many on.
    """

    split: Callable[..., Planes]
    to_rgb: Callable[..., np.ndarray]
    even: tuple[bool, bool] = (False, True)
    shrink: float = 4.0


@dataclass(frozen=True)
class InputEncoding:
    """
    An encoding of camera images: ``planes`` behind each other, of samples of ``bits``.

    ``to_rgb`` turns the planes, (H, W, channels) uint8, into (H, W, 3) uint8 RGB; without
    ``cells`` it does so pixel by pixel, before or after the image is resized. ``even`` are the
    sides, of (height, width), that neighbouring pixels share something along.
    """

    planes: tuple[Plane, ...]
    to_rgb: Callable[..., np.ndarray]
    bits: int = 8
    even: tuple[bool, bool] = (False, False)
    cells: Cells | None = None

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
    """Return (H, W, C) as (H, W / pixels, pixels C): some neighbours at one place."""
    height, width, channels = plane.shape
    return plane.reshape(height, width // pixels, pixels * channels)


def _grey(level: np.ndarray) -> np.ndarray:
    return reorder(level, (0, 0, 0))


def _mono(bits: int) -> InputEncoding:
    return InputEncoding((Plane(1),), _grey, bits, cells=Cells(
        lambda wide, plane: (_across(plane, wide),),
        lambda levels: _grey(mean_level(levels)[..., None])))


def _yuv_422(luma: int, u: int, v: int) -> InputEncoding:
    """Return an encoding of four bytes for two pixels, the first luma and the colours at these."""
    color = 1 - luma

    def convert(samples: np.ndarray) -> np.ndarray:
        first, second = samples[:, ::2, color], samples[:, 1::2, color]
        return yuv_to_rgb(samples[..., luma], *((first, second) if u < v else (second, first)))

    return InputEncoding(
        (Plane(2),), convert, even=(False, True), cells=Cells(
            lambda wide, samples: (_across(samples, 2),),
            lambda four: yuv_to_rgb(mean_level(four[..., luma::2]), four[..., u], four[..., v])))


def _yuv_two_planes(shared: int, u: int, v: int) -> InputEncoding:
    """Return an encoding of luma, then u and v at these places, of shared x shared pixels."""
    return InputEncoding(
        (Plane(1), Plane(2, shared)),
        lambda luma, colors: yuv_to_rgb(luma[..., 0], colors[..., u], colors[..., v]),
        even=(shared == 2, shared == 2), cells=Cells(
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
        (Plane(1),), lambda mosaic: bayer_to_rgb(mosaic[..., 0], pattern), bits, cells=Cells(
            lambda wide, mosaic: (_across(mosaic[::2], wide), _across(mosaic[1::2], wide)),
            convert, even=(True, True), shrink=6.0))  # red and blue stand half a pixel off


def _with_bits(bits: int) -> dict[str, InputEncoding]:
    """Return the encodings that there are of 8 and of 16 bits."""
    packed: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
        'rgb': (3, lambda pixels: pixels),
        'bgr': (3, swap_red_and_blue),
        'rgba': (4, lambda pixels: reorder(pixels, (0, 1, 2))),
        'bgra': (4, lambda pixels: reorder(pixels, (2, 1, 0))),
    }
    found = {f'{name}{bits}': InputEncoding((Plane(channels),), to_rgb, bits)
             for name, (channels, to_rgb) in packed.items()}
    found[f'mono{bits}'] = _mono(bits)
    # OpenCV's names say nothing of colours; its order is that of bgr
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
