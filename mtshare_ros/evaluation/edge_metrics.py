"""Metrics of edges: F within two pixels of exact edges, or odsF against edges that people drew."""

import numpy as np

from mtshare_ros.errors import MissingExtraError
from mtshare_ros.evaluation.truth_and_rules import (
    at_least,
    f_scores,
    is_marked,
    is_scored,
    level_counts,
    LEVELS,
    map_of,
    Truth,
)
from mtshare_ros.inference.prediction import Prediction

BLUR_RADIUS = 4
"""Radius in pixels of the blur that comes before the direction of an edge is measured."""

BORDER = 5
"""Width in pixels of the border of an image in which edges are faded out."""

_MARGIN = 1.01
"""A neighbour suppresses a pixel only if it is larger by more than this factor."""


def require_image_libraries() -> None:
    """Raise MissingExtraError, naming the extra, where SciPy or scikit-image is missing."""
    try:
        import scipy  # noqa: F401
        import skimage  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f'odsF needs SciPy and scikit-image, which cannot be imported ({error}); '
            "install them with: pip install 'mtshare_ros[train]'"
        ) from error


def suppress(probability: np.ndarray) -> np.ndarray:
    """Return probabilities (H, W) in 0-1, with 0 where one beside it across the edge is larger."""
    from scipy.ndimage import map_coordinates

    height, width = probability.shape
    values = probability.astype(np.float64)
    angle = _angle_across(values)
    y, x = np.mgrid[:height, :width]
    largest = np.zeros_like(values)
    for side in (-1, 1):
        rows = np.clip(y + side * np.sin(angle), 0, height - 1.001)
        columns = np.clip(x + side * np.cos(angle), 0, width - 1.001)
        np.maximum(largest, map_coordinates(values, (rows, columns), order=1), out=largest)
    values[values * _MARGIN < largest] = 0
    return values * _fade(height)[:, None] * _fade(width)


def outlines(regions: np.ndarray) -> np.ndarray:
    """Return (H, W) bool: pixels with another region to the right, below or both."""
    padded = np.pad(regions, ((0, 1), (0, 1)), mode='edge')
    here = padded[:-1, :-1]
    return (here != padded[:-1, 1:]) | (here != padded[1:, :-1]) | (here != padded[1:, 1:])


def thinned(edges: np.ndarray) -> np.ndarray:
    """Return edges (H, W) bool thinned to lines of one pixel."""
    from skimage.morphology import thin

    return thin(edges)


def count_pairs(found: np.ndarray, actual: np.ndarray, distance: float) -> int:
    """
    Return how many pixels of two edge maps (H, W) bool pair up at most ``distance`` pixels apart.

    Each pixel has one partner at most. The maximum flow from found to true pixels, each of which
    passes one unit, is the largest possible number of pairs. The original benchmark seeks the
    cheapest pairs instead, but there a pixel without a partner costs more than any pair, so it
    finds as many.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_flow
    from scipy.spatial import cKDTree

    first, second = np.argwhere(found), np.argwhere(actual)
    if len(first) == 0 or len(second) == 0:
        return 0
    near = cKDTree(first).sparse_distance_matrix(cKDTree(second), distance, output_type='ndarray')
    left, right = np.arange(len(first)) + 1, np.arange(len(second)) + 1 + len(first)
    sink = len(first) + len(second) + 1
    tails = np.concatenate((np.zeros_like(left), left[near['i']], right))
    heads = np.concatenate((left, right[near['j']], np.full_like(right, sink)))
    capacity = np.ones(len(tails), np.int32)
    graph = csr_matrix((capacity, (tails, heads)), shape=(sink + 1, sink + 1))
    return int(maximum_flow(graph, 0, sink).flow_value)


def _angle_across(values: np.ndarray) -> np.ndarray:
    """Return angles (H, W) across the edges in radians, from the curvature of the blurred map."""
    from scipy.ndimage import convolve1d

    ramp = np.arange(1, BLUR_RADIUS + 2)
    triangle = np.concatenate((ramp, ramp[-2::-1])) / (BLUR_RADIUS + 1) ** 2
    for axis in (0, 1):
        values = convolve1d(values, triangle, axis=axis, mode='reflect')
    down, right = np.gradient(values)
    right_right = np.gradient(right, axis=1)
    down_down, down_right = np.gradient(down)
    slope = down_down * np.sign(-down_right) / (right_right + 1e-5)
    return np.mod(np.arctan(slope), np.pi)


def _fade(length: int) -> np.ndarray:
    """Return factors (length,) that rise from 0 to 1 over BORDER pixels at both ends."""
    place = np.arange(length)
    rise = np.minimum(place / BORDER, 1)
    return rise * rise[::-1]


EDGE_TOLERANCE = 2
"""Pixels that a predicted edge may be away from a true one, along rows and along columns."""

EDGE_THRESHOLDS = np.arange(0.05, 0.951, 0.05)


class BoundaryMetric:
    """
    F of edges with a tolerance of two pixels, at the best of the thresholds 0.05 to 0.95.

    Precision is the share of predicted pixels inside the 5x5-dilated truth, recall the share of
    true pixels inside the 5x5-dilated prediction; both are pooled over all frames before F is
    computed.
    """

    def __init__(self) -> None:
        self._predicted, self._correct, self._reached = np.zeros((3, LEVELS), np.int64)

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """Count pixels by probability in 0-255, so that every threshold can be tried later."""
        if truth.edges is None:
            return
        actual, scored = is_marked(truth.edges), is_scored(truth.edges)
        found = np.where(scored, map_of(prediction, 'edge'), 0)
        # A pixel is inside the dilated prediction of a threshold exactly where the largest
        # probability in the square around it reaches that threshold, so one maximum serves all
        # thresholds.
        around = dilate(found, EDGE_TOLERANCE)
        self._predicted += level_counts(found)
        self._correct += level_counts(found[dilate(actual, EDGE_TOLERANCE)])
        self._reached += level_counts(around[actual])

    def merge(self, other: 'BoundaryMetric') -> None:
        """Add the pixels that another metric counted."""
        self._predicted += other._predicted
        self._correct += other._correct
        self._reached += other._reached

    def result(self) -> dict[str, float]:
        """Return ``f`` (%) and the ``threshold`` (0-1) at which it is reached."""
        levels = np.floor(EDGE_THRESHOLDS * 255 + 1e-6).astype(int) + 1
        predicted, correct, reached = (
            at_least(counts, levels) for counts in (self._predicted, self._correct, self._reached))
        precision = correct / np.maximum(predicted, 1)
        recall = reached / max(int(self._reached.sum()), 1)
        scores = f_scores(precision, recall)
        best = int(scores.argmax())
        if not self._reached.any():
            return {'f': float('nan'), 'threshold': float('nan')}
        return {'f': 100 * float(scores[best]), 'threshold': round(EDGE_THRESHOLDS[best], 2)}


def dilate(values: np.ndarray, radius: int) -> np.ndarray:
    """Return the largest value in a square of ``radius`` pixels round each pixel of (H, W)."""
    for axis in (0, 1):
        padding = [(radius, radius) if axis == a else (0, 0) for a in (0, 1)]
        padded = np.pad(values, padding)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=axis)
        values = windows.max(axis=-1)
    return values


ENDS = (0.001, 0.999)
"""Two thresholds besides the evenly spaced ones, as in publications."""


class OdsMetric:
    """
    odsF: F of thin edges paired one to one with true ones, at the threshold best for all frames.

    Partners are at most ``max_distance`` times the image's diagonal apart. ``threshold_count``
    thresholds are evenly spaced between 0 and 1, and two more are at ENDS; each takes about 0.07 s
    on a frame of 425x560. The true edges are the outlines of ``regions`` where a frame has that
    attribute, else its edges.
    """

    def __init__(self, max_distance: float, *, threshold_count: int = 20) -> None:
        require_image_libraries()
        self._max_distance = max_distance
        evenly = np.arange(1, threshold_count + 1) / (threshold_count + 1)
        self.thresholds = np.unique((*evenly, *ENDS))
        self._pairs, self._found = np.zeros((2, self.thresholds.size), np.int64)
        self._actual = 0

    def update(self, prediction: Prediction, truth: Truth) -> None:
        """
        Add the edges of a frame, cut to the smallest box round the pixels that are scored.

        Without the cut, padding would look like the border of the image.
        """
        edges = truth.edges
        if edges is None or not is_scored(edges).any():
            return
        scored = is_scored(edges)
        box = _box_around(scored)
        scored = scored[box]
        regions = getattr(truth, 'regions', None)
        lines = is_marked(edges[box]) if regions is None else outlines(regions[box])
        actual = thinned(lines) & scored
        probability = suppress(map_of(prediction, 'edge')[box] / 255) * scored
        distance = self._max_distance * float(np.hypot(*scored.shape))
        self._actual += int(actual.sum())
        for place, threshold in enumerate(self.thresholds):
            found = thinned(probability > threshold)
            self._found[place] += found.sum()
            self._pairs[place] += count_pairs(found, actual, distance)

    def merge(self, other: 'OdsMetric') -> None:
        """Add the pixels that another metric counted at the same thresholds."""
        self._actual += other._actual
        self._found += other._found
        self._pairs += other._pairs

    def result(self) -> dict[str, float]:
        """Return ``f`` (%) and the ``threshold`` (0-1) at which it is reached."""
        if self._actual == 0:
            return {'f': float('nan'), 'threshold': float('nan')}
        scores = f_scores(self._pairs / np.maximum(self._found, 1), self._pairs / self._actual)
        best = int(scores.argmax())
        return {'f': 100 * float(scores[best]), 'threshold': float(self.thresholds[best])}


def _box_around(marks: np.ndarray) -> tuple[slice, slice]:
    """Return the smallest box that holds all true values."""
    rows, columns = np.nonzero(marks)
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
