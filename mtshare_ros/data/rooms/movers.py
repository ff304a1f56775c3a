"""What moves: paths that never end, and the pose of every moving part at a time."""

from dataclasses import dataclass
import math

import numpy as np

from mtshare_ros.data.rooms.primitives import Primitives, yaw_rotation


@dataclass(frozen=True)
class Mover:
    """
    A closed elliptic walk, its heading along the path.

    ``center`` and ``radii`` in metres, ``turn`` the angle of the first axis, ``rate`` radians
    per second (its sign is the direction), ``phase`` radians, ``stride`` steps' radians per
    radian of path.
    """

    center: tuple[float, float]
    radii: tuple[float, float]
    turn: float
    rate: float
    phase: float
    stride: float

    def place(self, time_s: float) -> tuple[float, float, float]:
        """Return x, y in metres and the heading's yaw (+y forward) at a time."""
        angle = self.phase + self.rate * time_s
        along, across = self.radii
        u, v = along * math.cos(angle), across * math.sin(angle)
        du, dv = -along * math.sin(angle), across * math.cos(angle)
        if self.rate < 0:
            du, dv = -du, -dv
        heading = math.atan2(dv, du) + self.turn - math.pi / 2
        cosine, sine = math.cos(self.turn), math.sin(self.turn)
        return (self.center[0] + cosine * u - sine * v,
                self.center[1] + sine * u + cosine * v, heading)

    def swing(self, time_s: float) -> float:
        """Return the phase of the stride, in [-1, 1]."""
        return math.sin(self.stride * abs(self.rate) * time_s + self.phase)


@dataclass(frozen=True)
class MovedParts:
    """Where the moving primitives are: their rows, ``center`` (M, 3), ``rotation`` (M, 3, 3)."""

    rows: np.ndarray
    center: np.ndarray
    rotation: np.ndarray


def pose_movers(primitives: Primitives, movers: tuple[Mover, ...], time_s: float) -> MovedParts:
    """Return the world pose of every moving primitive at a time in seconds."""
    rows = np.flatnonzero(primitives.mover >= 0)
    center, rotation = primitives.center[rows].copy(), primitives.rotation[rows].copy()
    for index, mover in enumerate(movers):
        mine = primitives.mover[rows] == index
        part = rows[mine]
        limbs = _swung(primitives.swing[part] * mover.swing(time_s))
        pivot = primitives.pivot[part]
        local = np.einsum('nij,nj->ni', limbs, primitives.center[part] - pivot) + pivot
        x, y, yaw = mover.place(time_s)
        turn = yaw_rotation(yaw)
        center[mine] = local @ turn.T + (x, y, 0.0)
        rotation[mine] = turn @ limbs @ primitives.rotation[part]
    return MovedParts(rows, center, rotation)


def _swung(angles: np.ndarray) -> np.ndarray:
    """Return rotations (N, 3, 3) about the x axis."""
    cosine, sine = np.cos(angles), np.sin(angles)
    turns = np.zeros((len(angles), 3, 3))
    turns[:, 0, 0] = 1.0
    turns[:, 1, 1] = turns[:, 2, 2] = cosine
    turns[:, 1, 2], turns[:, 2, 1] = -sine, sine
    return turns
