"""How much maps change from frame to frame where the surface that they show does not."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Iterator

import numpy as np

from mtshare_ros.data.rooms.room_frame import projected, rays, RoomFrame, seen_from
from mtshare_ros.evaluation.metrics import angles_between
from mtshare_ros.evaluation.truth_and_rules import ratio
from mtshare_ros.inference.prediction import Prediction

_DEPTH_TOLERANCE = 0.02
_LEAST_COSINE = 0.998
_SMALLEST_WEIGHT = 1e-3


@dataclass(frozen=True)
class Correspondence:
    """
    The pixels of a frame whose surface the frame before saw too, and its place in that frame.

    ``here`` (H, W) bool marks the N pixels. ``there`` (N, 2) float64 are their row and column in
    the frame before, between pixels that all saw the same surface. ``ray`` (N, 3) are the points
    at these places in the optical frame of the earlier camera, at a depth of one metre.
    ``earlier`` and ``later`` are the two frames.
    """

    here: np.ndarray
    there: np.ndarray
    ray: np.ndarray
    earlier: RoomFrame
    later: RoomFrame

    @classmethod
    def between(cls, earlier: RoomFrame, later: RoomFrame) -> 'Correspondence':
        """Find the pixels by the true depths, normals, labels and poses of frames of one size."""
        points = rays(later.depth.shape, later.intrinsics) * later.depth[..., None]
        before = seen_from(points, later.pose, earlier.pose)
        there = projected(before, earlier.intrinsics)[..., ::-1]
        # rounding errors would otherwise move the pixels of a camera at rest to between pixels
        there = np.round(there, 4)
        here = ((there >= 0) & (there <= np.array(later.depth.shape) - 1)).all(axis=-1)
        here &= before[..., 2] > 0
        rows, columns = np.nonzero(here)
        agrees = _agree(earlier, later, (rows, columns), there[here], before[here])
        here[rows[~agrees], columns[~agrees]] = False
        ray = before[here] / before[here][:, 2:]
        return cls(here, there[here], ray, earlier, later)

    def before(self, values: np.ndarray) -> np.ndarray:
        """Return values (H, W, ...) of the frame before, interpolated at the N places."""
        total: np.ndarray | float = 0.0
        for rows, columns, weights in self._round_there:
            found = values[rows, columns].astype(np.float32)
            shares = weights.reshape(-1, *(1,) * (found.ndim - 1))
            # a NaN at a neighbour of weight 0 would make the sum NaN
            total = total + np.multiply(found, shares, out=np.zeros_like(found),
                                        where=shares > 0)
        return np.asarray(total)

    @cached_property
    def _round_there(self) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]:
        """Rows, columns and weights (N,) float32 of the four pixels round each place."""
        return tuple((rows, columns, weights.astype(np.float32)) for rows, columns, weights
                     in _neighbours(self.there, self.here.shape))

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """Return values (H, W) of the frame before at the pixels nearest to the N places: (N,)."""
        rows, columns = np.rint(self.there).astype(int).T
        return values[rows, columns]

    def depth_here(self, depth: np.ndarray) -> np.ndarray:
        """Return depths (N,) of the frame before, converted to depths from the later camera."""
        points = self.ray * depth[:, None]
        return seen_from(points, self.earlier.pose, self.later.pose)[:, 2]

    def turned(self, vectors: np.ndarray) -> np.ndarray:
        """Return directions (N, 3), rotated from the earlier to the later optical frame."""
        return vectors @ (self.later.pose.rotation.T @ self.earlier.pose.rotation).T


def _neighbours(
    places: np.ndarray, shape: tuple[int, ...]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield rows, columns and bilinear weights (N,) of the four pixels round places (N, 2)."""
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
    """
    Return (N,) bool: whether all pixels round a place (N, 2) saw the surface of its later pixel.

    Pixels of a very small weight are ignored.
    """
    agrees = np.ones(len(places), bool)
    normals = later.normals[pixels] @ (earlier.pose.rotation.T @ later.pose.rotation).T
    for rows, columns, weights in _neighbours(places, earlier.depth.shape):
        same = np.abs(earlier.depth[rows, columns] / points[:, 2] - 1) < _DEPTH_TOLERANCE
        same &= earlier.labels[rows, columns] == later.labels[pixels]
        same &= (earlier.normals[rows, columns] * normals).sum(axis=-1) > _LEAST_COSINE
        agrees &= same | (weights < _SMALLEST_WEIGHT)
    return agrees


UNITS = {'semseg': '%', 'depth': '%', 'normals': 'degrees', 'edge': '%'}
"""
Units of the flicker by task; it is a mean over pixels and pairs of frames.

semseg: share of pixels whose class changes. depth: change as a share of the true depth. normals:
angle between them. edge: change of the probability.
"""


@dataclass
class Flicker:
    """
    Averages how much maps differ from those of the frame before, moved to the newer view.

    Maps are moved by the true depth and motion and compared only where both frames see the same
    surface. Depths must be in metres of the camera.
    """

    last: Prediction | None = None
    sums: dict[str, float] = field(default_factory=dict)
    pixels: int = 0

    def start(self) -> None:
        """Begin another clip, whose first frame is compared with nothing."""
        self.last = None

    def update(self, prediction: Prediction, same: Correspondence | None) -> None:
        """Add a frame; ``same`` is its correspondence with the one before, None without one."""
        if self.last is not None and same is not None:
            for task, change in changes(self.last, prediction, same).items():
                self.sums[task] = self.sums.get(task, 0.0) + float(change.sum(dtype=np.float64))
            self.pixels += len(same.there)
        self.last = prediction

    def result(self) -> dict[str, float]:
        """Return the flicker by task in UNITS; tasks that were not computed are left out."""
        return {task: ratio(total, self.pixels) for task, total in self.sums.items()}


def changes(
    earlier: Prediction, later: Prediction, same: Correspondence
) -> dict[str, np.ndarray]:
    """Return by task in UNITS how much the maps of two frames differ at the N common pixels."""
    found: dict[str, np.ndarray] = {}
    if earlier.mask is not None and later.mask is not None:
        found['semseg'] = 100.0 * (same.nearest(earlier.mask) != later.mask[same.here])
    if earlier.depth is not None and later.depth is not None:
        found['depth'] = _depth_changes(earlier.depth, later.depth, same)
    if earlier.normals is not None and later.normals is not None:
        turned = same.turned(same.before(earlier.normals))
        found['normals'] = angles_between(turned, later.normals[same.here])
    if earlier.edges is not None and later.edges is not None:
        apart = same.before(earlier.edges) - later.edges[same.here]
        found['edge'] = np.abs(apart) * (100 / 255)
    return found


def _depth_changes(
    earlier: np.ndarray, later: np.ndarray, same: Correspondence
) -> np.ndarray:
    """Return the changes of depth in per cent; 100 where only one of the two is known."""
    before = same.depth_here(same.before(earlier))
    after = later[same.here]
    missing = np.isfinite(before) != np.isfinite(after)
    apart = np.abs(np.nan_to_num(before) - np.nan_to_num(after)) / same.later.depth[same.here]
    return 100.0 * np.where(missing, 1.0, apart)
