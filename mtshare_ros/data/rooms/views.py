"""Single views of a room: random poses that show something, and which belong to which split."""

from dataclasses import dataclass
import math

import numpy as np

from mtshare_ros.data.rooms.primitives import yaw_rotation
from mtshare_ros.data.rooms.renderer import Renderer, Rendering
from mtshare_ros.data.rooms.room_frame import Pose, RoomFrame
from mtshare_ros.data.rooms.scene import Room
from mtshare_ros.data.rooms.sensor import random_sensor
from mtshare_ros.errors import ConfigError

_NEAREST_METRES = 0.45
_LARGEST_SHARE = 0.7
_FEWEST_CLASSES = 4
_TRIES = 12
_BESIDE_A_MOVER = 1.3

_RANGES = {
    'train': range(0, 1_000_000),
    'validation': range(1_000_000, 1_100_000),
    'test': range(1_100_000, 1_200_000),
}
SPLITS = tuple(_RANGES)
VIEWS_PER_ROOM = 4
_ROOMS = 64


@dataclass(frozen=True)
class View:
    """One view of a data set: the room's seed, and which of the room's views it is."""

    room_seed: int
    number: int


def look(position: np.ndarray, yaw: float, pitch: float, roll: float = 0.0) -> Pose:
    """Return the pose of a camera that looks along yaw and pitch (up positive), in radians."""
    forward = np.array([math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch),
                        math.sin(pitch)])
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    upright = np.stack([right, np.cross(forward, right), forward], axis=1)
    return Pose(np.asarray(position, float), upright @ yaw_rotation(roll))


def clearance(room: Room, points: np.ndarray) -> np.ndarray:
    """Return how far points (N, 2) are from furniture and walls, in metres; 0 inside."""
    walls = np.minimum(points, room.size[:2] - points).min(axis=1)
    distances = [footprint.distance(points) for footprint in room.footprints
                 if footprint.height > 0.0]
    return np.minimum(walls, np.min(distances, axis=0)) if distances else walls


def random_pose(room: Room, rng: np.random.Generator, time_s: float) -> Pose:
    """Draw a standing point in free space and look over the room or at one of its things."""
    points = rng.uniform((0.3, 0.3), room.size[:2] - 0.3, (24, 2))
    score = np.minimum(clearance(room, points), 0.5) * 2.0 + rng.random(24) * 0.5
    for mover in room.movers:
        apart = np.hypot(*(points - mover.place(time_s)[:2]).T)
        score -= np.maximum(_BESIDE_A_MOVER - apart, 0.0) * 4.0
    targets = [(footprint.x, footprint.y) for footprint in room.footprints
               if footprint.height > 0.0]
    target = room.size[:2] / 2
    if targets and rng.random() < 0.65:
        target = np.array(targets[int(rng.integers(len(targets)))])
    away = np.linalg.norm(points - target, axis=1)
    best = int(np.argmax(score + np.minimum(away, 2.8) * 0.5))
    to_target = target - points[best]
    yaw = math.atan2(to_target[1], to_target[0]) + rng.uniform(-0.4, 0.4)
    position = np.array([*points[best], rng.uniform(0.7, 1.65)])
    return look(position, yaw, rng.uniform(-0.4, 0.1), rng.normal(0.0, 0.02))


def shows_something(
    rendering: Rendering, *, nearest: float = _NEAREST_METRES,
    largest_share: float = _LARGEST_SHARE, fewest_classes: int = _FEWEST_CLASSES,
) -> bool:
    """Tell whether a view is neither blank nor pressed against a surface."""
    counts = np.bincount(rendering.labels.ravel(), minlength=256)
    # not the least depth, which one pixel could decide
    near = float(np.percentile(rendering.depth, 3))
    return (near >= nearest and counts.max() <= largest_share * rendering.labels.size
            and int((counts > 0).sum()) >= fewest_classes)


def render_view(renderer: Renderer, room: Room, number: int) -> RoomFrame:
    """Render one of the room's views, with a random sensor; the same call, the same pixels."""
    rng = np.random.default_rng((room.seed, number, 977))
    for _ in range(_TRIES):
        time_s = float(rng.uniform(0.0, 60.0))
        pose = random_pose(room, rng, time_s)
        rendering = renderer.render(room, pose, time_s)
        if shows_something(rendering):
            break
    sensor = random_sensor(rng)
    image = sensor.expose(rendering.radiance, sensor.gain(rendering.radiance),
                          int(rng.integers(1 << 62)))
    return rendering.frame(image, renderer.intrinsics, pose)


def split_seeds(split: str) -> range:
    """Return the room seeds of a split; raise ConfigError for an unknown one."""
    try:
        return _RANGES[split]
    except KeyError:
        raise ConfigError(
            f'unknown split {split!r} of the procedural rooms; allowed: {", ".join(SPLITS)}'
        ) from None


def test_views() -> tuple[View, ...]:
    """Return the fixed views of the test split: 256 of 64 rooms."""
    return _views('test')


def validation_views() -> tuple[View, ...]:
    """Return the fixed views of the validation split: 256 of 64 rooms."""
    return _views('validation')


def _views(split: str) -> tuple[View, ...]:
    seeds = split_seeds(split)[:_ROOMS]
    return tuple(View(seed, number) for seed in seeds for number in range(VIEWS_PER_ROOM))
