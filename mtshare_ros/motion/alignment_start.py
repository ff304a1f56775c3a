"""Where an alignment begins: the likeliest of what is expected and of a search for large turns."""

import numpy as np

from mtshare_ros.motion.alignment_points import AlignmentPoints
from mtshare_ros.motion.alignment_solver import FEWEST_POINTS, fitted, Guess
from mtshare_ros.motion.rigid import RigidMotion

_REACH = 6
"""Pixels of the coarsest level that a turn may shift the image by; 48 where it is an eighth."""

_HALF_WRONG = 8.0
"""Grey levels; what differs by more counts less and less."""

_LEAST_SEEN = 0.3
"""A motion after which less of the view is in sight is not looked into."""


def likeliest(
    points: AlignmentPoints,
    reference: np.ndarray,
    image: np.ndarray,
    expected: tuple[RigidMotion, ...],
) -> RigidMotion:
    """Return the motion, expected or a turn, that explains an image (h, w) best."""
    if len(points.gray) < FEWEST_POINTS:
        return expected[0]
    motions = (*expected, _best_turn(points, reference, image))
    return min(motions, key=lambda motion: _difference(points, image, motion))


def _difference(points: AlignmentPoints, image: np.ndarray, motion: RigidMotion) -> float:
    """Return how wrong what is in sight looks after a motion, 0 to 1."""
    fit = fitted(points, image, Guess(motion))
    if fit.seen.mean() < _LEAST_SEEN:
        return 1.0
    error = fit.error[fit.seen]
    error = np.abs(error - np.median(error))
    return float((error / (error + _HALF_WRONG)).mean())


def _best_turn(points: AlignmentPoints, reference: np.ndarray, image: np.ndarray) -> RigidMotion:
    """Return the turn by whole pixels after which the middle of the reference fits best."""
    reach = min(_REACH, min(reference.shape) // 4)
    middle = reference[reach:-reach, reach:-reach]
    shifted = np.lib.stride_tricks.sliding_window_view(image, middle.shape)
    windows = shifted.reshape(-1, middle.size) - middle.mean()
    best = int(_squared_contrast(windows, middle.ravel() - middle.mean()).argmin())
    down, right = (place - reach for place in divmod(best, shifted.shape[1]))
    return RigidMotion.turned(
        np.array([-down / points.camera.fy, right / points.camera.fx, 0.0]))


def _squared_contrast(windows: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Return the variance (n,) of what remains of windows (n, m) after a pattern (m,)."""
    squares = np.einsum('nm,nm->n', windows, windows) - 2 * windows @ pattern
    return squares - windows.sum(1) ** 2 / len(pattern)
