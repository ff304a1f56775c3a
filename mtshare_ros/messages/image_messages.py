"""
Pixels and points in the buffers of messages, read and written through views.

A message is anything with the fields of sensor_msgs/Image, whatever library made it.
"""

from dataclasses import dataclass
import re
from typing import Any

import numpy as np

from mtshare_ros.errors import FrameError, quote
from mtshare_ros.image_files import eight_bits, SENSOR_BITS
from mtshare_ros.image_frame import fit_image, Framing, Pinhole
from mtshare_ros.messages.encodings import INPUT_ENCODINGS, InputEncoding, OUTPUT_ENCODINGS, Planes

MAX_PIXELS = 16_777_216
"""Default of the largest image accepted, in pixels: 4096 x 4096."""

POINT_STEP = 16
"""Bytes of a point: x, y, z, rgb without padding, half of what PCL keeps in memory."""

_NUMBERS = re.compile(r'(8|16|32|64)[USF]C\d*', re.IGNORECASE)
_COMPRESSED = re.compile('jpe?g|png|h26[45]|hevc', re.IGNORECASE)
_BY_NAME = {name.lower(): encoding for name, encoding in INPUT_ENCODINGS.items()}
_COLOR_OFFSET = 12


@dataclass(frozen=True)
class Hints:
    """
    What a user of one tool can do about an image that cannot be used: the ends of messages.

    ``largest`` tells what limits the size, ``smaller`` what to do about a larger image,
    ``depth`` how to choose another topic, ``convert`` how to get another encoding.
    """

    largest: str
    smaller: str
    depth: str
    convert: str


NODE_HINTS = Hints(
    largest='that the parameter max_pixels allows',
    smaller='publish a smaller image or start the node with a larger max_pixels',
    depth='remap the image to the colour topic of the camera',
    convert='set the camera driver to one of them',
)

BAG_HINTS = Hints(
    largest='that are read',
    smaller='record a smaller image',
    depth='choose the colour topic with --image-topic',
    convert='record another topic of the camera, or convert this one',
)


def view_planes(message: Any, encoding: InputEncoding) -> tuple[np.ndarray, ...]:
    """
    Return (H, W, channels) views of an image's planes, uint8 or uint16 in its byte order.

    Rows may be padded (``step`` is that of the first plane). A buffer of exactly the bytes that
    the image needs is read without padding, whatever its step. Raises FrameError where the buffer
    is too short.
    """
    dtype = np.dtype(np.uint8 if encoding.bits == 8 else np.uint16)
    if len(encoding.planes) == 1:
        return (view_pixels(message, channels=encoding.planes[0].channels, dtype=dtype),)
    height, width = message.height, message.width
    exact = len(message.data) == encoding.total_bytes(height, width)
    row = encoding.row_bytes(width)
    padding = 0 if exact else (message.step or row) - row
    views, start = [], 0
    for plane in encoding.planes:
        shape = (height // plane.shared, width // plane.shared, plane.channels)
        length = shape[1] * shape[2]
        step = length + padding * plane.channels // plane.shared
        # The last row may come without its padding.
        end = start + step * (shape[0] - 1) + length
        if padding < 0 or len(message.data) < end:
            raise _too_short(message, row, encoding.total_bytes(height, width))
        views.append(np.ndarray(shape, dtype, buffer=message.data, offset=start,
                                strides=(step, shape[2], 1)))
        start += step * shape[0]
    return tuple(views)


def view_pixels(
    message: Any, *, channels: int, dtype: np.dtype = np.dtype(np.uint8)
) -> np.ndarray:
    """
    Return an (H, W, channels) view of a message's buffer in its dtype and byte order.

    Rows may be padded (``step``). Raises FrameError where the buffer is too short for the image.
    """
    pixel = channels * dtype.itemsize
    row = message.width * pixel
    step = message.step or row
    needed = step * (message.height - 1) + row
    if step < row or len(message.data) < needed:
        raise _too_short(message, row, needed)
    return np.ndarray(
        (message.height, message.width, channels),
        dtype.newbyteorder('>' if message.is_bigendian else '<'),
        buffer=message.data, strides=(step, pixel, dtype.itemsize),
    )


def _too_short(message: Any, row: int, needed: int) -> FrameError:
    return FrameError(
        f'a {message.encoding} image of {message.height}x{message.width} pixels (height x width) '
        f'needs rows of at least {row} bytes and {needed} bytes in all; this one has step '
        f'{message.step} and {len(message.data)} bytes: the publisher fills the message wrongly')


def read_map(message: Any) -> np.ndarray:
    """
    Return a map written by this package as a view: (H, W) or (H, W, 3) in its own dtype.

    Raises FrameError for an encoding that is not in OUTPUT_ENCODINGS or a short buffer.
    """
    encoding = OUTPUT_ENCODINGS.get(message.encoding)
    if encoding is None:
        raise FrameError(
            f'encoding {quote(message.encoding)} is not one of {", ".join(OUTPUT_ENCODINGS)}'
        )
    values = view_pixels(message, channels=encoding.channels, dtype=encoding.dtype)
    return values[..., 0] if encoding.channels == 1 else values


def check_map(values: np.ndarray, encoding: str) -> None:
    """Raise FrameError where a map, (H, W) or (H, W, C), does not fit an encoding."""
    layout = OUTPUT_ENCODINGS[encoding]
    channels = values.shape[2] if values.ndim == 3 else 1
    if values.dtype != layout.dtype or channels != layout.channels:
        raise FrameError(
            f'an array of shape {values.shape} and type {values.dtype} does not fit the '
            f'encoding {encoding}: {layout.channels} channels of {layout.dtype} are needed'
        )


def check_size(
    width: int, height: int, max_pixels: int, hints: Hints = NODE_HINTS
) -> None:
    """Raise FrameError for an image without pixels, or with more than ``max_pixels``."""
    if width < 1 or height < 1:
        raise FrameError(
            f'the image has {height}x{width} pixels (height x width); at least 1x1 is needed: '
            f'check the publisher'
        )
    if width * height > max_pixels:
        raise FrameError(
            f'the image has {height}x{width} pixels (height x width), more than the {max_pixels} '
            f'{hints.largest}; {hints.smaller}'
        )


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
        """Return the part that the network sees in its size, (h, w, 3) uint8."""
        encoding = self.encoding
        if encoding.groups is None:
            return encoding.to_rgb(fit_image(self.planes[0], framing))
        groups, shrink = encoding.groups, framing.shrink
        odd = any(side % 2 for side, needed in zip(self.size, groups.even) if needed)
        if odd or shrink < groups.shrink:
            return fit_image(self.rgb(), framing)
        wide = 4 if shrink >= 2 * groups.shrink and self.size[1] % 4 == 0 else 2
        parts = groups.split(wide, *self.planes)
        return groups.to_rgb(*(fit_image(part, framing) for part in parts))


def read_raw(message: Any, max_pixels: int = MAX_PIXELS, hints: Hints = NODE_HINTS) -> RawImage:
    """
    Return the image in a message with the fields of sensor_msgs/Image.

    Raises FrameError for an image that is empty, too large or incomplete, or in an encoding that
    is not decoded.
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
    """Return why an encoding is not decoded, and what to do about it."""
    if name.upper() == '16UC1':
        return (f'the image encoding is {quote(name)}, which is depth in millimetres; '
                f'{hints.depth}, or, if it is grey, name it mono16')
    if _NUMBERS.fullmatch(name):
        return (f'the image encoding is {quote(name)}, which holds depth or other numbers, not '
                f'colours; {hints.depth}')
    if _COMPRESSED.search(name):
        return (f'the image encoding is {quote(name)}, but sensor_msgs/Image holds raw pixels; '
                f'publish compressed images as sensor_msgs/CompressedImage')
    return (f'the image encoding is {quote(name)}; decoded are {", ".join(INPUT_ENCODINGS)}: '
            f'{hints.convert}')


def _check_sides(message: Any, encoding: InputEncoding) -> None:
    size = (message.height, message.width)
    odd = [side for side, length, even in zip(('height', 'width'), size, encoding.even)
           if even and length % 2]
    if odd:
        raise FrameError(
            f'a {message.encoding} image has an even {odd[0]}, because neighbouring pixels share '
            f'their colour; this one has {message.height}x{message.width} pixels (height x '
            f'width): the publisher fills the message wrongly')
    if message.encoding.lower().startswith('bayer') and min(size) < 2:
        raise FrameError(f'a {message.encoding} image has at least 2x2 pixels; this one has '
                         f'{message.height}x{message.width} (height x width)')


def cloud_layout() -> list[tuple[str, int]]:
    """Return the fields of a point, all float32, with their offsets in bytes."""
    return [(name, 4 * number) for number, name in enumerate(('x', 'y', 'z', 'rgb'))]


def write_cloud(depth: np.ndarray, image: np.ndarray, camera: Pinhole, data: Any) -> None:
    """
    Write the points of (H, W) float32 depth and (H, W, 3) uint8 RGB into a buffer.

    The buffer has POINT_STEP bytes for each point, row by row. Points are NaN where the depth is.
    """
    height, width = depth.shape
    values = np.frombuffer(data, '<f4').reshape(height, width, -1)
    write_points(depth, camera, values[..., :3])
    parts = np.frombuffer(data, np.uint8).reshape(height, width, -1)
    # 0x00rrggbb, so blue comes first; a highest byte of 255 would make the float a NaN.
    # One copy for each channel takes a quarter of the time of one for all three.
    for channel in range(3):
        parts[..., _COLOR_OFFSET + 2 - channel] = image[..., channel]


def write_points(depth: np.ndarray, camera: Pinhole, points: np.ndarray) -> None:
    """
    Write the points seen at (H, W) float32 z-depth into ``points`` (H, W, 3) float32.

    They are in the optical frame (x right, y down, z forward), in the unit of the depth; NaN where
    the depth is.
    """
    height, width = depth.shape
    # x changes along columns only and y along rows only: two short lists hold all directions
    right = ((np.arange(width) - camera.cx) / camera.fx).astype(np.float32)
    down = ((np.arange(height) - camera.cy) / camera.fy).astype(np.float32)
    np.multiply(depth, right, out=points[..., 0])
    np.multiply(depth, down[:, None], out=points[..., 1])
    points[..., 2] = depth
