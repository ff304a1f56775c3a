"""Where things may stand: footprints on the floor and patches on the walls, never overlapping."""

from dataclasses import dataclass
import math

import numpy as np

MARGIN = 0.04
"""Metres kept free between two footprints."""


@dataclass(frozen=True)
class Footprint:
    """
    A rectangle on the floor that something occupies.

    Centre and half sizes in metres, ``yaw`` in radians, ``height`` of what stands there (0 for
    a zone kept free for walking).
    """

    x: float
    y: float
    half_width: float
    half_depth: float
    yaw: float
    height: float

    def axes(self) -> np.ndarray:
        """Return the unit axes (2, 2), one a row."""
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        return np.array([[cosine, sine], [-sine, cosine]])

    def overlaps(self, other: 'Footprint', margin: float = 0.0) -> bool:
        """Tell whether two rectangles come nearer than the margin (separating axes)."""
        offset = np.array([other.x - self.x, other.y - self.y])
        mine, theirs = self.axes(), other.axes()
        for axis in (*mine, *theirs):
            reach = self._reach(mine, axis) + other._reach(theirs, axis) + margin
            if abs(float(offset @ axis)) >= reach:
                return False
        return True

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Return how far points (N, 2) lie outside the rectangle; 0 inside."""
        local = np.abs((points - (self.x, self.y)) @ self.axes().T)
        outside = np.maximum(local - (self.half_width, self.half_depth), 0.0)
        return np.hypot(outside[:, 0], outside[:, 1])

    def _reach(self, axes: np.ndarray, axis: np.ndarray) -> float:
        return float(self.half_width * abs(axes[0] @ axis) + self.half_depth * abs(axes[1] @ axis))


@dataclass(frozen=True)
class Spot:
    """A place for an object: position in metres, and the yaw that turns +y to the room."""

    x: float
    y: float
    yaw: float

    def at(self, along: float = 0.0, front: float = 0.0,
           height: float = 0.0) -> tuple[float, float, float]:
        """Return the world point at an offset in the object's own frame."""
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        return (self.x + cosine * along - sine * front,
                self.y + sine * along + cosine * front, height)


@dataclass(frozen=True)
class _Wall:
    origin: tuple[float, float]
    direction: tuple[float, float]
    length: float
    yaw: float


@dataclass(frozen=True)
class _Patch:
    wall: int
    start: float
    stop: float
    bottom: float
    top: float

    def overlaps(self, other: '_Patch') -> bool:
        return (self.wall == other.wall and self.start < other.stop and other.start < self.stop
                and self.bottom < other.top and other.bottom < self.top)


class Layout:
    """The floor and the walls of one room, and what has been claimed of them."""

    def __init__(self, rng: np.random.Generator, width: float, length: float) -> None:
        self.footprints: list[Footprint] = []
        self._patches: list[_Patch] = []
        self._rng = rng
        self._size = (width, length)
        self._walls = (
            _Wall((0.0, 0.0), (0.0, 1.0), length, -math.pi / 2),
            _Wall((width, 0.0), (0.0, 1.0), length, math.pi / 2),
            _Wall((0.0, 0.0), (1.0, 0.0), width, 0.0),
            _Wall((0.0, length), (1.0, 0.0), width, math.pi),
        )

    def at_wall(self, half_width: float, half_depth: float, height: float, *, gap: float = 0.02,
                tries: int = 40) -> Spot | None:
        """Claim a place against a wall; None where nothing is free."""
        for _ in range(tries):
            index, along = self._random_place(half_width)
            patch = _Patch(index, along - half_width, along + half_width, 0.0, height)
            spot = self._wall_spot(index, along, half_depth + gap)
            footprint = Footprint(spot.x, spot.y, half_width, half_depth, spot.yaw, height)
            if self._patch_free(patch) and self._free(footprint):
                self._patches.append(patch)
                self.footprints.append(footprint)
                return spot
        return None

    def on_wall(self, half_width: float, bottom: float, top: float, *, clear: float = 0.0,
                tries: int = 30) -> Spot | None:
        """Claim a patch of a wall, with ``clear`` metres of floor kept free before it."""
        for _ in range(tries):
            index, along = self._random_place(half_width)
            patch = _Patch(index, along - half_width - 0.05, along + half_width + 0.05,
                           bottom - 0.05, top + 0.05)
            ahead = self._wall_spot(index, along, clear / 2)
            zone = Footprint(ahead.x, ahead.y, half_width, clear / 2, ahead.yaw, 0.0)
            if self._patch_free(patch) and (clear == 0.0 or self._free(zone)):
                self._patches.append(patch)
                if clear > 0.0:
                    self.footprints.append(zone)
                return self._wall_spot(index, along, 0.0)
        return None

    def on_floor(self, half_width: float, half_depth: float, height: float, *,
                 yaw: float | None = None, tries: int = 40) -> Spot | None:
        """Claim a place anywhere on the floor; ``yaw`` is drawn where it is not given."""
        for _ in range(tries):
            turn = float(self._rng.uniform(0.0, 2 * math.pi)) if yaw is None else yaw
            reach = math.hypot(half_width, half_depth) if yaw is None else max(
                half_width, half_depth)
            # the upper end is kept above the lower one in rooms that are too small, where the
            # claim then fails
            x, y = (float(self._rng.uniform(reach, max(size - reach, reach + 1e-6)))
                    for size in self._size)
            spot = Spot(x, y, turn)
            if self.claim(spot, half_width, half_depth, height):
                return spot
        return None

    def claim(self, spot: Spot, half_width: float, half_depth: float, height: float) -> bool:
        """Claim a given place; False, and nothing claimed, where it is taken."""
        footprint = Footprint(spot.x, spot.y, half_width, half_depth, spot.yaw, height)
        if not (self._inside(footprint) and self._free(footprint)):
            return False
        self.footprints.append(footprint)
        return True

    def _random_place(self, half_width: float) -> tuple[int, float]:
        index = int(self._rng.integers(4))
        room = self._walls[index].length - 2 * (half_width + 0.03)
        return index, half_width + 0.03 + float(self._rng.random()) * max(room, 0.0)

    def _wall_spot(self, index: int, along: float, depth: float) -> Spot:
        wall = self._walls[index]
        return Spot(wall.origin[0] + wall.direction[0] * along - math.sin(wall.yaw) * depth,
                    wall.origin[1] + wall.direction[1] * along + math.cos(wall.yaw) * depth,
                    wall.yaw)

    def _patch_free(self, patch: _Patch) -> bool:
        fits = patch.start >= 0.0 and patch.stop <= self._walls[patch.wall].length
        return fits and not any(patch.overlaps(other) for other in self._patches)

    def _free(self, footprint: Footprint) -> bool:
        return not any(footprint.overlaps(other, MARGIN) for other in self.footprints)

    def _inside(self, footprint: Footprint) -> bool:
        axes = np.abs(footprint.axes())
        reach = axes.T @ (footprint.half_width, footprint.half_depth)
        return bool((reach < (footprint.x, footprint.y)).all()
                    and (np.array(self._size) - reach > (footprint.x, footprint.y)).all())
