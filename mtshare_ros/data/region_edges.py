"""Edges of a map of regions."""

import numpy as np

from mtshare_ros.data.images import import_extra


def laplacian_edges(regions: np.ndarray) -> np.ndarray:
    """
    Return where the Laplacian of a map of ids (H, W) is not 0, thinned to lines of one pixel.

    (H, W) bool; the edges that networks learn on PASCAL-Context. Raises MissingExtraError without
    scikit-image.
    """
    padded = np.pad(regions.astype(np.int64), 1, mode='reflect')
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    thin = import_extra('skimage.morphology', 'scikit-image').thin
    return thin(around != 4 * padded[1:-1, 1:-1])
