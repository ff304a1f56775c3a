"""
Values of a data set that are not what they should be.

Impossible values raise DatasetError. Values that are possible but unlikely warn with a
DatasetWarning, once for each folder and kind.
"""

from itertools import permutations, product
from pathlib import Path
import warnings

import numpy as np

from mtshare_ros.errors import DatasetError, DatasetWarning

FARTHEST, NEAREST = 100.0, 0.05
"""Medians of depth in metres beyond which the unit is probably another one."""

LONGEST_COMPONENT = 1.5
"""Largest component of stored normals that rounding of unit vectors can explain."""

MOST_EDGES = 0.5
"""Share of edge pixels above which a map is taken for an inverted one."""

MOST_AWAY = 0.1
"""Share of normals that may point away from the camera before other axes are tried."""

# bytes of black and grey pictures, which stand for no normal
_UNKNOWN_LEVELS = (0, 127, 128)
_STEP = 8
_AXES = 'xyz'
_told: set[tuple[Path, str]] = set()


def doubt(path: Path, kind: str, text: str) -> None:
    """Warn of what a file holds, once for each folder and kind of warning."""
    if (path.parent, kind) not in _told:
        _told.add((path.parent, kind))
        warnings.warn(f'{path}: {text} (said once for this folder)', DatasetWarning, stacklevel=3)


def check_depth(metres: np.ndarray, path: Path, *, whole: bool) -> None:
    """Warn of unlikely depths (H, W) in metres; ``whole``: the file is an .npy of integers."""
    known = metres[np.isfinite(metres) & (metres > 0)]
    negative = metres[metres < 0]
    several = negative.size > 0 and negative.min() != negative.max()  # one value marks unknown
    if not known.size:
        if several:
            raise DatasetError(
                f'{path}: no depth is above 0, {negative.size} values are below, the first '
                f'{negative[0]:g}; expected is the distance along the optical axis in metres: '
                'turn the sign')
        doubt(path, 'none', 'every depth is unknown (0, NaN, infinite or one mark); expected are '
                            'metres, at least in some pixels: look at the file')
        return
    if several:
        doubt(path, 'negative',
              f'{negative.size} of {metres.size} depths are below 0, down to {negative.min():g}, '
              'and count as unknown; expected are metres, 0 where unknown: write 0 there, or turn '
              'the sign of all')
    _check_unit(float(np.median(known)), path, whole)


def _check_unit(middle: float, path: Path, whole: bool) -> None:
    if middle > FARTHEST:
        text = (f'half of the depths are above {middle:g} m, as if they were millimetres; '
                'expected are metres: divide by 1000, or save millimetres as a 16-bit PNG')
        if whole:
            raise DatasetError(f'{path}: {text}')
        doubt(path, 'unit', text)
    elif middle < NEAREST:
        doubt(path, 'unit', f'half of the depths are below {middle:g} m; expected are metres in '
                            'an .npy, millimetres in a 16-bit PNG: multiply what is stored')


def check_depth_levels(millimetres: np.ndarray, path: Path) -> None:
    """Warn where a 16-bit PNG (H, W) of depths holds its largest number."""
    highest = np.iinfo(np.uint16).max
    share = float((millimetres == highest).mean())
    if share:
        doubt(path, 'highest',
              f'{share:.1%} of the depths are {highest} mm, the largest number of 16 bits; '
              'expected is 0 where depth is unknown: replace them, unless they are 65.5 m away')


def check_normals(stored: np.ndarray, path: Path, *, optical: bool) -> None:
    """
    Check normals (H, W, 3) as they are stored, those of a picture scaled to -1 to 1.

    ``optical``: they should be in the optical frame; otherwise their axes are unknown.
    """
    values = np.nan_to_num(stored, nan=0.0, posinf=0.0, neginf=0.0)
    largest = float(np.abs(values).max(initial=0))
    if largest > LONGEST_COMPONENT or stored.dtype.kind in 'bu':
        raise DatasetError(
            f'{path}: the normals hold {stored.dtype} up to {largest:g}; expected are unit '
            'vectors, components from -1 to 1: convert bytes v by 2 v / 255 - 1, or save them as '
            'an RGB PNG')
    if _is_grey(values):
        raise DatasetError(
            f'{path}: all three components of every normal are equal, as in a grey picture; '
            'expected are unit vectors (x, y, z) in red, green and blue: save them in colour')
    if optical:
        sparse = values[::_STEP, ::_STEP]
        length = np.linalg.norm(sparse, axis=-1)
        known = (length > 0.5) & (length < LONGEST_COMPONENT)
        if known.any():
            _check_axes(sparse[known], viewing_rays(*sparse.shape[:2])[known], path)


def _is_grey(values: np.ndarray) -> bool:
    """Tell whether all components are equal somewhere else than where normals are unknown."""
    if not values.size or (values != values[..., :1]).any():
        return False
    levels = np.unique(np.round((values + 1) * 127.5))
    return not set(levels.tolist()) <= set(_UNKNOWN_LEVELS)


def _check_axes(normals: np.ndarray, rays: np.ndarray, path: Path) -> None:
    """Warn where normals (N, 3) would face the camera, as they must, with other axes only."""
    if normals.min() >= 0:
        raise DatasetError(
            f'{path}: no component of a normal is below 0; expected are unit vectors that face '
            'the camera, z below 0: convert values v from 0 to 1 by 2 v - 1, and turn axes that '
            'point away')
    # Products of each component with each coordinate of the ray; a sum of three of them is the
    # scalar product of normal and ray for one choice of axes.
    products = normals[:, :, None] * rays[:, None, :]
    away = {(order, signs): float((sum(
        sign * products[:, own, ray] for ray, (own, sign) in enumerate(zip(order, signs))) > 0)
        .mean()) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)}
    stored = away[(0, 1, 2), (1, 1, 1)]
    order, signs = min(away, key=lambda axes: away[axes])
    if stored > MOST_AWAY and away[order, signs] < stored / 4:
        names = ', '.join(f'{"-" if sign < 0 else ""}{_AXES[own]}'
                          for own, sign in zip(order, signs))
        doubt(path, 'axes',
              f'{stored:.0%} of the normals point away from the camera, ({names}) of what is '
              f'stored in {away[order, signs]:.0%}; expected is the optical frame, x right, y '
              'down, z forward, so that a wall that faces the camera is (0, 0, -1)')


def viewing_rays(height: int, width: int) -> np.ndarray:
    """Return the viewing directions (H, W, 3) of a camera of about 53 degrees."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    focal = max(height, width)
    return np.stack([(columns - (width - 1) / 2) / focal, (rows - (height - 1) / 2) / focal,
                     np.ones_like(rows)], axis=-1)


def check_levels(levels: np.ndarray, path: Path) -> None:
    """Check the bytes (H, W) of a binary picture, in which those above 127 mean yes."""
    brightest = int(levels.max(initial=0))
    if brightest == 1:
        raise DatasetError(
            f'{path}: the picture holds 0 and 1; expected are 0 and 255: multiply by 255, or save '
            'it as an .npy')
    if 0 < brightest <= 127:
        doubt(path, 'dark', f'no pixel is above 127, the brightest is {brightest}, so all mean '
                            'no; expected are 0 and 255: look at the file')


def check_edges(edges: np.ndarray, path: Path) -> None:
    """Warn of a map of edges (H, W) of 0 and 1 that is empty or looks inverted."""
    share = float(edges.mean()) if edges.size else 0.0
    if share == 0:
        doubt(path, 'none', 'there is no edge at all; expected is a picture of 255 (.npy: 1) on '
                            'edges: look at the file')
    elif share > MOST_EDGES:
        doubt(path, 'inverted', f'{share:.0%} of the pixels are edges, as if black and white were '
                                'exchanged; expected is 255 (.npy: 1) on edges only: invert it')


def check_ids(ids: np.ndarray, path: Path) -> None:
    """Warn of a map of ids (H, W) in which every pixel is unlabelled."""
    if (ids == 255).all():
        doubt(path, 'none', 'every pixel is 255, unlabelled; expected are ids, at least in some '
                            'pixels: look at the file')
