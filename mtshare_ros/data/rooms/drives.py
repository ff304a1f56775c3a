"""Long drives: as far to and fro as the room allows."""

import math

import numpy as np

from mtshare_ros.data.rooms.camera import (
    camera_path,
    CameraPath,
    drive_path,
    hidden_share,
    MOTIONS,
    mover_walks,
    pitch_to_body,
    Stand,
    Wave,
)
from mtshare_ros.data.rooms.scene import Room
from mtshare_ros.data.rooms.views import clearance

_TRIES = 1200
_REACHES = (1.2, 1.0, 0.8, 0.6, 0.5, 0.4, 0.3)
_FROM_FURNITURE, _FROM_MOVERS = 0.25, 0.8
_POINTS = 13
_CHOICE = 4
"""Free ways that there must be of a length, so that one of them has a good view."""

_FROM_TARGET = 2.4
_STEEPEST = 0.1


def long_drive(room: Room, seed: int) -> CameraPath:
    """Return a drive over a long free straight way, of those found the one with the best view."""
    rng = np.random.default_rng((seed, MOTIONS.index('drive'), 617))
    points = rng.uniform((0.3, 0.3), room.size[:2] - 0.3, (_TRIES, 2))
    courses = rng.uniform(0.0, math.pi, _TRIES)
    for reach in _REACHES:
        free = np.flatnonzero(_are_free(room, points, courses, reach))
        if len(free) >= _CHOICE:
            break
    else:
        return camera_path(room, 'drive', seed)
    target = mover_walks(room).mean(axis=0)
    best = min(free, key=lambda row: _view_cost(room, points[row], target))
    stand = Stand(points[best], target, float(rng.uniform(0.6, 1.1)), spread=0.0)
    along = Wave((reach,), (1.0,), (float(rng.uniform(0.0, 2 * math.pi)),))
    pitch = float(np.clip(pitch_to_body(stand, rng), -_STEEPEST, _STEEPEST))
    return drive_path(stand, pitch, float(courses[best]), along)


def _view_cost(room: Room, point: np.ndarray, target: np.ndarray) -> float:
    """Return how bad the view of a target is: hidden by furniture, too near or too far."""
    away = float(np.linalg.norm(target - point))
    return 3.0 * hidden_share(room, point, target) + 0.5 * abs(away - _FROM_TARGET)


def _are_free(
    room: Room, points: np.ndarray, courses: np.ndarray, reach: float
) -> np.ndarray:
    """Return which ways (N,) from ``-reach`` to ``reach`` about the points are free."""
    steps = np.stack([np.cos(courses), np.sin(courses)], axis=1)
    ways = points[:, None] + np.linspace(-reach, reach, _POINTS)[:, None] * steps[:, None]
    from_furniture = clearance(room, ways.reshape(-1, 2)).reshape(len(points), _POINTS)
    from_movers = np.linalg.norm(ways[:, :, None] - mover_walks(room), axis=-1)
    return ((from_furniture.min(axis=1) > _FROM_FURNITURE)
            & (from_movers.min(axis=(1, 2)) > _FROM_MOVERS))
