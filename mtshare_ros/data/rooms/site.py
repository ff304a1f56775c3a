"""A room under construction."""

from dataclasses import dataclass, field

import numpy as np

from mtshare_ros.data.rooms.layout import Layout
from mtshare_ros.data.rooms.primitives import Builder


@dataclass(frozen=True)
class Light:
    """
    A small spherical light.

    ``position`` (3,) in metres, ``color`` (3,) linear radiance; its level follows
    ``1 + drift * sin(2 pi t / period)``, which is daylight passing behind clouds.
    """

    position: tuple[float, float, float]
    color: tuple[float, float, float]
    drift: float = 0.0
    period_s: float = 20.0


@dataclass
class Site:
    """What the furnishing functions share: the random source, the layout and the builder."""

    rng: np.random.Generator
    width: float
    length: float
    height: float
    layout: Layout
    builder: Builder
    lights: list[Light] = field(default_factory=list)

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        """Draw a number, evenly."""
        return float(self.rng.uniform(low, high))

    def count(self, low: int, high: int) -> int:
        """Draw a whole number, both ends included."""
        return int(self.rng.integers(low, high + 1))
