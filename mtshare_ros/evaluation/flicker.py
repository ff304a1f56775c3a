"""How much maps change from frame to frame where what they show does not."""

from dataclasses import dataclass, field

import numpy as np

from mtshare_ros.evaluation.correspondence import Correspondence
from mtshare_ros.evaluation.normals_metric import angles_between
from mtshare_ros.evaluation.scoring import ratio
from mtshare_ros.inference.prediction import Prediction

UNITS = {'semseg': '%', 'depth': '%', 'normals': 'degrees', 'edge': '%'}
"""
What the flicker of a task is counted in, a mean over pixels and pairs of frames.

The share of pixels whose class changes; the change of depth, of the true one; the angle between
normals; the change of the probability of an edge.
"""


@dataclass
class Flicker:
    """
    Collects how far each frame's maps are from those of the frame before, moved to where it looks.

    They are moved by the true depth and motion, and only compared where both frames truly see the
    same surface. Depths in metres of the camera, as they are scored.
    """

    last: Prediction | None = None
    sums: dict[str, float] = field(default_factory=dict)
    pixels: int = 0

    def start(self) -> None:
        """Begin another film: the next frame has none before."""
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
    """Return the changes of depth in per cent; where one of the two is missing it is all of it."""
    before = same.depth_here(same.before(earlier))
    after = later[same.here]
    missing = np.isfinite(before) != np.isfinite(after)
    apart = np.abs(np.nan_to_num(before) - np.nan_to_num(after)) / same.later.depth[same.here]
    return 100.0 * np.where(missing, 1.0, apart)
