"""Camera paths of a given speed, and long drives."""

from dataclasses import replace
from functools import lru_cache
import math
from typing import Callable

import numpy as np

from mtshare_ros.data.rooms.camera_paths import (
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
from mtshare_ros.data.rooms.motions import camera_motion, CameraMotion
from mtshare_ros.data.rooms.renderer import LIVE, Renderer
from mtshare_ros.data.rooms.room_frame import median_motion
from mtshare_ros.data.rooms.scene import make_room, Room
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


PACE_FRAMES = 64
PACE_RATE_HZ = 30.0
PACE_WIDTH = 320
"""What a speed is the mean of: so many frames, so many in a second, so wide."""

_PAN_REACH = math.radians(34.0)
_SMALL = (60, 80)
_EVERY = 3
_MOST_ROUNDS, _CLOSE, _DAMPING = 10, 0.03, 0.8


def path_of(room: Room, motion: CameraMotion) -> CameraPath:
    """Return a path through a room; the same room and motion always give the same one."""
    if motion.speed is None:
        return camera_path(room, motion.kind, room.seed)
    return _paced_path(room.seed, motion.name)


@lru_cache(maxsize=64)
def _paced_path(seed: int, name: str) -> CameraPath:
    room, motion = make_room(seed), camera_motion(name)
    measure = _metres_a_second if motion.kind == 'drive' else _PixelSpeed(room)
    return _at_speed(_way(room, motion.kind), motion.speed or 0.0, measure)


def _way(room: Room, kind: str) -> CameraPath:
    """Return where the camera goes: a pan sweeps wide, a drive goes as far as the room allows."""
    if kind == 'drive':
        return long_drive(room, room.seed)
    path = camera_path(room, kind, room.seed)
    if kind == 'pan':
        return replace(path, yaw=replace(path.yaw, amplitudes=(_PAN_REACH,)))
    return path


def _at_speed(
    path: CameraPath, speed: float, measure: Callable[[CameraPath], float]
) -> CameraPath:
    """Return the path gone at the rate whose measured speed lies nearest to the wanted one."""
    rate, found = 1.0, dict[float, float]()
    while len(found) < _MOST_ROUNDS:
        found[rate] = measure(path.faster(rate))
        if abs(found[rate] / speed - 1) < _CLOSE:
            break
        # damped: where a path turns round within the clip, twice the rate is not twice the speed
        rate *= (speed / max(found[rate], 1e-3)) ** _DAMPING
    return path.faster(min(found, key=lambda tried: abs(found[tried] - speed)))


def _metres_a_second(path: CameraPath) -> float:
    """Return the mean speed of a path in metres a second."""
    points = np.array([path(number / PACE_RATE_HZ).position for number in range(PACE_FRAMES)])
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).mean() * PACE_RATE_HZ)


class _PixelSpeed:
    """Measures a path by the mean over frames of the median motion of the image."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._renderer = Renderer(height=_SMALL[0], width=_SMALL[1], quality=LIVE)

    def __call__(self, path: CameraPath) -> float:
        """Return the speed in pixels a frame of images of the documented width."""
        speeds = [self._between(path, number / PACE_RATE_HZ)
                  for number in range(0, PACE_FRAMES - 1, _EVERY)]
        return float(np.mean(speeds)) * PACE_WIDTH / _SMALL[1]

    def _between(self, path: CameraPath, time_s: float) -> float:
        first, second = path(time_s), path(time_s + 1 / PACE_RATE_HZ)
        depth = self._renderer.render(self._room, first, time_s).depth
        return median_motion(depth, self._renderer.intrinsics, first, second)
