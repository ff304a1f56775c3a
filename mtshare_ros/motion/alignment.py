"""How a camera moved, found by aligning its image with what the carried maps expect."""

from dataclasses import dataclass

import numpy as np
import torch

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.motion.alignment_points import (
    AlignmentPoints,
    gray_levels,
    level_count,
    Reference,
    steepest_points,
)
from mtshare_ros.motion.alignment_solver import (
    aligned,
    at_rest,
    confidence_of,
    Effort,
    FEWEST_POINTS,
    fitted,
    Guess,
)
from mtshare_ros.motion.rigid import RigidMotion

TRUSTED_CONFIDENCE = 0.5
"""Estimates of a lower confidence are not used."""

PLANE_DEPTH = 1.0
"""Metres at which the scene is assumed to be where there is no depth or no calibration."""

_ALL = np.arange(8)
_TURNS_AND_GROWTH = np.array([0, 1, 2, 5, 6, 7])
"""The parameters that are estimated: all, or those that need no depth."""

_LARGEST_SHIFT = 6
"""
Pixels of the coarsest level by which a turn is searched.

It is an eighth of the image at 240x320, so that turns of up to 48 pixels are found.
"""

_HALF_WRONG = 8.0
"""Gray levels of difference that count as half wrong; larger ones count little more."""

_LEAST_SEEN = 0.3
"""Share of the points that must stay in view for a motion to be considered."""


@dataclass(frozen=True)
class MotionEstimate:
    """
    How the camera moved since the frame before, and how sure that is.

    ``confidence`` is 0 (nothing is known) to 1; ``source`` is one word for where it comes from.
    ``scaled`` is False where the translation is not in metres: without calibration or depth, only
    rotations and growth of the image about its middle are found.
    """

    motion: RigidMotion
    confidence: float
    source: str
    scaled: bool = True


_FINEST = Effort(points=2500, steps=8, smallest_step=0.01)
_COARSER = Effort(points=1200, steps=6, smallest_step=0.05)


def assumed_camera(height: int, width: int) -> Pinhole:
    """Return a camera with a field of view of 60 degrees, used where there is no calibration."""
    focal = 0.866 * max(height, width)
    return Pinhole(focal, focal, (width - 1) / 2, (height - 1) / 2)


class Aligner:
    """
    Finds how a camera moved from view to view by aligning its images.

    It remembers the last motion it was sure of, from which the next search starts.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        """Prepare for views of a size (height, width)."""
        self._size = size
        self._factors = [2 << level for level in range(level_count(*size))]
        self._plane = np.full(size, PLANE_DEPTH, np.float32)
        self._last = RigidMotion.none()

    def reset(self) -> None:
        """Forget the last motion, because the camera was moved elsewhere."""
        self._last = RigidMotion.none()

    def estimate(
        self,
        reference: torch.Tensor,
        depth: torch.Tensor | None,
        image: torch.Tensor,
        camera: Pinhole | None,
        *,
        start: RigidMotion | None = None,
        trusted: torch.Tensor | None = None,
    ) -> MotionEstimate:
        """
        Return the motion from the view of a reference to that of an image.

        ``reference`` (H, W, 3) bytes or floats is the last view and ``depth`` (H, W) its depth in
        metres; ``image`` (H, W, 3) is the new view. ``start`` is an expected motion, tried beside
        the last one. ``trusted`` (H, W) is 0 or False where the reference must not be used.

        Without ``camera`` or ``depth`` the scene is assumed to be a plane at PLANE_DEPTH, seen by
        the given camera or ``assumed_camera``; only rotations and the growth of the image about
        its middle are estimated. A motion that noise alone could explain, up to about a tenth of
        a pixel, is returned as none.
        """
        scaled = camera is not None and depth is not None
        pinhole = camera or assumed_camera(*self._size)
        far = self._plane if depth is None or camera is None else depth.float().cpu().numpy()
        grays, images = (gray_levels(each, len(self._factors)) for each in (reference, image))
        views = [Reference(gray, far, _trusted(trusted, factor, gray.shape), factor,
                           pinhole.scaled(1 / factor))
                 for factor, gray in zip(self._factors, grays)]
        expected = (self._last,) if start is None else (start, self._last)
        guess, points = _coarse_to_fine(
            views, images, expected, _ALL if scaled else _TURNS_AND_GROWTH)
        fit = fitted(points, images[0], guess)
        confidence = confidence_of(points, fit, self._factors[0])
        sure = confidence >= TRUSTED_CONFIDENCE
        motion = RigidMotion.none() if sure and at_rest(points, fit) else guess.motion
        self._last = motion if sure else RigidMotion.none()
        return MotionEstimate(motion, confidence, 'images', scaled)


def _coarse_to_fine(
    views: list[Reference],
    images: list[np.ndarray],
    expected: tuple[RigidMotion, ...],
    free: np.ndarray,
) -> tuple[Guess, AlignmentPoints]:
    """Return the best guess, and the points of the finest level, from which it was estimated."""
    begin = RigidMotion.none()
    guess, coarsest = Guess(begin), len(views) - 1
    for level in range(coarsest, -1, -1):
        view, image = views[level], images[level]
        effort = _COARSER if level or level == coarsest else _FINEST
        # each square gives one point, the steepest
        side = max(round((view.gray.size / effort.points) ** 0.5), 1)
        points = steepest_points(view, side)
        if level == coarsest:
            begin = likeliest(points, view.gray, image, (*expected, begin))
            guess = Guess(begin)
        guess = aligned(points, image, guess, effort, free=free, expected=begin)
    return guess, points


def _trusted(
    trusted: torch.Tensor | None, factor: int, size: tuple[int, ...]
) -> np.ndarray | None:
    """Return which pixels (h, w) of a level, ``factor`` times smaller, may be used; None: all."""
    if trusted is None:
        return None
    picked = trusted[factor // 2::factor, factor // 2::factor][:size[0], :size[1]]
    where = picked.cpu().numpy() > 0
    # only pixels with all eight neighbours, because the border of what is trusted is no edge
    wide = where[:, 2:] & where[:, 1:-1] & where[:, :-2]
    inner = np.zeros_like(where)
    inner[1:-1, 1:-1] = wide[2:] & wide[1:-1] & wide[:-2]
    return inner


def likeliest(
    points: AlignmentPoints,
    reference: np.ndarray,
    image: np.ndarray,
    expected: tuple[RigidMotion, ...],
) -> RigidMotion:
    """Return which of the expected motions, or the best turn, explains an image (h, w) best."""
    if len(points.gray) < FEWEST_POINTS:
        return expected[0]
    motions = (*expected, _best_turn(points, reference, image))
    return min(motions, key=lambda motion: _difference(points, image, motion))


def _difference(points: AlignmentPoints, image: np.ndarray, motion: RigidMotion) -> float:
    """Return how much the points in view differ from the image after a motion, 0 to 1."""
    fit = fitted(points, image, Guess(motion))
    if fit.seen.mean() < _LEAST_SEEN:
        return 1.0
    error = fit.error[fit.seen]
    # a change of brightness is no difference
    error = np.abs(error - np.median(error))
    return float((error / (error + _HALF_WRONG)).mean())


def _best_turn(points: AlignmentPoints, reference: np.ndarray, image: np.ndarray) -> RigidMotion:
    """Return the turn by whole pixels with which the middle of the reference fits best."""
    most = min(_LARGEST_SHIFT, min(reference.shape) // 4)
    middle = reference[most:-most, most:-most]
    shifted = np.lib.stride_tricks.sliding_window_view(image, middle.shape)
    # without the mean, because squares of small numbers lose fewer digits in float32
    windows = shifted.reshape(-1, middle.size) - middle.mean()
    best = int(_squared_contrast(windows, middle.ravel() - middle.mean()).argmin())
    down, right = (place - most for place in divmod(best, shifted.shape[1]))
    return RigidMotion.turned(
        np.array([-down / points.camera.fy, right / points.camera.fx, 0.0]))


def _squared_contrast(windows: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Return the variance (n,), times m, of windows (n, m) minus a pattern (m,)."""
    squares = np.einsum('nm,nm->n', windows, windows) - 2 * windows @ pattern
    return squares - windows.sum(1) ** 2 / len(pattern)
