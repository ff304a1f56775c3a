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

_TRIES = 400
_REACHES = (1.2, 1.0, 0.8, 0.6, 0.5, 0.4, 0.3)
_FROM_FURNITURE, _FROM_MOVERS = 0.25, 0.8
_POINTS = 13


def long_drive(room: Room, seed: int) -> CameraPath:
    """Return a drive over the longest free straight way found, the movers in sight."""
    rng = np.random.default_rng((seed, MOTIONS.index('drive'), 617))
    points = rng.uniform((0.3, 0.3), room.size[:2] - 0.3, (_TRIES, 2))
    courses = rng.uniform(0.0, math.pi, _TRIES)
    for reach in _REACHES:
        free = np.flatnonzero(_are_free(room, points, courses, reach))
        if len(free):
            break
    else:
        return camera_path(room, 'drive', seed)
    target = mover_walks(room).mean(axis=0)
    best = min(free, key=lambda row: hidden_share(room, points[row], target))
    stand = Stand(points[best], target, float(rng.uniform(0.6, 1.1)), spread=0.0)
    along = Wave((reach,), (1.0,), (float(rng.uniform(0.0, 2 * math.pi)),))
    return drive_path(stand, pitch_to_body(stand, rng), float(courses[best]), along)


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
