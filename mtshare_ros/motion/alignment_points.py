"""Gray levels of an image, and the pixels of a reference by which images are aligned with it."""

from dataclasses import dataclass

import numpy as np
import torch

from mtshare_ros.image_frame import Pinhole

SMALLEST_SIDE = 24
"""Pixels; images are not halved further, because too few pixels would be left."""


def level_count(height: int, width: int) -> int:
    """Return how often images of a size are halved, at least once."""
    count = 1
    while min(height, width) >> (count + 1) >= SMALLEST_SIDE:
        count += 1
    return count


def gray_levels(image: torch.Tensor, count: int) -> list[np.ndarray]:
    """
    Return an image (H, W, 3) of bytes or floats at 1/2, 1/4 ... of its size, the largest first.

    Each level is (h, w) float32 in gray levels. The image is smoothed before each halving, because
    otherwise the levels of a shifted image would differ from the shifted levels.
    """
    levels = [_half_gray(image.cpu().numpy())]
    for _ in range(count - 1):
        levels.append(_half(levels[-1]))
    return levels


def _half_gray(image: np.ndarray) -> np.ndarray:
    """Return the gray (H / 2, W / 2) of an image, both sides rounded down."""
    red, green, blue = (image[..., index] for index in range(3))
    wide = np.uint16 if image.dtype == np.uint8 else np.float32  # sums of bytes times 256 fit
    gray = np.add(green, green, dtype=wide)
    np.add(gray, red, out=gray)
    np.add(gray, blue, out=gray)
    # red, twice green and blue are four times the gray
    return _half(gray) / 4


def _half(gray: np.ndarray) -> np.ndarray:
    """Return an image (h, w) half as large, both sides rounded down."""
    height, width = gray.shape[0] // 2 * 2, gray.shape[1] // 2 * 2
    # the weights of (1, 3, 3, 1) add up to 8 along each side
    rows = _smoothed(gray[0:height:2], gray[1:height:2])
    return _smoothed(rows[:, 0:width:2].T, rows[:, 1:width:2].T).T / np.float32(64)


def _smoothed(even: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """Return lines smoothed by (1, 3, 3, 1) about each pair of an even and an odd line."""
    sums = even + odd
    sums *= 3
    sums[1:] += odd[:-1]
    sums[:1] += even[:1]
    sums[:-1] += even[1:]
    sums[-1:] += odd[-1:]
    return sums


PARAMETERS = 8
"""Rotation (3) in radians, translation (3) in metres, gain and bias of the brightness."""

MIDDLE_GRAY = 128
"""The gray level that a gain does not change."""

_BORDER = 2
_NEAREST = 0.05


@dataclass(frozen=True)
class AlignmentPoints:
    """
    Pixels of a reference at one level, with all that stays the same during an alignment.

    ``positions`` (3, n) in the optical frame in metres, ``gray`` (n,), ``slope`` (n,) the
    gray levels from one pixel to the next, ``jacobian`` (8, n) the derivative of the reference's
    gray by the PARAMETERS of a motion of its points.
    """

    camera: Pinhole
    positions: np.ndarray
    gray: np.ndarray
    slope: np.ndarray
    jacobian: np.ndarray


@dataclass(frozen=True)
class Reference:
    """
    One level of a reference.

    ``gray`` (h, w); ``depth`` (H, W) of the whole view in metres, ``factor`` times as large;
    ``trusted`` (h, w): what of it may be used, None for all.
    """

    gray: np.ndarray
    depth: np.ndarray
    trusted: np.ndarray | None
    factor: int
    camera: Pinhole


def steepest_points(reference: Reference, side: int) -> AlignmentPoints:
    """Return the steepest trusted pixel of each square of ``side`` pixels, where there is one."""
    rows, columns = _largest(_steepness(reference), side)
    rows, columns, depth = _with_depth(reference, rows + _BORDER, columns + _BORDER)
    gray, camera = reference.gray, reference.camera
    across = (gray[rows, columns + 1] - gray[rows, columns - 1]) / 2
    down = (gray[rows + 1, columns] - gray[rows - 1, columns]) / 2
    x = ((columns - camera.cx) / camera.fx).astype(np.float32)
    y = ((rows - camera.cy) / camera.fy).astype(np.float32)
    jacobian = _jacobian(across * camera.fx, down * camera.fy, x, y, 1 / depth)
    jacobian[6], jacobian[7] = gray[rows, columns] - MIDDLE_GRAY, 1
    return AlignmentPoints(camera, np.stack([x * depth, y * depth, depth]), gray[rows, columns],
                           np.hypot(across, down), jacobian)


def _steepness(reference: Reference) -> np.ndarray:
    """Return the squared slope of gray, without a border, 0 where it is not trusted."""
    gray, inner = reference.gray, slice(_BORDER, -_BORDER)
    across = gray[inner, _BORDER + 1:1 - _BORDER] - gray[inner, _BORDER - 1:-_BORDER - 1]
    down = gray[_BORDER + 1:1 - _BORDER, inner] - gray[_BORDER - 1:-_BORDER - 1, inner]
    across *= across
    down *= down
    across += down
    if reference.trusted is not None:
        across *= reference.trusted[inner, inner]
    return across


def _largest(values: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column of the largest value of each square that has one above 0."""
    rows, columns = values.shape[0] // side, values.shape[1] // side
    squares = values[:rows * side, :columns * side].reshape(rows, side, columns, side)
    flat = squares.transpose(0, 2, 1, 3).reshape(rows * columns, side * side)
    best = flat.argmax(1)
    found = np.flatnonzero(flat[np.arange(len(flat)), best] > 0)
    best = best[found]
    return found // columns * side + best // side, found % columns * side + best % side


def _with_depth(
    reference: Reference, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pixels (n,) of a level whose depth is known, and the depth."""
    factor = reference.factor
    depth = reference.depth[rows * factor + factor // 2, columns * factor + factor // 2]
    known = np.isfinite(depth) & (depth > _NEAREST)
    return rows[known], columns[known], depth[known]


def _jacobian(
    across: np.ndarray, down: np.ndarray, x: np.ndarray, y: np.ndarray, inverse_depth: np.ndarray
) -> np.ndarray:
    """Return the derivative of gray (8, n) by a motion; slopes are times the focal length."""
    outwards = across * x + down * y
    jacobian = np.empty((PARAMETERS, len(x)), np.float32)
    jacobian[0] = -y * outwards - down
    jacobian[1] = x * outwards + across
    jacobian[2] = down * x - across * y
    jacobian[3] = across * inverse_depth
    jacobian[4] = down * inverse_depth
    jacobian[5] = -outwards * inverse_depth
    return jacobian
