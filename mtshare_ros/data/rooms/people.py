"""What moves in a room: paths that never end, and people and small vehicles that go along them."""

from dataclasses import dataclass
import math

import numpy as np

from mtshare_ros.data.rooms.paint import any_color, cardboard, cloth, Material, skin_color
from mtshare_ros.data.rooms.primitives import Group, Primitives, Swing, tilt_rotation, yaw_rotation
from mtshare_ros.data.rooms.site import Site


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


@dataclass(frozen=True)
class _Figure:
    """A person's size, build and clothes."""

    size: float
    girth: float
    skin: Material
    shirt: Material
    trousers: Material
    shoes: Material
    hair: Material
    long_hair: bool
    short_sleeves: bool


def _draw_figure(site: Site) -> _Figure:
    rng = site.rng
    return _Figure(
        size=site.between(0.9, 1.08),
        girth=site.between(0.9, 1.2),
        skin=Material(skin_color(rng)),
        shirt=cloth(rng, (0.1, 0.9)),
        trousers=Material(any_color(rng, (0.08, 0.6)), 'fabric', scale=4.0),
        shoes=Material(any_color(rng, (0.05, 0.5), (0.0, 0.5))),
        hair=Material(any_color(rng, (0.03, 0.5), (0.1, 0.6)), 'fabric', scale=5.0),
        long_hair=site.chance(0.45),
        short_sleeves=site.chance(0.4),
    )


def person(site: Site, mover: int) -> None:
    """Draw a walking person of about 1.7 m, with swinging arms and legs."""
    figure = _draw_figure(site)
    group = site.builder.group((0.0, 0.0, 0.0), 0.0, mover)
    _torso(group, figure)
    for side in (-1.0, 1.0):
        _leg(group, figure, side)
        _arm(group, figure, side)
    _head(group, figure)


def _torso(group: Group, figure: _Figure) -> None:
    size, girth = figure.size, figure.girth
    group.cylinder((0, 0, 0.9 * size), (0.165 * girth, 0.115 * girth, 0.09 * size), 'person',
                   figure.trousers, taper=-0.05)
    group.cylinder((0, 0, 1.18 * size), (0.175 * girth, 0.11 * girth, 0.22 * size), 'person',
                   figure.shirt, taper=0.13)
    group.ellipsoid((0, 0, 1.4 * size), (0.195 * girth, 0.12 * girth, 0.085 * size), 'person',
                    figure.shirt)


def _leg(group: Group, figure: _Figure, side: float) -> None:
    size = figure.size
    joint = Swing((0.0, 0.0, 0.88 * size), 0.42 * side)
    x = side * 0.09 * figure.girth
    group.cylinder((x, 0, 0.66 * size), (0.082, 0.09, 0.24 * size), 'person', figure.trousers,
                   taper=0.18, swing=joint)
    group.cylinder((x, -0.01, 0.25 * size), (0.062, 0.066, 0.2 * size), 'person',
                   figure.trousers, taper=0.15, swing=joint)
    group.box((x, 0.05, 0.035), (0.05, 0.13, 0.035), 'person', figure.shoes, swing=joint)


def _arm(group: Group, figure: _Figure, side: float) -> None:
    size = figure.size
    joint = Swing((0.0, 0.0, 1.4 * size), -0.5 * side)
    x = side * (0.195 * figure.girth + 0.035)
    sleeve = figure.skin if figure.short_sleeves else figure.shirt
    group.ellipsoid((x - side * 0.015, 0, 1.4 * size), (0.07, 0.075, 0.08), 'person',
                    figure.shirt, swing=joint)
    group.cylinder((x, 0, 1.24 * size), (0.052, 0.058, 0.15 * size), 'person', figure.shirt,
                   taper=0.1, swing=joint)
    group.cylinder((x, 0.05, 0.99 * size), (0.042, 0.046, 0.13 * size), 'person', sleeve,
                   taper=0.15, rotation=tilt_rotation(0.35), swing=joint)
    group.ellipsoid((x, 0.105, 0.83 * size), (0.035, 0.05, 0.07), 'person', figure.skin,
                    swing=joint)


def _head(group: Group, figure: _Figure) -> None:
    size = figure.size
    group.cylinder((0, 0, 1.48 * size), (0.055, 0.058, 0.06), 'person', figure.skin)
    group.ellipsoid((0, 0.012, 1.61 * size), (0.08, 0.1, 0.125), 'person', figure.skin)
    group.ellipsoid((0, 0.11, 1.6 * size), (0.016, 0.025, 0.03), 'person', figure.skin)
    group.ellipsoid((0, -0.02, 1.655 * size), (0.093, 0.105, 0.1), 'person', figure.hair)
    if figure.long_hair:
        group.cylinder((0, -0.065, 1.53 * size), (0.095, 0.05, 0.12), 'person', figure.hair,
                       taper=-0.15)


def cart(site: Site, mover: int) -> None:
    """Draw a driving robot that carries cartons."""
    paint = Material(any_color(site.rng, (0.2, 0.9)), gloss=0.3)
    group = site.builder.group((0.0, 0.0, 0.0), 0.0, mover)
    dark = Material((0.08, 0.08, 0.08))
    group.box((0, 0, 0.14), (0.22, 0.28, 0.07), 'other prop', paint)
    for side in (-1, 1):
        for end in (-1, 1):
            group.ellipsoid((side * 0.23, end * 0.18, 0.07), (0.035, 0.07, 0.07), 'other prop',
                            dark)
    height = 0.21
    for half in (site.between(0.17, 0.22), site.between(0.12, 0.17)):
        load = site.builder.group((0.0, 0.0, 0.0), 0.0, mover)
        load.box((0, 0, height + half * 0.8), (half, half * 1.1, half * 0.8), 'box',
                 cardboard(site.rng))
        height += 1.6 * half
    mast = site.builder.group((0.0, 0.0, 0.0), 0.0, mover)
    mast.box((0, -0.25, 0.65), (0.03, 0.025, 0.45), 'other prop', dark)
    mast.box((0, -0.24, 1.15), (0.14, 0.04, 0.09), 'other prop', paint)
