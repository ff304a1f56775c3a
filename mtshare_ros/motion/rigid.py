"""How a camera moved between two views, and where it stands."""

from dataclasses import dataclass
import math

import numpy as np

_SMALLEST_ANGLE = 1e-12


@dataclass(frozen=True, eq=False)
class RigidMotion:
    """
    What brings points from one frame of reference to another: ``rotation @ point + translation``.

    Between two views of a camera it brings points of the earlier optical frame (x right, y down,
    z forward) to the later one. As a pose it brings points of the optical frame to the world.
    ``rotation`` (3, 3) and ``translation`` (3,), in metres, are float64.
    """

    rotation: np.ndarray
    translation: np.ndarray

    @classmethod
    def none(cls) -> 'RigidMotion':
        """Return the motion that moves nothing."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def turned(
        cls, vector: np.ndarray, translation: np.ndarray | None = None
    ) -> 'RigidMotion':
        """Return a turn about an axis (3,) by its length in radians, then a shift (3,)."""
        shift = np.zeros(3) if translation is None else np.asarray(translation, np.float64)
        return cls(rotation_about(np.asarray(vector, np.float64)), shift)

    @classmethod
    def between(cls, earlier: 'RigidMotion', later: 'RigidMotion') -> 'RigidMotion':
        """Return the motion of points from the view at one pose to that at another."""
        return later.inverse().after(earlier)

    @classmethod
    def interpolated(
        cls, earlier: 'RigidMotion', later: 'RigidMotion', fraction: float
    ) -> 'RigidMotion':
        """Return the pose between two: 0 is the earlier, 1 the later, others extrapolate."""
        turn = fraction * rotation_vector(later.rotation @ earlier.rotation.T)
        shift = later.translation - earlier.translation
        return cls(rotation_about(turn) @ earlier.rotation, earlier.translation + fraction * shift)

    def after(self, first: 'RigidMotion') -> 'RigidMotion':
        """Return the motion that applies ``first``, then this one."""
        return RigidMotion(self.rotation @ first.rotation,
                           self.rotation @ first.translation + self.translation)

    def inverse(self) -> 'RigidMotion':
        """Return the motion that undoes this one."""
        back = self.rotation.T
        return RigidMotion(back, -back @ self.translation)

    def moved(self, points: np.ndarray) -> np.ndarray:
        """Return points (..., 3) where they are after the motion."""
        return points @ self.rotation.T + self.translation

    @property
    def angle(self) -> float:
        """The angle of the rotation in radians."""
        skew = self.rotation - self.rotation.T
        sine = math.sqrt(skew[2, 1] ** 2 + skew[0, 2] ** 2 + skew[1, 0] ** 2) / 2
        # the cosine alone would be inaccurate for small angles
        return math.atan2(sine, (np.trace(self.rotation) - 1) / 2)


def rotation_about(vector: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) about an axis (3,) by its length in radians."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    # the limit of the formula below, which would divide zero by zero
    if angle < _SMALLEST_ANGLE:
        return np.eye(3) + cross
    return (np.eye(3) + math.sin(angle) / angle * cross
            + (1 - math.cos(angle)) / angle ** 2 * cross @ cross)


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """Return the axis (3,) of a rotation (3, 3), as long as its angle in radians."""
    quaternion = quaternion_of(rotation)
    vector, scalar = quaternion[:3], float(quaternion[3])
    length = float(np.linalg.norm(vector))
    if length < _SMALLEST_ANGLE:
        return 2 * vector
    return 2 * math.atan2(length, scalar) / length * vector


def rotation_of(quaternion: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) of a unit quaternion x, y, z, w."""
    vector, scalar = quaternion[:3], quaternion[3]
    x, y, z = vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * scalar * cross + 2 * cross @ cross


def quaternion_of(rotation: np.ndarray) -> np.ndarray:
    """
    Return the unit quaternion (4,) x, y, z, w of a rotation, w >= 0.

    It is accurate up to half a turn.
    """
    squares = np.append(np.diag(rotation), np.trace(rotation))
    # divided by the largest component, so that no rotation divides by nearly nothing
    largest = int(np.argmax(squares))
    if largest == 3:
        skew = rotation - rotation.T
        whole = np.array([skew[2, 1], skew[0, 2], skew[1, 0], 1 + squares[3]])
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        whole = np.empty(4)
        whole[i] = 1 + 2 * squares[i] - squares[3]
        whole[j] = rotation[j, i] + rotation[i, j]
        whole[k] = rotation[k, i] + rotation[i, k]
        whole[3] = rotation[k, j] - rotation[j, k]
    return whole / (np.linalg.norm(whole) if whole[3] >= 0 else -np.linalg.norm(whole))
