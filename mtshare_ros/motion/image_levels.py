"""An image as gray levels, each half as large as the one before."""

import numpy as np
import torch

SMALLEST_SIDE = 24
"""Images are not halved so often that a side is below that: too little would be left."""


def level_count(height: int, width: int) -> int:
    """Return how often images of a size are halved, at least once."""
    count = 1
    while min(height, width) >> (count + 1) >= SMALLEST_SIDE:
        count += 1
    return count


def gray_levels(image: torch.Tensor, count: int) -> list[np.ndarray]:
    """
    Return an image (H, W, 3) of bytes or floats at 1/2, 1/4 ... of its size, the largest first.

    Each level is (h, w) float32 in grey levels. Before every halving the image is smoothed, as
    otherwise the levels of a shifted image would not be shifted levels.
    """
    levels = [_half_gray(image.cpu().numpy())]
    for _ in range(count - 1):
        levels.append(_half(levels[-1]))
    return levels


def _half_gray(image: np.ndarray) -> np.ndarray:
    """Return the gray (H / 2, W / 2) of an image, both sides rounded down."""
    red, green, blue = (image[..., index] for index in range(3))
    wide = np.uint16 if image.dtype == np.uint8 else np.float32  # 4 * 8 * 8 bytes fit
    gray = np.add(green, green, dtype=wide)
    np.add(gray, red, out=gray)
    np.add(gray, blue, out=gray)
    return _half(gray) / 4


def _half(gray: np.ndarray) -> np.ndarray:
    """Return an image (h, w) half as large, both sides rounded down."""
    height, width = gray.shape[0] // 2 * 2, gray.shape[1] // 2 * 2
    rows = _smoothed(gray[0:height:2], gray[1:height:2])
    return _smoothed(rows[:, 0:width:2].T, rows[:, 1:width:2].T).T / np.float32(64)


def _smoothed(even: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """Return 1, 3, 3, 1 of four lines about the middle of each pair, from even and odd lines."""
    sums = even + odd
    sums *= 3
    sums[1:] += odd[:-1]
    sums[:1] += even[:1]
    sums[:-1] += even[1:]
    sums[-1:] += odd[-1:]
    return sums
