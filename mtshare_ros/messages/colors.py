"""From the samples of a camera to RGB: orders of channels, YUV, and the pattern of a sensor."""

import numpy as np

# Five bits keep the largest sum, white with the strongest blue, within 16-bit integers.
_FIXED_POINT_BITS = 5


def reorder(source: np.ndarray, order: tuple[int, int, int]) -> np.ndarray:
    """Gather three channels plane by plane, four times faster than numpy's fancy indexing."""
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
    # a mirrored edge keeps the pattern
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
    """Return where a colour stands around a pixel of colour ``own``, ``beside`` next to it."""
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
