"""
Points in space that the pixels of views showed, and whether and where other views show them.

A point stays as it was when its pixel was computed, however often the camera moves. Nothing is
rounded twice, so that slow motions add up.
"""

from dataclasses import dataclass, fields
from typing import Callable

import numpy as np
import torch
import torch.nn.functional as F

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.motion.rigid import RigidMotion

FARTHEST = 1e4
"""Metres assumed where the depth is unknown: such pixels move with rotations only."""

NEAREST = 0.02
"""Metres in front of the camera; nearer points are not seen."""

_SPREAD = 2
"""Pixels to either side over which a network's depth may smear a step."""

_STEP = 1.2
"""Ratio of the farthest to the nearest depth round a pixel from which it counts as a step."""

_PARALLAX = 0.05
"""Pixels by which near and far may move differently and still count as one plane."""

_STILL = 0.02
"""Pixels by which a view may move and still count as the same."""

_AHEAD = 1e-3
"""Least cosine, roughly, between the optical axis and a direction that is looked at."""


@dataclass(frozen=True)
class Points:
    """
    Points (n,) and the pixels that showed them.

    ``position`` (3, n) float32 is in the optical frame of some view, ``frame`` int32 the kept
    frame of the pixel, ``row`` and ``column`` float32 its place in it, ``distance`` float32 the z
    there, ``computed`` int32 the number of the frame in which it was computed.
    """

    position: torch.Tensor
    frame: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    distance: torch.Tensor
    computed: torch.Tensor

    @classmethod
    def of_view(cls, depth: torch.Tensor, camera: Pinhole, frame: torch.Tensor,
                computed: torch.Tensor) -> 'Points':
        """Return the points of all pixels of a view; all arguments are (H, W)."""
        distance = sharpen(known(depth))
        row, column = grid_of(depth)
        right = ((column - camera.cx) / camera.fx) * distance
        down = ((row - camera.cy) / camera.fy) * distance
        position = torch.stack((right, down, distance)).view(3, -1)
        return cls(position, frame.reshape(-1), row.expand_as(depth).reshape(-1),
                   column.expand_as(depth).reshape(-1), position[2], computed.reshape(-1))

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(part.numel() * part.element_size() for part in self._parts)

    def select(self, numbers: torch.Tensor) -> 'Points':
        """Return some of the points (m,)."""
        return Points(*(part.index_select(-1, numbers) for part in self._parts))

    def joined(self, others: 'Points') -> 'Points':
        """Return these points followed by others."""
        return Points(*(torch.cat(pair, dim=-1) for pair in zip(self._parts, others._parts)))

    def moved(self, motion: RigidMotion) -> 'Points':
        """Return the points in the optical frame of another view."""
        turn, shift = (torch.from_numpy(part).to(self.position) for part in (
            motion.rotation, motion.translation))
        return Points(torch.addmm(shift[:, None], turn, self.position), *self._parts[1:])

    def projected(
        self, camera: Pinhole, motion: RigidMotion
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return row, column and z (n,) in another view; behind the camera z is infinite."""
        matrix = matrix_of(camera)
        turn, shift = (torch.from_numpy(matrix @ part).to(self.position) for part in (
            motion.rotation, motion.translation))
        right, down, ahead = torch.addmm(shift[:, None], turn, self.position)
        # such a point falls into the first pixel, where its depth loses against any other
        ahead = torch.where(ahead > NEAREST, ahead, torch.inf)
        return down.div_(ahead), right.div_(ahead), ahead

    @property
    def _parts(self) -> tuple[torch.Tensor, ...]:
        return tuple(getattr(self, part.name) for part in fields(self))


def known(depth: torch.Tensor) -> torch.Tensor:
    """Return depth in which unknown values are FARTHEST and none is nearer than NEAREST."""
    return depth.nan_to_num(FARTHEST, FARTHEST, NEAREST).clamp_(min=NEAREST)


def matrix_of(camera: Pinhole) -> np.ndarray:
    """Return the matrix (3, 3) that brings points to pixels (column, row, 1) times their z."""
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])


def grid_of(like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the rows (H, 1) and columns (W,) of a view as float32."""
    height, width = like.shape
    return (torch.arange(float(height), device=like.device)[:, None],
            torch.arange(float(width), device=like.device))


def sharpen(depth: torch.Tensor) -> torch.Tensor:
    """
    Return depth (H, W) whose pixels at steps lie on one of the two sides.

    A network's depth is soft where one thing ends before another. Pixels there lie in the air
    between both, and would scatter as specks when near and far move apart. They move with the side
    that they are nearer to.
    """
    wide = F.pad(depth[None, None], (_SPREAD,) * 4, mode='replicate')[0, 0]
    near, far = _extreme(wide, torch.minimum), _extreme(wide, torch.maximum)
    # distances are compared as ratios, so the limit between the sides is the geometric mean
    side = torch.where(depth.square() < near * far, near, far)
    return torch.where(far > near * _STEP, side, depth)


def _extreme(
    values: torch.Tensor, choose: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Return the least or greatest value in the 5 x 5 pixels round each pixel."""
    # of two, of four, of five: three comparisons along each axis instead of four
    for axis in (1, 0):
        length = values.shape[axis]
        two = choose(values.narrow(axis, 0, length - 1), values.narrow(axis, 1, length - 1))
        four = choose(two.narrow(axis, 0, length - 3), two.narrow(axis, 2, length - 3))
        values = choose(four.narrow(axis, 0, length - 4), values.narrow(axis, 4, length - 4))
    return values


def is_still(motion: RigidMotion, camera: Pinhole, depth: torch.Tensor) -> bool:
    """Tell whether a motion moves no pixel of a view of depth (H, W) by more than _STILL."""
    height, width = depth.shape
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]])
    matrix = matrix_of(camera)
    moved = corners @ (matrix @ motion.rotation @ np.linalg.inv(matrix)).T
    away = np.abs(moved / moved[:, 2:] - corners).max()
    return away < _STILL and away + _parallax(motion, camera, depth) < _STILL


def is_turn(motion: RigidMotion, camera: Pinhole, depth: torch.Tensor) -> bool:
    """Tell whether a motion moves near and far pixels alike, to within _PARALLAX."""
    return _parallax(motion, camera, depth) < _PARALLAX


def _parallax(motion: RigidMotion, camera: Pinhole, depth: torch.Tensor) -> float:
    """Return by how many pixels a translation moves the nearest point against far ones."""
    shift = max(camera.fx, camera.fy) * float(np.linalg.norm(motion.translation))
    # nothing is nearer than NEAREST, so that a tiny shift needs no search for the nearest point
    if shift < _PARALLAX * NEAREST:
        return 0.0
    return shift / float(known(depth).amin())


def turned(
    size: tuple[int, int], camera: Pinhole, turn: np.ndarray, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """
    Return where the pixels of a view lay before the camera turned by ``turn`` (3, 3).

    Row and column (H, W) float32 there, and whether (H, W) bool that view showed them.
    """
    height, width = size
    row, column = grid_of(torch.empty(size, device=device))
    matrix = matrix_of(camera)
    right, down, ahead = (
        column * float(across) + (row * float(along) + float(constant))
        for across, along, constant in matrix @ np.linalg.inv(matrix @ turn))
    scale = 1 / ahead.clamp(min=_AHEAD)
    rows, columns = down.mul_(scale), right.mul_(scale)
    seen = ((rows - (height - 1) / 2).abs() <= height / 2) & (ahead > _AHEAD)
    seen &= (columns - (width - 1) / 2).abs() <= width / 2
    return rows, columns, seen
