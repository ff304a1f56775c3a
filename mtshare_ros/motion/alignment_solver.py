"""The motion under which points of a reference look as they do in an image, and its confidence."""

from dataclasses import dataclass, replace

import numpy as np

from mtshare_ros.motion.alignment_points import AlignmentPoints, MIDDLE_GRAY, PARAMETERS
from mtshare_ros.motion.rigid import RigidMotion, rotation_about, rotation_vector

_SMALLEST_NOISE = 1.0
"""Gray levels; smaller differences are never called errors, however quiet the image is."""

_SLOPE_ERROR = 0.3
"""Pixels by which errors of depth and interpolation move a point."""

_NEAREST = 0.05
"""Metres in front of the camera; nearer points are not seen."""

FEWEST_POINTS = 30
"""With fewer points in the image there is no estimate."""

PRIOR = np.array([0.1, 0.1, 0.1, 0.02, 0.02, 0.02, 0.2, 50.0]) ** -2
"""
Inverse variances (8,) of the parameters.

Of the rotation in one step, of the translation about the expected one, of gain and bias.
"""


@dataclass(frozen=True)
class Guess:
    """A motion, and how the brightness changed: ``128 + gain * (gray - 128) + bias``."""

    motion: RigidMotion
    gain: float = 1.0
    bias: float = 0.0


@dataclass(frozen=True)
class Fit:
    """
    How well a guess explains the points of a level.

    ``seen`` (n,) bool: whether a point lies in the image. ``error`` (n,): the difference in gray
    levels there, 0 elsewhere. ``noise``: the standard deviation of the error, without outliers.
    """

    guess: Guess
    seen: np.ndarray
    error: np.ndarray
    noise: float


@dataclass(frozen=True)
class Effort:
    """How many points a level has, and when the search on it ends: steps, and pixels of a step."""

    points: int
    steps: int
    smallest_step: float


def fitted(points: AlignmentPoints, image: np.ndarray, guess: Guess) -> Fit:
    """Return how the points of a reference differ from an image (h, w) under a guess."""
    row, column, seen = _projected(points, image.shape, guess.motion)
    error = _bilinear(image, row, column)
    error -= points.gray * np.float32(guess.gain)
    error -= np.float32(guess.bias + (1 - guess.gain) * MIDDLE_GRAY)
    error *= seen
    return Fit(guess, seen, error, max(_usual(np.abs(error[seen])), _SMALLEST_NOISE))


def aligned(
    points: AlignmentPoints, image: np.ndarray, guess: Guess, effort: Effort, *,
    free: np.ndarray, expected: RigidMotion,
) -> Guess:
    """
    Return the guess that explains an image (h, w) best, starting from one that is near.

    Gauss-Newton with Geman-McClure weights in inverse compositional form: the Jacobian of the
    reference is used in all steps (Baker and Matthews, 2004). The first guess may be wrong by one
    or two pixels. ``free`` are the parameters that are estimated; PRIOR holds the translation near
    the ``expected`` one.
    """
    for _ in range(effort.steps):
        fit = fitted(points, image, guess)
        if fit.seen.sum() < FEWEST_POINTS:
            return guess
        step = _step(points, fit, free, expected)
        # a step moves the reference, so that the image moves by the inverse
        rotation = rotation_about(-step[:3])
        back = RigidMotion(rotation, -rotation @ step[3:6])
        guess = replace(guess, motion=guess.motion.after(back),
                        gain=guess.gain + step[6], bias=guess.bias + step[7])
        # pixels of the level, roughly: points are some metres away
        size = np.abs(step[:3]).max() + np.abs(step[3:6]).max() / 3
        if points.camera.fx * size < effort.smallest_step:
            break
    return guess


def information(points: AlignmentPoints, weights: np.ndarray) -> np.ndarray:
    """Return the inverse covariance (8, 8) of the parameters from points with weights (n,)."""
    return ((points.jacobian * weights) @ points.jacobian.T).astype(np.float64)


def weights_of(points: AlignmentPoints, fit: Fit) -> np.ndarray:
    """Return the inverse variance (n,) of each gray, nearly 0 for outliers."""
    variance = fit.noise ** 2 + (_SLOPE_ERROR * points.slope) ** 2
    robust = 1 / (1 + fit.error ** 2 / variance)
    return robust * robust * fit.seen / variance


def _usual(sizes: np.ndarray) -> float:
    """Return the standard deviation of a normal distribution with outliers, from sizes (n,)."""
    middle = len(sizes) // 2
    # 1.4826 times the median size is the standard deviation of a normal distribution
    return 1.4826 * float(np.partition(sizes, middle)[middle]) if len(sizes) else 0.0


def _step(
    points: AlignmentPoints, fit: Fit, free: np.ndarray, expected: RigidMotion
) -> np.ndarray:
    """Return the change (8,) of the reference's parameters that explains the errors."""
    weights, guess = weights_of(points, fit), fit.guess
    away = np.zeros(PARAMETERS)
    # in the axes of the reference, which the step moves
    away[3:6] = (guess.motion.translation - expected.translation) @ guess.motion.rotation
    away[6:] = 1 - guess.gain, -guess.bias
    matrix = information(points, weights) + np.diag(PRIOR)
    right = points.jacobian @ (weights * fit.error) + PRIOR * away
    step = np.zeros(PARAMETERS)
    step[free] = np.linalg.solve(matrix[np.ix_(free, free)], right[free])
    return step


def _projected(
    points: AlignmentPoints, size: tuple[int, ...], motion: RigidMotion
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, column and whether they are in the image, each (n,), of moved points."""
    moved = motion.rotation.astype(np.float32) @ points.positions
    moved += motion.translation.astype(np.float32)[:, None]
    scale = 1 / np.maximum(moved[2], _NEAREST)
    camera = points.camera
    column = moved[0] * scale * np.float32(camera.fx) + np.float32(camera.cx)
    row = moved[1] * scale * np.float32(camera.fy) + np.float32(camera.cy)
    seen = ((row >= 0) & (column >= 0) & (row < size[0] - 1) & (column < size[1] - 1)
            & (moved[2] > _NEAREST))
    # points out of view read the first pixel, because an index must be inside
    row *= seen
    column *= seen
    return row, column, seen


def _bilinear(image: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return gray (n,) between the pixels of an image."""
    top, left = row.astype(np.int32), column.astype(np.int32)
    down, right = row - top, column - left
    width = image.shape[1]
    corner, flat = top * width + left, image.ravel()
    above = flat.take(corner)
    above += (flat.take(corner + 1) - above) * right
    below = flat.take(corner + width)
    below += (flat.take(corner + width + 1) - below) * right
    return above + (below - above) * down


_NOISE, _OFF = 6.0, 0.7
"""Gray levels, and pixels, by which a point may differ and still count as explained."""

_DISTINCT = 2.0
"""A slope counts where it is so many times the noise, because noise has slopes too."""

_UNSURE = 0.25
"""Standard deviation of the image motion, in pixels, at which the confidence is one half."""

_RESTING = 20.0
"""Squared standard deviations from rest: noise alone stays below, a turn by 0.1 px does not."""

_PLACES = np.mgrid[-1:1:5j, -1:1:5j].reshape(2, 25)
"""Five by five places of the view, down and to the right from -1 to 1, each (25,)."""


def confidence_of(points: AlignmentPoints, fit: Fit, factor: int) -> float:
    """
    Return 0 (nothing is known) to 1: the weakest of three pieces of evidence.

    The share of the points that look as expected (low where something moving fills the view, with
    blur, in another scene); how well the points determine the motion (a blank wall does not); and
    whether there is contrast (a black image has none). The points are those of a level that is
    ``factor`` times smaller than the image.
    """
    if fit.seen.sum() < FEWEST_POINTS:
        return 0.0
    # 1 where the contrast is between half and twice what it was, 0 below a quarter
    gain = fit.guess.gain
    contrast = float(np.clip(min(gain, 1 / max(gain, 1e-6)) * 4 - 1, 0, 1))
    return min(_explained(points, fit), _determined(points, fit, factor), contrast)


def at_rest(points: AlignmentPoints, fit: Fit) -> bool:
    """Tell whether a motion may be none: whether noise alone could explain it."""
    motion = fit.guess.motion
    away = np.concatenate([rotation_vector(motion.rotation),
                           motion.translation @ motion.rotation])
    known = information(points, weights_of(points, fit))[:6, :6]
    return bool(away @ known @ away < _RESTING)


def _explained(points: AlignmentPoints, fit: Fit) -> float:
    """Return 0 where up to 70 % of the points are explained, 1 from 90 % on."""
    tolerated = np.sqrt(_NOISE ** 2 + (_OFF * points.slope) ** 2)
    share = (np.abs(fit.error) < tolerated)[fit.seen].mean()
    return float(np.clip((share - 0.7) / 0.2, 0, 1))


def _determined(points: AlignmentPoints, fit: Fit, factor: int) -> float:
    """Return how well the points determine the motion of the image, 0 to 1."""
    distinct = points.slope > _DISTINCT * fit.noise
    known = information(points, weights_of(points, fit) * distinct) + np.diag(PRIOR)
    covariance = np.linalg.inv(known)[:6, :6]
    flow = factor * _flow(points)
    variance = np.einsum('kni,ij,knj->n', flow, covariance, flow)
    return float(1 / (1 + np.median(variance) / _UNSURE ** 2))


def _flow(points: AlignmentPoints) -> np.ndarray:
    """Return the derivative (2, 25, 6) of the places' pixels by rotation and translation."""
    camera = points.camera
    depth = np.median(points.positions[2])
    y, x = _PLACES * [[camera.cy / camera.fy], [camera.cx / camera.fx]]
    none, one = np.zeros_like(x), np.full_like(x, 1)
    right = [-x * y, 1 + x * x, -y, one / depth, none, -x / depth]
    down = [-1 - y * y, x * y, x, none, one / depth, -y / depth]
    return camera.fx * np.array([right, down]).transpose(0, 2, 1)
