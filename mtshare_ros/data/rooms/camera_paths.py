"""How the camera moves: smooth paths that never end, in free space, the movers in sight."""

from collections.abc import Callable
from dataclasses import dataclass, replace
import math

import numpy as np

from mtshare_ros.data.rooms.room_frame import Pose
from mtshare_ros.data.rooms.scene import Room
from mtshare_ros.data.rooms.views import clearance, look
from mtshare_ros.errors import ConfigError

_HALF_VIEW = math.radians(30.0)
_CANDIDATES = 160
_TALL = 1.2


@dataclass(frozen=True)
class Stand:
    """
    Where a path begins and what it looks at.

    ``point`` and ``target`` (2,) in metres; ``height`` of the camera; ``spread`` radians: half
    the angle under which the movers' walk is seen.
    """

    point: np.ndarray
    target: np.ndarray
    height: float
    spread: float

    @property
    def yaw(self) -> float:
        """Return the direction of the target."""
        away = self.target - self.point
        return math.atan2(away[1], away[0])


@dataclass(frozen=True)
class Wave:
    """A sum of sines: ``amplitudes``, angular ``rates`` per second and ``phases``."""

    amplitudes: tuple[float, ...]
    rates: tuple[float, ...]
    phases: tuple[float, ...]

    def __call__(self, time_s: float) -> float:
        """Return the value at a time in seconds."""
        return sum(amplitude * math.sin(rate * time_s + phase) for amplitude, rate, phase
                   in zip(self.amplitudes, self.rates, self.phases))

    def faster(self, factor: float) -> 'Wave':
        """Return the same values, so many times as fast one after the other."""
        return Wave(self.amplitudes, tuple(rate * factor for rate in self.rates), self.phases)


STILL = Wave((), (), ())


@dataclass(frozen=True)
class CameraPath:
    """
    A pose for every time.

    ``along`` metres in the direction ``course`` radians, ``aside`` metres across it, ``up``
    metres; ``yaw``, ``pitch``, ``roll`` radians; all about the stand.
    """

    stand: Stand
    pitch_level: float
    course: float = 0.0
    along: Wave = STILL
    aside: Wave = STILL
    up: Wave = STILL
    yaw: Wave = STILL
    pitch: Wave = STILL
    roll: Wave = STILL

    def __call__(self, time_s: float) -> Pose:
        """Return the pose at a time in seconds."""
        along, aside = self.along(time_s), self.aside(time_s)
        cosine, sine = math.cos(self.course), math.sin(self.course)
        x = self.stand.point[0] + cosine * along - sine * aside
        y = self.stand.point[1] + sine * along + cosine * aside
        heading = math.atan2(self.stand.target[1] - y, self.stand.target[0] - x)
        return look(np.array([x, y, self.stand.height + self.up(time_s)]),
                    heading + self.yaw(time_s), self.pitch_level + self.pitch(time_s),
                    self.roll(time_s))

    def faster(self, factor: float) -> 'CameraPath':
        """Return the same way, gone so many times as fast."""
        waves = {name: getattr(self, name).faster(factor)
                 for name in ('along', 'aside', 'up', 'yaw', 'pitch', 'roll')}
        return replace(self, **waves)


def camera_path(room: Room, motion: str, seed: int) -> CameraPath:
    """Return a path of one of the MOTIONS through a room; raise ConfigError for another name."""
    if motion not in _MAKERS:
        raise ConfigError(f'unknown camera motion {motion!r}; allowed: {", ".join(MOTIONS)}')
    # 311 keeps the numbers apart from those that other code draws for the same seed
    rng = np.random.default_rng((seed, MOTIONS.index(motion), 311))
    return _MAKERS[motion](room, rng)


def _static(room: Room, rng: np.random.Generator) -> CameraPath:
    stand = _choose_stand(room, rng, rng.uniform(1.1, 1.7))
    return CameraPath(stand, pitch_to_body(stand, rng))


def _pan(room: Room, rng: np.random.Generator) -> CameraPath:
    stand = _choose_stand(room, rng, rng.uniform(1.1, 1.7))
    reach = float(np.clip(_HALF_VIEW - stand.spread, 0.12, 0.35))
    return CameraPath(
        stand, pitch_to_body(stand, rng),
        yaw=Wave((reach,), (2 * math.pi / rng.uniform(9.0, 13.0),), (_phase(rng),)),
        pitch=Wave((0.02,), (2 * math.pi / 17.0,), (_phase(rng),)))


def _drive(room: Room, rng: np.random.Generator) -> CameraPath:
    """Roll to and fro on a shallow bow, as a robot does; the speed peaks at about 0.3 m/s."""
    stand = _choose_stand(room, rng, rng.uniform(0.6, 1.1))
    course, reach = _free_course(room, stand, rng)
    # such a sine is fastest in its middle, with reach times rate metres a second
    rate = 0.3 / max(reach, 0.15) * rng.uniform(0.7, 1.0)
    phase = _phase(rng)
    return drive_path(stand, pitch_to_body(stand, rng), course, Wave((reach,), (rate,), (phase,)))


def drive_path(stand: Stand, pitch: float, course: float, along: Wave) -> CameraPath:
    """Return a roll along a course by a single sine, on a bow, turning and trembling a little."""
    (rate,), (phase,) = along.rates, along.phases
    return CameraPath(
        stand, pitch, course, along,
        aside=Wave((0.06,), (2 * rate,), (2 * phase,)),
        up=Wave((0.002,), (11.0,), (0.0,)),
        yaw=Wave((0.09,), (rate,), (phase + 0.8,)))


def _handheld(room: Room, rng: np.random.Generator) -> CameraPath:
    """Sway and tremble, as a hand does."""
    stand = _choose_stand(room, rng, rng.uniform(1.3, 1.65))
    return CameraPath(
        stand, pitch_to_body(stand, rng),
        along=_hand(rng, 0.08), aside=_hand(rng, 0.08), up=_hand(rng, 0.04),
        yaw=_hand(rng, 0.13), pitch=_hand(rng, 0.06), roll=_hand(rng, 0.035))


_MAKERS: dict[str, Callable[[Room, np.random.Generator], CameraPath]] = {
    'static': _static, 'pan': _pan, 'drive': _drive, 'handheld': _handheld,
}
MOTIONS = tuple(_MAKERS)


def _phase(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.0, 2 * math.pi))


def _hand(rng: np.random.Generator, reach: float) -> Wave:
    """Return a slow sway, a quicker one and a tremor of a fortieth of the reach."""
    rates = (rng.uniform(0.5, 0.9), rng.uniform(1.3, 2.2), rng.uniform(9.0, 14.0))
    return Wave((reach, reach * 0.35, reach * 0.025), tuple(map(float, rates)),
                (_phase(rng), _phase(rng), _phase(rng)))


def pitch_to_body(stand: Stand, rng: np.random.Generator) -> float:
    """Return the pitch that looks at the middle of a standing person."""
    away = float(np.linalg.norm(stand.target - stand.point))
    return math.atan2(0.95 - stand.height, away) + float(rng.uniform(-0.05, 0.05))


def mover_walks(room: Room) -> np.ndarray:
    """Return points (N, 2) all along the movers' walks; the room's middle where nobody walks."""
    points = [mover.place(time_s)[:2] for mover in room.movers
              for time_s in np.linspace(0.0, 2 * math.pi / abs(mover.rate), 16)]
    return np.array(points) if points else room.size[None, :2] / 2


def _choose_stand(room: Room, rng: np.random.Generator, height: float) -> Stand:
    """Choose the free point from which the movers are seen best."""
    walks = mover_walks(room)
    target = walks.mean(axis=0)
    points = rng.uniform((0.3, 0.3), room.size[:2] - 0.3, (_CANDIDATES, 2))
    away = np.linalg.norm(points[:, None] - walks[None], axis=2)
    spreads = np.array([_spread(point, target, walks) for point in points])
    hidden = np.array([hidden_share(room, point, target) for point in points])
    score = (2.0 * np.minimum(clearance(room, points), 0.4) - 3.0 * hidden
             - 2.0 * np.maximum(1.1 - away.min(axis=1), 0.0)
             - 2.0 * np.maximum(spreads - 0.4, 0.0)
             - 0.5 * np.abs(away.mean(axis=1) - 2.4))
    best = int(np.argmax(score))
    return Stand(points[best], target, float(height), float(spreads[best]))


def _spread(point: np.ndarray, target: np.ndarray, walks: np.ndarray) -> float:
    """Return half the angle in radians under which the walks are seen around the target."""
    middle = math.atan2(target[1] - point[1], target[0] - point[0])
    angles = np.arctan2(walks[:, 1] - point[1], walks[:, 0] - point[0]) - middle
    return float(np.abs((angles + math.pi) % (2 * math.pi) - math.pi).max())


def hidden_share(room: Room, point: np.ndarray, target: np.ndarray) -> float:
    """Return the share of the line of sight that runs through tall furniture."""
    line = point + np.linspace(0.0, 1.0, 12)[:, None] * (target - point)
    tall = [footprint.distance(line) <= 0.05 for footprint in room.footprints
            if footprint.height > _TALL]
    return float(np.any(tall, axis=0).mean()) if tall else 0.0


def _free_course(room: Room, stand: Stand, rng: np.random.Generator) -> tuple[float, float]:
    """Return the course in radians and the reach in metres of the longest free roll found."""
    walks = mover_walks(room)
    best = (stand.yaw, 0.1)
    # half a turn is enough, because the camera rolls to and fro
    for course in rng.uniform(0.0, math.pi, 16):
        step = np.array([math.cos(course), math.sin(course)])
        for reach in (0.7, 0.5, 0.35, 0.2):
            line = stand.point + np.linspace(-reach, reach, 9)[:, None] * step
            apart = np.linalg.norm(line[:, None] - walks[None], axis=2).min()
            if reach > best[1] and clearance(room, line).min() > 0.25 and apart > 0.8:
                best = (float(course), reach)
                break
    return best
