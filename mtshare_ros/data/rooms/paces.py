"""Paths of a given speed: the same way as always, gone faster."""

from dataclasses import replace
from functools import lru_cache
import math
from typing import Callable

import numpy as np

from mtshare_ros.data.rooms.camera import camera_path, CameraPath
from mtshare_ros.data.rooms.drives import long_drive
from mtshare_ros.data.rooms.flow import median_motion
from mtshare_ros.data.rooms.motions import camera_motion, CameraMotion
from mtshare_ros.data.rooms.renderer import LIVE, Renderer
from mtshare_ros.data.rooms.scene import make_room, Room

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
        # damped: where a path turns round within the film, twice the rate is not twice the speed
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
