"""Which pixels of a frame see what the frame before saw, and where, by the truth of both."""

from dataclasses import dataclass
from functools import cached_property
from typing import Iterator

import numpy as np

from mtshare_ros.data.rooms.frame import projected, rays, RoomFrame, seen_from

_DEPTH_TOLERANCE = 0.02
_LEAST_COSINE = 0.998
_SMALLEST_WEIGHT = 1e-3


@dataclass(frozen=True)
class Correspondence:
    """
    The pixels of a frame that see a surface which the frame before saw, and where that lay.

    ``here`` (H, W) bool marks the N pixels; ``there`` (N, 2) float64 are row and column in the
    frame before, between pixels that all saw the surface. ``ray`` (N, 3) points there in its
    optical frame, at a depth of one metre. ``earlier`` and ``later`` are the frames.
    """

    here: np.ndarray
    there: np.ndarray
    ray: np.ndarray
    earlier: RoomFrame
    later: RoomFrame

    @classmethod
    def between(cls, earlier: RoomFrame, later: RoomFrame) -> 'Correspondence':
        """Find it from true depths, normals, labels and poses of two frames of one size."""
        points = rays(later.depth.shape, later.intrinsics) * later.depth[..., None]
        before = seen_from(points, later.pose, earlier.pose)
        there = projected(before, earlier.intrinsics)[..., ::-1]
        # where the camera rests, pixels have to meet exactly, whatever arithmetic has left
        there = np.round(there, 4)
        here = ((there >= 0) & (there <= np.array(later.depth.shape) - 1)).all(axis=-1)
        here &= before[..., 2] > 0
        rows, columns = np.nonzero(here)
        agrees = _agree(earlier, later, (rows, columns), there[here], before[here])
        here[rows[~agrees], columns[~agrees]] = False
        ray = before[here] / before[here][:, 2:]
        return cls(here, there[here], ray, earlier, later)

    def before(self, values: np.ndarray) -> np.ndarray:
        """Return values (H, W, ...) of the frame before where the N pixels lay: (N, ...)."""
        total: np.ndarray | float = 0.0
        for rows, columns, weights in self._round_there:
            found = values[rows, columns].astype(np.float32)
            shares = weights.reshape(-1, *(1,) * (found.ndim - 1))
            # what is missing at a pixel that does not count is not missing
            total = total + np.multiply(found, shares, out=np.zeros_like(found),
                                        where=shares > 0)
        return np.asarray(total)

    @cached_property
    def _round_there(self) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]:
        """Rows, columns and weights (N,) float32 of the four pixels round each place."""
        return tuple((rows, columns, weights.astype(np.float32)) for rows, columns, weights
                     in _neighbours(self.there, self.here.shape))

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """Return values (H, W) of the frame before at the pixels nearest to the N: (N,)."""
        rows, columns = np.rint(self.there).astype(int).T
        return values[rows, columns]

    def depth_here(self, depth: np.ndarray) -> np.ndarray:
        """Return depths (N,) that were seen from the frame before as the later frame sees them."""
        points = self.ray * depth[:, None]
        return seen_from(points, self.earlier.pose, self.later.pose)[:, 2]

    def turned(self, vectors: np.ndarray) -> np.ndarray:
        """Return directions (N, 3) of the optical frame before in that of the later frame."""
        return vectors @ (self.later.pose.rotation.T @ self.earlier.pose.rotation).T


def _neighbours(
    places: np.ndarray, shape: tuple[int, ...]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield rows, columns and weights (N,) of the four pixels round places (N, 2)."""
    low = np.floor(places).astype(int)
    share = places - low
    for down in (0, 1):
        for right in (0, 1):
            weights = (np.abs(1 - down - share[:, 0]) * np.abs(1 - right - share[:, 1]))
            yield (np.minimum(low[:, 0] + down, shape[0] - 1),
                   np.minimum(low[:, 1] + right, shape[1] - 1), weights)


def _agree(
    earlier: RoomFrame, later: RoomFrame, pixels: tuple[np.ndarray, np.ndarray],
    places: np.ndarray, points: np.ndarray,
) -> np.ndarray:
    """Tell of places (N, 2) whether all that count round them saw the same surface: (N,) bool."""
    agrees = np.ones(len(places), bool)
    normals = later.normals[pixels] @ (earlier.pose.rotation.T @ later.pose.rotation).T
    for rows, columns, weights in _neighbours(places, earlier.depth.shape):
        same = np.abs(earlier.depth[rows, columns] / points[:, 2] - 1) < _DEPTH_TOLERANCE
        same &= earlier.labels[rows, columns] == later.labels[pixels]
        same &= (earlier.normals[rows, columns] * normals).sum(axis=-1) > _LEAST_COSINE
        agrees &= same | (weights < _SMALLEST_WEIGHT)
    return agrees
