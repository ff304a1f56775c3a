"""
Lines of one pixel and how many of their pixels pair up, as the boundary benchmarks have it.

Suppression is that of Dollar and Zitnick (ICCV 2013), pairing that of Martin, Fowlkes and Malik
(PAMI 2004); both are written from their definitions.
"""

import numpy as np

from mtshare_ros.errors import MissingExtraError

BLUR_RADIUS = 4
"""Pixels over which a map is blurred to see which way its edges run."""

BORDER = 5
"""Pixels along the border of an image over which edges fade in."""

_MARGIN = 1.01
"""A neighbour must be larger by this factor to suppress a pixel."""


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
    """Return probabilities (H, W) in 0-1, those set to 0 that are less than beside their edge."""
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
    """Return (H, W) bool: pixels of another region than the one right, below or both."""
    padded = np.pad(regions, ((0, 1), (0, 1)), mode='edge')
    here = padded[:-1, :-1]
    return (here != padded[:-1, 1:]) | (here != padded[1:, :-1]) | (here != padded[1:, 1:])


def thinned(edges: np.ndarray) -> np.ndarray:
    """Return edges (H, W) bool worn down to lines of one pixel."""
    from skimage.morphology import thin

    return thin(edges)


def count_pairs(found: np.ndarray, actual: np.ndarray, reach: float) -> int:
    """
    Return how many pixels of two edge maps (H, W) bool pair up at most ``reach`` pixels apart.

    Each pixel has one partner at most. A flow from found to true pixels, in which each passes one
    unit on, counts the most pairs there can be; the benchmark seeks the cheapest pairs, but a
    pixel without a partner costs more there than any pair, so there are as many.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_flow
    from scipy.spatial import cKDTree

    first, second = np.argwhere(found), np.argwhere(actual)
    if len(first) == 0 or len(second) == 0:
        return 0
    near = cKDTree(first).sparse_distance_matrix(cKDTree(second), reach, output_type='ndarray')
    left, right = np.arange(len(first)) + 1, np.arange(len(second)) + 1 + len(first)
    sink = len(first) + len(second) + 1
    tails = np.concatenate((np.zeros_like(left), left[near['i']], right))
    heads = np.concatenate((left, right[near['j']], np.full_like(right, sink)))
    capacity = np.ones(len(tails), np.int32)
    graph = csr_matrix((capacity, (tails, heads)), shape=(sink + 1, sink + 1))
    return int(maximum_flow(graph, 0, sink).flow_value)


def _angle_across(values: np.ndarray) -> np.ndarray:
    """Return the direction (H, W) across the edges, from the curvature of the blurred map."""
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
    """Return the factors (length,) that let edges fade in from both ends."""
    place = np.arange(length)
    rise = np.minimum(place / BORDER, 1)
    return rise * rise[::-1]
