"""How a camera moved, from what its image should look like and what it looks like."""

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
    FEWEST_POINTS,
    fitted,
    Guess,
    Search,
)
from mtshare_ros.motion.rigid import RigidMotion


@dataclass(frozen=True)
class MotionEstimate:
    """
    How the camera moved since the frame before, and how sure that is.

    ``confidence`` is 0 (nothing is known) to 1; ``source`` says in one word where it is from.
    ``scaled`` is False where the translation is no metres: without a calibration or depth only
    turns, and growing and shrinking about the middle of the view, are told apart.
    """

    motion: RigidMotion
    confidence: float
    source: str
    scaled: bool = True


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


TRUSTED_CONFIDENCE = 0.5
"""An estimate of less confidence is no better than none."""

PLANE_DEPTH = 1.0
"""How far the scene counts as being where there is no depth or no calibration."""

_ALL = np.arange(8)
_TURNS_AND_GROWTH = np.array([0, 1, 2, 5, 6, 7])


@dataclass(frozen=True)
class _Effort:
    """How dense the points of a level are, and how long is searched on it."""

    points: int
    steps: int
    smallest_step: float

    def search(self, free: np.ndarray, start: RigidMotion) -> Search:
        """Return such a search for some of the parameters."""
        return Search(free, start, self.steps, self.smallest_step)


_FINEST = _Effort(points=2500, steps=8, smallest_step=0.01)
_COARSER = _Effort(points=1200, steps=6, smallest_step=0.05)


def assumed_camera(height: int, width: int) -> Pinhole:
    """Return the camera that stands in where there is no calibration: 60 degrees wide."""
    focal = 0.866 * max(height, width)
    return Pinhole(focal, focal, (width - 1) / 2, (height - 1) / 2)


class Aligner:
    """
    Finds how a camera moved from view to view by aligning its images.

    It remembers the last motion it was sure of: there the next search begins.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        """Prepare for views of a size (height, width)."""
        self._size = size
        self._factors = [2 << level for level in range(level_count(*size))]
        self._plane = np.full(size, PLANE_DEPTH, np.float32)
        self._last = RigidMotion.none()

    def reset(self) -> None:
        """Forget the last motion: the camera was placed elsewhere."""
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

        ``reference`` (H, W, 3) bytes or floats: what is known of the last view; ``depth`` (H, W)
        in metres: its depth. ``image`` (H, W, 3). ``start``: what is expected beside the last
        motion. ``trusted`` (H, W): 0 or False where the reference is not to be used.

        Without camera or depth the scene counts as a plane at PLANE_DEPTH before the camera given
        or assumed_camera, and only turns and growing about the middle are sought. A motion that
        the noise could be, up to about a tenth of a pixel, is none at all.
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
    """Return the best guess, and the points of the finest level that it rests on."""
    points = steepest_points(views[-1], _cell(views[-1], _COARSER))
    begin = likeliest(points, views[-1].gray, images[-1], (*expected, RigidMotion.none()))
    guess = aligned(points, images[-1], Guess(begin), _COARSER.search(free, begin))
    for view, image in zip(views[-2::-1], images[-2::-1]):
        effort = _FINEST if view is views[0] else _COARSER
        points = steepest_points(view, _cell(view, effort))
        guess = aligned(points, image, guess, effort.search(free, begin))
    return guess, points


def _cell(view: Reference, effort: _Effort) -> int:
    """Return the side of the squares of which each gives one point."""
    return max(round((view.gray.size / effort.points) ** 0.5), 1)


def _trusted(
    trusted: torch.Tensor | None, factor: int, size: tuple[int, ...]
) -> np.ndarray | None:
    """Return what may be used of a level (h, w) that is so many times smaller."""
    if trusted is None:
        return None
    picked = trusted[factor // 2::factor, factor // 2::factor][:size[0], :size[1]]
    return _inner(picked.cpu().numpy() > 0)


def _inner(where: np.ndarray) -> np.ndarray:
    """Return the pixels (h, w) that have all their neighbours: a border there is no edge."""
    wide = where[:, 2:] & where[:, 1:-1] & where[:, :-2]
    inner = np.zeros_like(where)
    inner[1:-1, 1:-1] = wide[2:] & wide[1:-1] & wide[:-2]
    return inner
