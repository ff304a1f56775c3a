"""A room under construction: floor, ceiling, walls and ceiling lights."""

from dataclasses import dataclass, field

import numpy as np

from mtshare_ros.data.rooms.paint import any_color, Material, shade, wood_color
from mtshare_ros.data.rooms.placement import Layout
from mtshare_ros.data.rooms.primitives import Builder, Triple


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


THICKNESS = 0.1


def build_shell(site: Site, tiled: bool) -> None:
    """Build the six faces of the room (rows 0 to 5) and what runs along them."""
    group = site.builder.group((0.0, 0.0, 0.0))
    width, length, height = site.width, site.length, site.height
    middle = (width / 2, length / 2)
    spread = (width / 2 + THICKNESS, length / 2 + THICKNESS, THICKNESS)
    group.box((*middle, -THICKNESS), spread, 'floor', _floor_material(site, tiled))
    ceiling = Material(any_color(site.rng, (0.75, 0.97), (0.0, 0.1)),
                       'plain' if site.chance(0.7) else 'tile', scale=site.between(0.6, 1.4))
    group.box((*middle, height + THICKNESS), spread, 'ceiling', ceiling)
    _walls(site, tiled)
    _skirting(site)


def _floor_material(site: Site, tiled: bool) -> Material:
    rng = site.rng
    texture = str(rng.choice(['tile', 'check', 'marble'] if tiled else
                             ['wood', 'wood', 'tile', 'fabric', 'check', 'marble']))
    color = wood_color(rng) if texture == 'wood' else any_color(rng, (0.25, 0.85), (0.02, 0.5))
    return Material(color, texture, shade(color, site.between(0.55, 0.9)),
                    scale=site.between(0.5, 2.0), gloss=site.between(0.0, 0.35))


def _walls(site: Site, tiled: bool) -> None:
    rng = site.rng
    color = any_color(rng, (0.45, 0.95), (0.0, 0.45))
    texture = str(rng.choice(['tile', 'tile', 'plain'] if tiled else
                             ['plain', 'plain', 'plain', 'stripe', 'brick', 'fabric']))
    for center, half in _wall_boxes(site):
        accent = site.chance(0.2)
        paint = any_color(rng, (0.3, 0.9), (0.1, 0.6)) if accent else color
        group = site.builder.group((0.0, 0.0, 0.0))
        group.box(center, half, 'wall', Material(
            paint, 'plain' if accent else texture, shade(paint, site.between(0.7, 0.95)),
            scale=site.between(0.5, 2.0)))


def _wall_boxes(site: Site) -> list[tuple[Triple, Triple]]:
    width, length, half_height = site.width, site.length, site.height / 2
    along_y = (THICKNESS, length / 2, half_height)
    along_x = (width / 2, THICKNESS, half_height)
    return [
        ((-THICKNESS, length / 2, half_height), along_y),
        ((width + THICKNESS, length / 2, half_height), along_y),
        ((width / 2, -THICKNESS, half_height), along_x),
        ((width / 2, length + THICKNESS, half_height), along_x),
    ]


def _skirting(site: Site) -> None:
    paint = Material(any_color(site.rng, (0.3, 0.95), (0.0, 0.3)))
    width, length = site.width, site.length
    group = site.builder.group((0.0, 0.0, 0.0))
    for x in (0.01, width - 0.01):
        group.box((x, length / 2, 0.05), (0.01, length / 2, 0.05), 'wall', paint)
    for y in (0.01, length - 0.01):
        group.box((width / 2, y, 0.05), (width / 2 - 0.02, 0.01, 0.05), 'wall', paint)


def hang_ceiling_lights(site: Site, most: int) -> None:
    """Hang up to ``most`` round lights below the ceiling."""
    for _ in range(site.count(1, most)):
        x, y = site.between(0.25, 0.75) * site.width, site.between(0.25, 0.75) * site.length
        group = site.builder.group((x, y, site.height))
        group.cylinder((0, 0, -0.04), (0.17, 0.17, 0.04), 'lamp',
                       Material((1.0, 1.0, 0.95), glow=1.6), taper=0.2)
        warm, level = site.between(0.0, 1.0), site.between(0.5, 1.3)
        site.lights.append(Light(
            (x, y, site.height - 0.22),
            (level, (0.97 - 0.15 * warm) * level, (0.92 - 0.35 * warm) * level)))


def rug(site: Site) -> None:
    """Lay a rug under whatever stands in the middle."""
    rng = site.rng
    group = site.builder.group(
        (site.width / 2 + site.between(-0.4, 0.4), site.length / 2 + site.between(-0.4, 0.4), 0.0),
        site.between(-0.3, 0.3))
    texture = str(rng.choice(['fabric', 'stripe', 'check', 'picture']))
    material = Material(any_color(rng, (0.25, 0.8), (0.1, 0.8)), texture, any_color(rng),
                        scale=site.between(0.5, 2.0))
    reach = min(site.width, site.length) / 2 - 0.9
    group.box((0, 0, 0.008), (min(site.between(0.7, 1.3), reach), min(site.between(0.5, 1.0),
                                                                      reach), 0.008),
              'floor mat', material)
