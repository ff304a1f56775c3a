"""
Views that differ more than those of one camera do: for models that have to leave the rooms.

Other paint and light, cameras from narrow to wide in other places, blurred and badly exposed.
"""

from dataclasses import replace
import math

import numpy as np

from mtshare_ros.data.augmentation import distort_colors
from mtshare_ros.data.rooms.classes import CLASS_IDS
from mtshare_ros.data.rooms.paint import any_color, shade, TEXTURE_IDS
from mtshare_ros.data.rooms.primitives import Primitives
from mtshare_ros.data.rooms.renderer import Quality, Renderer, Rendering
from mtshare_ros.data.rooms.room_frame import Pose, RoomFrame
from mtshare_ros.data.rooms.scene import Room
from mtshare_ros.data.rooms.sensor import SensorModel
from mtshare_ros.data.rooms.site import Light
from mtshare_ros.data.rooms.views import clearance, look, shows_something

FIELD_OF_VIEW = (45.0, 90.0)
"""Narrowest and widest horizontal field of view in degrees."""

_TRIES = 12
_FEWEST_CLASSES, _NEAREST_METRES, _LARGEST_SHARE = 3, 0.3, 0.8
_PAINTS = tuple(TEXTURE_IDS[name] for name in (
    'plain', 'plain', 'plain', 'wood', 'tile', 'fabric', 'stripe', 'brick', 'marble', 'panel',
    'check'))
_PRINTED = tuple(TEXTURE_IDS[name] for name in (
    'picture', 'books', 'screen', 'outdoor', 'mirror'))
"""Textures that are not repainted, because things are recognised by them."""
_TEXTURE, _COLORS, _SCALE, _GLOSS, _GLOW = 0, slice(1, 7), 7, 8, 9
_GLOWING = 0.3
_BESIDE_A_MOVER = 0.9


def render_varied_view(
    room: Room, number: int, *, height: int, width: int, quality: Quality
) -> RoomFrame:
    """
    Render one of the room's varied views; the same call, the same pixels.

    The field of view lies within FIELD_OF_VIEW; that of the frame's intrinsics holds for it.
    """
    rng = np.random.default_rng((room.seed, number, 1301))
    room = repainted(room, rng)
    renderer = Renderer(height=height, width=width, quality=quality,
                        field_of_view_degrees=float(rng.uniform(*FIELD_OF_VIEW)))
    for _ in range(_TRIES):
        time_s = float(rng.uniform(0.0, 60.0))
        pose = _roaming_pose(room, rng, time_s)
        rendering = renderer.render(room, pose, time_s)
        if shows_something(rendering, nearest=_NEAREST_METRES, largest_share=_LARGEST_SHARE,
                           fewest_classes=_FEWEST_CLASSES):
            break
    return rendering.frame(_picture(rendering, rng), renderer.intrinsics, pose)


def repainted(room: Room, rng: np.random.Generator) -> Room:
    """Return a room with other light and none, some or most of its things painted anew."""
    share = float(rng.choice([0.0, 0.35, 0.8]))
    material = room.primitives.material.copy()
    for instance in np.unique(room.primitives.instance):
        if rng.random() < share:
            _repaint(room.primitives, np.flatnonzero(room.primitives.instance == instance),
                     material, rng)
    return replace(
        room, primitives=replace(room.primitives, material=material),
        lights=tuple(_relit(light, rng) for light in room.lights),
        ambient=room.ambient * rng.uniform(0.4, 1.5) * rng.uniform(0.85, 1.15, 3))


def _repaint(
    primitives: Primitives, rows: np.ndarray, material: np.ndarray, rng: np.random.Generator
) -> None:
    """Give most parts of a thing one new paint; people mostly keep theirs."""
    color = any_color(rng, (0.08, 0.98), (0.0, 0.85))
    second = (any_color(rng, (0.08, 0.98), (0.0, 0.85)) if rng.random() < 0.3
              else shade(color, rng.uniform(0.5, 0.95)))
    gloss = rng.uniform(0.0, 0.5) if rng.random() < 0.5 else 0.0
    texture, scale = rng.choice(_PAINTS), rng.uniform(0.5, 4.0)
    for row in rows:
        fixed = material[row, _GLOW] > _GLOWING or material[row, _TEXTURE] in _PRINTED
        kept = 0.85 if primitives.label[row] == CLASS_IDS['person'] else 0.25
        if not fixed and rng.random() >= kept:
            material[row, [_TEXTURE, _SCALE, _GLOSS]] = texture, scale, gloss
            material[row, _COLORS] = (*color, *second)


def _relit(light: Light, rng: np.random.Generator) -> Light:
    factors = rng.uniform(0.25, 2.0) * rng.uniform(0.75, 1.15, 3)
    red, green, blue = (float(value) for value in np.array(light.color) * factors)
    return replace(light, color=(red, green, blue))


def _roaming_pose(room: Room, rng: np.random.Generator, time_s: float) -> Pose:
    """Draw a free point, near or far from a person, a thing or the middle, and look there."""
    points = rng.uniform((0.3, 0.3), room.size[:2] - 0.3, (24, 2))
    score = np.minimum(clearance(room, points), 0.5) * 2.0 + rng.random(24) * 0.5
    for mover in room.movers:
        apart = np.hypot(*(points - mover.place(time_s)[:2]).T)
        score -= np.maximum(_BESIDE_A_MOVER - apart, 0.0) * 4.0
    target = _target(room, rng, time_s)
    away = np.linalg.norm(points - target, axis=1)
    score += np.minimum(away, rng.uniform(0.8, 2.8)) * 0.5
    best = int(np.argmax(score - np.maximum(away - 3.5, 0.0) * rng.uniform(0.0, 0.5)))
    to_target = target - points[best]
    yaw = math.atan2(to_target[1], to_target[0]) + rng.uniform(-0.4, 0.4)
    pitch = rng.uniform(-0.4, 0.1) if rng.random() < 0.5 else rng.uniform(-0.85, 0.3)
    position = np.array([*points[best], rng.uniform(0.35, 1.85)])
    return look(position, yaw, pitch, rng.normal(0.0, 0.05))


def _target(room: Room, rng: np.random.Generator, time_s: float) -> np.ndarray:
    things = [(footprint.x, footprint.y) for footprint in room.footprints
              if footprint.height > 0.0]
    choice = rng.random()
    if room.movers and choice < 0.2:
        mover = room.movers[int(rng.integers(len(room.movers)))]
        return np.array(mover.place(time_s)[:2])
    if things and choice < 0.75:
        return np.array(things[int(rng.integers(len(things)))])
    return room.size[:2] / 2


def _picture(rendering: Rendering, rng: np.random.Generator) -> np.ndarray:
    """Return what a shaken, badly set camera makes of a rendering: (H, W, 3) uint8."""
    radiance = _smeared(rendering.radiance, rng)
    sensor = _careless_sensor(rng)
    # a bright window beside dark furniture: metering by the median alone would burn out the rest
    brightest = 4 * sensor.exposure / max(float(np.mean(radiance)), 1e-3)
    image = sensor.expose(radiance, min(sensor.gain(radiance), brightest),
                          int(rng.integers(1 << 62)))
    if rng.random() < 0.5:
        image = distort_colors(image, rng)
    if rng.random() < 0.04:
        image = np.repeat(image.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
    return image


def _careless_sensor(rng: np.random.Generator) -> SensorModel:
    noise = float(rng.choice([0.15, 1.0]))
    return SensorModel(
        shot=float(rng.uniform(0.01, 0.05)) * noise,
        read=float(rng.uniform(0.003, 0.015)) * noise,
        exposure=math.exp(rng.uniform(math.log(0.12), math.log(0.8))),
        white_balance=(float(rng.uniform(0.75, 1.25)), 1.0, float(rng.uniform(0.75, 1.25))),
        vignette=float(rng.uniform(0.0, 0.3)),
        gamma=float(rng.uniform(1.5, 2.6)),
    )


def _smeared(radiance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return radiance (H, W, 3) with motion blur or defocus, each in three of ten views."""
    width = radiance.shape[1]
    if rng.random() < 0.3:
        length = int(rng.integers(2, max(3, round(0.025 * width)) + 1))
        angle = rng.uniform(0.0, math.pi)
        along = np.linspace(-length / 2, length / 2, length + 1)[:, None]
        radiance = _mean_of_shifts(
            radiance, np.rint(along * (math.sin(angle), math.cos(angle))).astype(int))
    if rng.random() < 0.3:
        radius = rng.uniform(1.0, max(1.5, 0.006 * width))
        reach = math.ceil(radius)
        square = np.mgrid[-reach:reach + 1, -reach:reach + 1].reshape(2, -1).T
        radiance = _mean_of_shifts(radiance, square[np.hypot(*square.T) <= radius])
    return radiance


def _mean_of_shifts(radiance: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return the mean of copies moved by ``shifts`` (S, 2), rows and columns."""
    height, width, _ = radiance.shape
    reach = int(np.abs(shifts).max())
    padded = np.pad(radiance, ((reach, reach), (reach, reach), (0, 0)), mode='edge')
    total = np.zeros_like(radiance)
    for down, right in shifts + reach:
        total += padded[down:down + height, right:right + width]
    return total / np.float32(len(shifts))
