"""
Where each pixel of a view lay in the view before.

Every pixel of the old view is moved by its depth to where it lies in the new one; of those that
meet in one pixel the nearest is seen. What is found is kept to a fraction of a pixel.
"""

from dataclasses import dataclass

import numpy as np
import torch

from mtshare_ros.motion.holes import Arrivals, close_cracks, fill_holes
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.silhouettes import sharpen
from mtshare_ros.pinhole import Pinhole

FARTHEST = 1e4
"""Metres at which pixels lie whose depth is not known: they turn with the camera, no more."""

NEAREST = 0.02
"""Metres in front of the camera below which nothing is seen."""

_PARALLAX = 0.05
"""Pixels by which near and far may differ in their motion and still count as one plane."""

_NOTHING = int(np.float32(np.inf).view(np.int32)) << 32
_LOW = (1 << 32) - 1


@dataclass(frozen=True)
class Reprojection:
    """
    Where each pixel of the new view lay in the old one.

    ``down`` and ``right`` (H, W) float32 are how much further down and right it lay there,
    ``source`` (H, W) int64 is the pixel there that it comes from, counted along the rows.
    ``depth`` (H, W) is its z in the new view. Where ``seen`` (H, W) is False the old view did not
    show it: it then comes from where the farther of its neighbours does.
    """

    down: torch.Tensor
    right: torch.Tensor
    source: torch.Tensor
    depth: torch.Tensor
    seen: torch.Tensor


def reproject(
    depth: torch.Tensor, camera: Pinhole, motion: RigidMotion, seen: torch.Tensor | None = None,
) -> Reprojection:
    """
    Return where each pixel of the view after a motion lay in the view before.

    ``depth`` (H, W) is the z of the old view in metres, NaN where it is not known; what is not
    ``seen`` (H, W) there is seen nowhere. Without parallax nothing can be hidden: the views are
    then one homography apart, whatever the depths.
    """
    depth = depth.nan_to_num(FARTHEST, FARTHEST, NEAREST)
    nearest = float(depth.amin())
    if parallax(motion, camera, nearest) < _PARALLAX:
        return _turned(depth, camera, motion, seen)
    return _splatted(sharpen(depth), camera, motion, seen)


def parallax(motion: RigidMotion, camera: Pinhole, nearest: float) -> float:
    """Return by how many pixels a translation moves what is nearest against what is far."""
    shift = float(np.linalg.norm(motion.translation))
    return max(camera.fx, camera.fy) * shift / max(nearest, NEAREST)


def projection(camera: Pinhole, motion: RigidMotion) -> tuple[np.ndarray, np.ndarray]:
    """Return A (3, 3), b (3,): a pixel (column, row, 1) at depth z goes to A @ pixel * z + b."""
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    return matrix @ motion.rotation @ np.linalg.inv(matrix), matrix @ motion.translation


def _axes(like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the rows (H, 1) and columns (W,) of a view as numbers."""
    height, width = like.shape
    return (torch.arange(height, dtype=torch.float32, device=like.device)[:, None],
            torch.arange(width, dtype=torch.float32, device=like.device))


def _linear(weights: np.ndarray, row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """Return weights (3,) times (column, row, 1) for every pixel (H, W)."""
    right, down, constant = (float(weight) for weight in weights)
    return column * right + (row * down + constant)


def _turned(
    depth: torch.Tensor, camera: Pinhole, motion: RigidMotion, seen: torch.Tensor | None
) -> Reprojection:
    """Return the old places of a view that is a homography from the old one."""
    height, width = depth.shape
    row, column = _axes(depth)
    back, _ = projection(camera, RigidMotion(motion.rotation.T, np.zeros(3)))
    ahead = _linear(back[2], row, column)
    scale = 1 / ahead.clamp(min=1e-3)
    columns = _linear(back[0], row, column) * scale
    rows = _linear(back[1], row, column) * scale
    inside = ((rows - (height - 1) / 2).abs() <= height / 2) & (ahead > 1e-3)
    inside &= (columns - (width - 1) / 2).abs() <= width / 2
    source = (rows.round().clamp_(0, height - 1) * width
              + columns.round().clamp_(0, width - 1)).long()
    flat = source.view(-1)
    if seen is not None:
        inside &= seen.reshape(-1).index_select(0, flat).view_as(inside)
    moved = depth.view(-1).index_select(0, flat).view_as(depth) * scale
    return Reprojection(rows - row, columns - column, source, moved, inside)


def _splatted(
    depth: torch.Tensor, camera: Pinhole, motion: RigidMotion, seen: torch.Tensor | None
) -> Reprojection:
    """Return the old places of a view in which near things move past far ones."""
    height, width = depth.shape
    row, column = _axes(depth)
    rows, columns, moved = _forward(depth, camera, motion, seen)
    shown = _nearest_of_each_pixel(rows, columns, moved)
    source = (shown & _LOW).view(-1)
    found = (shown >> 32).int().view(torch.float32)
    down = (row - rows).view(-1).index_select(0, source).view_as(depth)
    right = (column - columns).view(-1).index_select(0, source).view_as(depth)
    arrivals = Arrivals(down, right, source.view_as(depth), found)
    close_cracks(arrivals)
    seen = fill_holes(arrivals)
    return Reprojection(down, right, arrivals.source, found, seen)


def _forward(
    depth: torch.Tensor, camera: Pinhole, motion: RigidMotion, seen: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return row, column and depth of the old pixels in the new view; infinitely far: hidden."""
    row, column = _axes(depth)
    turn, shift = projection(camera, motion)
    right, down, ahead = (_linear(turn[axis], row, column).mul_(depth).add_(float(shift[axis]))
                          for axis in range(3))
    shows = ahead > NEAREST
    if seen is not None:
        shows &= seen
    ahead = torch.where(shows, ahead, torch.inf)
    return down.div_(ahead), right.div_(ahead), ahead


def _nearest_of_each_pixel(
    rows: torch.Tensor, columns: torch.Tensor, depth: torch.Tensor
) -> torch.Tensor:
    """
    Return for each pixel (H, W) of the new view the depth and the number of what it shows.

    They are one int64 each: the bits of a float above zero are ordered as the number is.
    """
    height, width = depth.shape
    across = width + 2
    # one pixel more on each side takes what leaves the view
    target = (rows.round().clamp_(-1, height).mul_(across)
              .add_(columns.round().clamp_(-1, width)).add_(across + 1)).view(-1).long()
    number = torch.arange(height * width, device=depth.device)
    key = (depth.view(torch.int32).view(-1).long() << 32).bitwise_or_(number)
    shown = torch.full(((height + 2) * across,), _NOTHING, device=depth.device)
    shown.scatter_reduce_(0, target, key, 'amin')
    return shown.view(height + 2, across)[1:-1, 1:-1].contiguous()
