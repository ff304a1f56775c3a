"""The pixels of a reference by which another image is aligned with it."""

from dataclasses import dataclass

import numpy as np

from mtshare_ros.pinhole import Pinhole

PARAMETERS = 8
"""Three turns in radians, three shifts in metres, gain and bias of the brightness."""

MIDDLE_GRAY = 128
"""The gray level that a gain does not change."""

_BORDER = 2


@dataclass(frozen=True)
class AlignmentPoints:
    """
    Pixels of a reference at one level, with what does not change while another is aligned.

    ``positions`` (3, n) in metres before the camera, ``gray`` (n,), ``slope`` (n,) the gray levels
    from one pixel to the next, ``jacobian`` (8, n): by how much the gray of the reference changes
    where its points move (PARAMETERS).
    """

    camera: Pinhole
    positions: np.ndarray
    gray: np.ndarray
    slope: np.ndarray
    jacobian: np.ndarray


@dataclass(frozen=True)
class Reference:
    """One level of the reference: gray, depth in metres, what may be used, each (h, w)."""

    gray: np.ndarray
    depth: np.ndarray
    trusted: np.ndarray
    camera: Pinhole


def steepest_points(reference: Reference, cell: int) -> AlignmentPoints:
    """Return the pixel with the steepest gray of each square of a side, where one is trusted."""
    across, down = _gradient(reference.gray)
    steepness = (across * across + down * down) * reference.trusted
    rows, columns = _largest(steepness, cell)
    across, down = across[rows, columns], down[rows, columns]
    depth, gray = reference.depth[rows, columns], reference.gray[rows, columns]
    camera = reference.camera
    x = ((columns - camera.cx) / camera.fx).astype(np.float32)
    y = ((rows - camera.cy) / camera.fy).astype(np.float32)
    jacobian = _jacobian(across * camera.fx, down * camera.fy, x, y, 1 / depth, gray)
    return AlignmentPoints(
        camera, np.stack([x * depth, y * depth, depth]), gray, np.hypot(across, down), jacobian)


def _gradient(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return gray levels a pixel to the right and down (h, w), 0 near the border."""
    across, down = np.zeros_like(gray), np.zeros_like(gray)
    inner = slice(_BORDER, -_BORDER)
    across[inner, inner] = (gray[inner, _BORDER + 1:1 - _BORDER] - gray[inner, 1:-3]) / 2
    down[inner, inner] = (gray[_BORDER + 1:1 - _BORDER, inner] - gray[1:-3, inner]) / 2
    return across, down


def _largest(values: np.ndarray, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column of the largest value of each cell that has one above 0."""
    rows, columns = values.shape[0] // cell, values.shape[1] // cell
    cells = values[:rows * cell, :columns * cell].reshape(rows, cell, columns, cell)
    flat = cells.transpose(0, 2, 1, 3).reshape(rows * columns, cell * cell)
    best = flat.argmax(1)
    found = np.flatnonzero(flat[np.arange(len(flat)), best] > 0)
    best = best[found]
    return found // columns * cell + best // cell, found % columns * cell + best % cell


def _jacobian(
    across: np.ndarray,
    down: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    inverse_depth: np.ndarray,
    gray: np.ndarray,
) -> np.ndarray:
    """Return the change of gray (8, n) by each parameter; the gradient is a focal length's."""
    outwards = across * x + down * y
    jacobian = np.empty((PARAMETERS, len(gray)), np.float32)
    jacobian[0] = -y * outwards - down
    jacobian[1] = x * outwards + across
    jacobian[2] = down * x - across * y
    jacobian[3] = across * inverse_depth
    jacobian[4] = down * inverse_depth
    jacobian[5] = -outwards * inverse_depth
    jacobian[6] = gray - MIDDLE_GRAY
    jacobian[7] = 1
    return jacobian
