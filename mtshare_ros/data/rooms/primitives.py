"""
The building blocks of a room: oriented boxes, tapered cylinders and ellipsoids, as arrays.

World frame: z up, metres, one corner of the floor in the origin.
"""

from dataclasses import dataclass

import numpy as np

from mtshare_ros.data.rooms.classes import CLASS_IDS
from mtshare_ros.data.rooms.paint import Material, TEXTURE_IDS

BOX, CYLINDER, ELLIPSOID = 0, 1, 2
SHELL_PARTS = 6
"""Rows 0 to 5 are floor, ceiling and the walls at x = 0, x = max, y = 0, y = max."""

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Primitives:
    """
    One row per primitive.

    ``center``, ``half`` (P, 3) in metres; ``rotation`` (P, 3, 3) local to world; ``taper`` (P,):
    a cylinder's radius is ``half * (1 + taper)`` at its top and ``half * (1 - taper)`` at its
    bottom; ``label`` the class id; ``instance`` the object; ``mover`` the moving group or -1, in
    whose frame the row is given; ``pivot`` (P, 3) and ``swing`` (P,) radians: how far a limb
    swings, about the x axis through the pivot; ``material`` (P, 16) float32 as the kernels read
    it.
    """

    kind: np.ndarray
    center: np.ndarray
    half: np.ndarray
    rotation: np.ndarray
    taper: np.ndarray
    label: np.ndarray
    instance: np.ndarray
    mover: np.ndarray
    pivot: np.ndarray
    swing: np.ndarray
    material: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True)
class Swing:
    """A limb's joint: the pivot in the mover's frame and the amplitude in radians."""

    pivot: Triple
    amplitude: float


REST = Swing((0.0, 0.0, 0.0), 0.0)


def yaw_rotation(yaw: float) -> np.ndarray:
    """Return the rotation (3, 3) about the z axis."""
    cosine, sine = np.cos(yaw), np.sin(yaw)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def tilt_rotation(angle: float) -> np.ndarray:
    """Return the rotation (3, 3) about the x axis."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])


ALONG_X = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
"""Lays a cylinder along the group's x axis."""


class Group:
    """One object: its parts are given in the object's own frame, +y to its front."""

    def __init__(self, builder: 'Builder', position: Triple, yaw: float, mover: int = -1) -> None:
        self._builder = builder
        self._instance = builder.next_instance()
        self._position = np.asarray(position, float)
        self._rotation = yaw_rotation(yaw)
        self._mover = mover

    def box(self, center: Triple, half: Triple, label: str, material: Material, *,
            rotation: np.ndarray | None = None, swing: Swing = REST) -> None:
        """Add a box."""
        self._add(BOX, center, half, label, material, rotation, 0.0, swing)

    def cylinder(self, center: Triple, half: Triple, label: str, material: Material, *,
                 taper: float = 0.0, rotation: np.ndarray | None = None,
                 swing: Swing = REST) -> None:
        """Add an elliptic cylinder along z, narrower at the top for a negative taper."""
        self._add(CYLINDER, center, half, label, material, rotation, taper, swing)

    def ellipsoid(self, center: Triple, half: Triple, label: str, material: Material, *,
                  rotation: np.ndarray | None = None, swing: Swing = REST) -> None:
        """Add an ellipsoid."""
        self._add(ELLIPSOID, center, half, label, material, rotation, 0.0, swing)

    def _add(self, kind: int, center: Triple, half: Triple, label: str, material: Material,
             rotation: np.ndarray | None, taper: float, swing: Swing) -> None:
        local = np.eye(3) if rotation is None else rotation
        self._builder.append(_Row(
            kind=kind,
            center=self._position + self._rotation @ np.asarray(center, float),
            half=np.asarray(half, float),
            rotation=self._rotation @ local,
            taper=taper,
            label=CLASS_IDS[label],
            instance=self._instance,
            mover=self._mover,
            swing=swing,
            material=material,
        ))


@dataclass(frozen=True)
class _Row:
    kind: int
    center: np.ndarray
    half: np.ndarray
    rotation: np.ndarray
    taper: float
    label: int
    instance: int
    mover: int
    swing: Swing
    material: Material


class Builder:
    """Collects the primitives of a room."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._rows: list[_Row] = []
        self._instances = 0

    def next_instance(self) -> int:
        """Return a new object number."""
        self._instances += 1
        return self._instances

    def append(self, row: _Row) -> None:
        """Take one primitive."""
        self._rows.append(row)

    def group(self, position: Triple, yaw: float = 0.0, mover: int = -1) -> Group:
        """Start an object at a place, turned by ``yaw`` about z."""
        return Group(self, position, yaw, mover)

    def pack(self) -> Primitives:
        """Return everything collected, as arrays."""
        rows = self._rows
        seeds = self.rng.random((len(rows), 3)) * 50.0
        return Primitives(
            kind=np.array([row.kind for row in rows], np.int32),
            center=np.stack([row.center for row in rows]),
            half=np.stack([row.half for row in rows]),
            rotation=np.stack([row.rotation for row in rows]),
            taper=np.array([row.taper for row in rows]),
            label=np.array([row.label for row in rows], np.uint8),
            instance=np.array([row.instance for row in rows], np.int32),
            mover=np.array([row.mover for row in rows], np.int32),
            pivot=np.array([row.swing.pivot for row in rows]),
            swing=np.array([row.swing.amplitude for row in rows]),
            material=np.stack([_material_row(row, seed) for row, seed in zip(rows, seeds)]),
        )


def _material_row(row: _Row, seed: np.ndarray) -> np.ndarray:
    material = row.material
    return np.array([
        TEXTURE_IDS[material.texture], *material.color, *material.second_color(),
        material.scale, material.gloss, material.glow, *seed, *row.half,
    ], np.float32)
