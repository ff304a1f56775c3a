"""
Which way the stored normals of a data set point.

Data sets store normals with y up or down and z towards or away from the camera, and rarely
document it. Every visible surface faces the camera, so the signs can be found from the maps.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path

import numpy as np

from mtshare_ros.data.doubts import viewing_rays
from mtshare_ros.data.images import read_normals

_SIGNS = np.array(list(product((1, -1), repeat=3)), np.float32)
# every fourth pixel of a row and a column decides as well as all of them
_STEP = 4
_SAMPLED_MAPS = 32


def signs_of_folder(listing: Mapping[str, Path]) -> np.ndarray:
    """
    Return the signs (3,) for a folder of normal maps, all stored in one way.

    They come from maps spread over the whole folder, so that all splits get the same.
    """
    files = [path for path in listing.values() if path.suffix in ('.png', '.npy')]
    chosen = np.linspace(0, len(files) - 1, min(_SAMPLED_MAPS, len(files))).astype(int)
    return optical_signs(read_normals(files[index]) for index in chosen)


def optical_signs(maps: Iterable[np.ndarray]) -> np.ndarray:
    """
    Return the signs (3,) that bring maps (H, W, 3) into the optical frame.

    Those under which the fewest normals point away from the camera, n . ray > 0; the stored
    signs where several are equally good.
    """
    away = np.zeros(len(_SIGNS))
    for normals in maps:
        sparse = normals[::_STEP, ::_STEP]
        products = sparse * viewing_rays(sparse.shape[0], sparse.shape[1])
        away += [(products @ signs > 0).sum() for signs in _SIGNS]
    return _SIGNS[away.argmin()]
