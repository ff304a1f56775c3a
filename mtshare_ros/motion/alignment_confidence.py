"""How far the result of an alignment is to be believed."""

import numpy as np

from mtshare_ros.motion.alignment_points import AlignmentPoints
from mtshare_ros.motion.alignment_solver import (
    FEWEST_POINTS,
    Fit,
    information,
    PRIOR,
    weights_of,
)
from mtshare_ros.motion.rigid import rotation_vector

_NOISE = 6.0
_OFF = 0.7
"""Grey levels, and pixels, by which a point may be off and still count as explained."""

_DISTINCT = 2.0
"""A slope must stand out from the noise by that factor: noise has slopes too."""

_UNSURE = 0.25
"""Pixels of the image by which an estimate may be unsure at half confidence."""

_RESTING = 20.0
"""Squared deviations from rest; noise alone stays below, a turn by 0.1 px does not."""

_PLACES = np.mgrid[-1:1:5j, -1:1:5j].reshape(2, 25)
"""Down and to the right (25,) between the borders of the view, at which that is asked."""


def confidence_of(points: AlignmentPoints, fit: Fit, factor: int) -> float:
    """
    Return 0 (nothing is known) to 1: the weakest of three pieces of evidence.

    The share of the points that look as they should (falls where something that moves fills the
    view, with blur, in another scene); how well they fix the motion (a blank wall does not); and
    whether contrast is left (a black image has none). The points are those of a level that is
    ``factor`` times smaller than the image.
    """
    if fit.seen.sum() < FEWEST_POINTS:
        return 0.0
    return min(_explained(points, fit), _fixed(points, fit, factor), _contrast(fit.guess.gain))


def at_rest(points: AlignmentPoints, fit: Fit) -> bool:
    """Tell whether a motion is none, as far as the points can tell."""
    motion = fit.guess.motion
    away = np.concatenate([rotation_vector(motion.rotation),
                           motion.translation @ motion.rotation])
    known = information(points, weights_of(points, fit))[:6, :6]
    return bool(away @ known @ away < _RESTING)


def _explained(points: AlignmentPoints, fit: Fit) -> float:
    """Return 0 where seven in ten points are explained or fewer, 1 where nine in ten are."""
    tolerated = np.sqrt(_NOISE ** 2 + (_OFF * points.slope) ** 2)
    share = (np.abs(fit.error) < tolerated)[fit.seen].mean()
    return float(np.clip((share - 0.7) / 0.2, 0, 1))


def _fixed(points: AlignmentPoints, fit: Fit, factor: int) -> float:
    """Return how well the points fix where the view's content lies in the image."""
    distinct = points.slope > _DISTINCT * fit.noise
    known = information(points, weights_of(points, fit) * distinct) + np.diag(PRIOR)
    covariance = np.linalg.inv(known)[:6, :6]
    flow = factor * _flow(points)
    variance = np.einsum('kni,ij,knj->n', flow, covariance, flow)
    return float(1 / (1 + np.median(variance) / _UNSURE ** 2))


def _flow(points: AlignmentPoints) -> np.ndarray:
    """Return by how many pixels (2, 25, 6) five by five places of the view move with a motion."""
    camera = points.camera
    depth = np.median(points.positions[2])
    y, x = _PLACES * [[camera.cy / camera.fy], [camera.cx / camera.fx]]
    none, one = np.zeros_like(x), np.full_like(x, 1)
    right = [-x * y, 1 + x * x, -y, one / depth, none, -x / depth]
    down = [-1 - y * y, x * y, x, none, one / depth, -y / depth]
    return camera.fx * np.array([right, down]).transpose(0, 2, 1)


def _contrast(gain: float) -> float:
    """Return 1 where the contrast is between half and twice what it was, 0 where a quarter."""
    return float(np.clip(min(gain, 1 / max(gain, 1e-6)) * 4 - 1, 0, 1))
