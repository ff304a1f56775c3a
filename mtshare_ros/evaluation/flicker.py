"""How much maps change from frame to frame where what they show does not."""

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
        # rounding errors would move pixels of a camera at rest
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
            # a NaN at a neighbour of weight 0 must not spoil the sum
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


UNITS = {'semseg': '%', 'depth': '%', 'normals': 'degrees', 'edge': '%'}
"""
What the flicker of a task is counted in, a mean over pixels and pairs of frames.

The share of pixels whose class changes; the change of depth, of the true one; the angle between
normals; the change of the probability of an edge.
"""


@dataclass
class Flicker:
    """
    Collects how much each frame's maps differ from those of the frame before, moved to its view.

    They are moved by the true depth and motion, and compared only where both frames see the same
    surface. Depths are in metres of the camera, as they are scored.
    """

    last: Prediction | None = None
    sums: dict[str, float] = field(default_factory=dict)
    pixels: int = 0

    def start(self) -> None:
        """Begin another clip: the next frame has none before."""
        self.last = None

    def update(self, prediction: Prediction, same: Correspondence | None) -> None:
        """Add a frame; ``same`` says what it shares with the one added before, None nothing."""
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
    """Return by task in UNITS how far the maps (N,) of two frames are apart where both agree."""
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
