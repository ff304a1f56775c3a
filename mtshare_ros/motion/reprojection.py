"""
Where each pixel of a view lay in another.

Every pixel of the old view is moved by its depth to where it lies in the new one; of those that
meet in one pixel the nearest is seen. What is found is kept to a fraction of a pixel.
"""

from dataclasses import dataclass

import numpy as np
import torch

from mtshare_ros.motion.holes import close_cracks, fill_holes
from mtshare_ros.motion.points import grid_of, known, matrix_of, NEAREST, Points
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.splatting import splat
from mtshare_ros.pinhole import Pinhole

_PARALLAX = 0.05
"""Pixels by which near and far may differ in their motion and still count as one plane."""

_STILL = 0.02
"""Pixels by which a view may move and still be called the same."""

_AHEAD = 1e-3
"""Cosine, about, of the directions to the side of the camera that are not looked at."""


@dataclass(frozen=True)
class Reprojection:
    """
    Where each pixel of the new view lay in the old one.

    ``row`` and ``column`` (H, W) float32 are its place there, ``depth`` (H, W) its z in the new
    view. Where ``seen`` (H, W) is False the old view did not show it: place and depth are then
    those of the farther of its neighbours.
    """

    row: torch.Tensor
    column: torch.Tensor
    depth: torch.Tensor
    seen: torch.Tensor


def reproject(depth: torch.Tensor, camera: Pinhole, motion: RigidMotion) -> Reprojection:
    """
    Return where each pixel of the view after a motion lay in the view before.

    ``depth`` (H, W) is the z of the old view in metres, NaN where it is not known. Without
    parallax nothing can be hidden: the views are then one homography apart, whatever the depths.
    """
    if is_turn(motion, camera, depth):
        return turned(depth, camera, motion.rotation)
    nowhere = torch.zeros_like(depth, dtype=torch.int32)
    points = Points.of_view(depth, camera, nowhere, nowhere)
    arrivals = splat(points, camera, motion, tuple(depth.shape))
    close_cracks(arrivals)
    seen = fill_holes(arrivals)
    return Reprojection(arrivals.row, arrivals.column, arrivals.depth, seen)


def is_still(motion: RigidMotion, camera: Pinhole, depth: torch.Tensor) -> bool:
    """Tell whether a motion moves no pixel of a view of depth (H, W) to speak of."""
    height, width = depth.shape
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]])
    matrix = matrix_of(camera)
    moved = corners @ (matrix @ motion.rotation @ np.linalg.inv(matrix)).T
    away = np.abs(moved / moved[:, 2:] - corners).max()
    return away < _STILL and away + _parallax(motion, camera, depth) < _STILL


def is_turn(motion: RigidMotion, camera: Pinhole, depth: torch.Tensor) -> bool:
    """Tell whether a motion moves what is near just as what is far, as far as can be seen."""
    return _parallax(motion, camera, depth) < _PARALLAX


def _parallax(motion: RigidMotion, camera: Pinhole, depth: torch.Tensor) -> float:
    """Return by how many pixels a translation moves what is nearest against what is far."""
    shift = max(camera.fx, camera.fy) * float(np.linalg.norm(motion.translation))
    # nothing is nearer than that, and finding what is nearest takes longer
    if shift < _PARALLAX * NEAREST:
        return 0.0
    return shift / float(known(depth).amin())


def turned(depth: torch.Tensor, camera: Pinhole, turn: np.ndarray) -> Reprojection:
    """Return the old places of a view that a turn (3, 3) parts from the old one."""
    height, width = depth.shape
    row, column = grid_of(depth)
    matrix = matrix_of(camera)
    right, down, ahead = (
        column * float(across) + (row * float(along) + float(constant))
        for across, along, constant in matrix @ np.linalg.inv(matrix @ turn))
    scale = 1 / ahead.clamp(min=_AHEAD)
    rows, columns = down.mul_(scale), right.mul_(scale)
    seen = ((rows - (height - 1) / 2).abs() <= height / 2) & (ahead > _AHEAD)
    seen &= (columns - (width - 1) / 2).abs() <= width / 2
    nearest = (rows.round().clamp_(0, height - 1) * width
               + columns.round().clamp_(0, width - 1)).long().view(-1)
    moved = depth.reshape(-1).index_select(0, nearest).view_as(depth) * scale
    return Reprojection(rows, columns, moved, seen)
