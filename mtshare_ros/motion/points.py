"""
Points in space that the pixels of views showed, and what they look like from somewhere else.

A point stays what it was when its pixel was computed, however often the camera moves: nothing is
rounded twice, so that slow motions add up.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch

from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.silhouettes import sharpen
from mtshare_ros.pinhole import Pinhole

FARTHEST = 1e4
"""Metres at which pixels lie whose depth is not known: they turn with the camera, no more."""

NEAREST = 0.02
"""Metres in front of the camera below which nothing is seen."""


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
        """Return those of all pixels of a view of depth, frame and computed, each (H, W)."""
        distance = sharpen(known(depth))
        row, column = grid_of(depth)
        right = ((column - camera.cx) / camera.fx) * distance
        down = ((row - camera.cy) / camera.fy) * distance
        position = torch.stack((right, down, distance)).view(3, -1)
        return cls(position, frame.reshape(-1), row.expand_as(depth).reshape(-1),
                   column.expand_as(depth).reshape(-1), position[2], computed.reshape(-1))

    @property
    def nbytes(self) -> int:
        """Bytes that they take."""
        return sum(part.numel() * part.element_size() for part in self._parts)

    def select(self, numbers: torch.Tensor) -> 'Points':
        """Return some of the points (m,)."""
        return Points(*(part.index_select(-1, numbers) for part in self._parts))

    def joined(self, others: 'Points') -> 'Points':
        """Return these points, then others."""
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
        ahead = torch.where(ahead > NEAREST, ahead, torch.inf)
        return down.div_(ahead), right.div_(ahead), ahead

    @property
    def _parts(self) -> tuple[torch.Tensor, ...]:
        return tuple(getattr(self, part.name) for part in fields(self))


def known(depth: torch.Tensor) -> torch.Tensor:
    """Return depth with values where it has none."""
    return depth.nan_to_num(FARTHEST, FARTHEST, NEAREST).clamp_(min=NEAREST)


def matrix_of(camera: Pinhole) -> np.ndarray:
    """Return the matrix (3, 3) that brings points to pixels (column, row, 1) times their z."""
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])


def grid_of(like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the rows (H, 1) and columns (W,) of a view as numbers."""
    height, width = like.shape
    return (torch.arange(float(height), device=like.device)[:, None],
            torch.arange(float(width), device=like.device))
