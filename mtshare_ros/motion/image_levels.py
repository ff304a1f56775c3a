"""An image as gray levels, each half as large as the one before."""

import numpy as np
import torch

SMALLEST_SIDE = 24
"""Images are not halved so often that a side is below that: too little would be left."""

_GRAY = np.array([0.25, 0.5, 0.25], np.float32)
_PAIR = np.kron(np.eye(2, dtype=np.float32), _GRAY[:, None]) / 64
"""From the colours of two pixels (6,) to their gray; the two filters weigh 8 each."""


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
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    wide = np.uint16 if image.dtype == np.uint8 else np.float32  # 8 bytes fit
    lines = image[:height, :width].reshape(height, width * 3).astype(wide)
    rows = _smoothed(lines[0::2], lines[1::2]).astype(np.float32)
    pairs = rows.reshape(height // 2, width // 2, 6) @ _PAIR
    return _smoothed(pairs[..., 0].T, pairs[..., 1].T).T


def _half(gray: np.ndarray) -> np.ndarray:
    """Return an image (h, w) half as large, both sides rounded down."""
    height, width = gray.shape[0] // 2 * 2, gray.shape[1] // 2 * 2
    rows = _smoothed(gray[0:height:2], gray[1:height:2])
    return _smoothed(rows[:, 0:width:2].T, rows[:, 1:width:2].T).T / 64


def _smoothed(even: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """Return 1, 3, 3, 1 of four lines about the middle of each pair, from even and odd lines."""
    sums = even + odd
    sums *= 3
    sums[1:] += odd[:-1]
    sums[:1] += even[:1]
    sums[:-1] += even[1:]
    sums[-1:] += odd[-1:]
    return sums
