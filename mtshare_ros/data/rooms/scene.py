"""A room from a seed: the same seed always gives the same room."""

from dataclasses import dataclass
import math

import numpy as np

from mtshare_ros.data.rooms.furniture.structures import door
from mtshare_ros.data.rooms.people import cart, Mover, person
from mtshare_ros.data.rooms.placement import Footprint, Layout, Spot
from mtshare_ros.data.rooms.primitives import Builder, Primitives
from mtshare_ros.data.rooms.room_kinds import Item, ROOM_KINDS
from mtshare_ros.data.rooms.site import build_shell, hang_ceiling_lights, Light, Site

GENERATOR_VERSION = 1
"""Counts up with every change of the look: data rendered by another version is not mixed in."""

BODY_RADIUS = 0.36
MOST_LIGHTS = 3


@dataclass(frozen=True)
class Room:
    """
    A furnished room.

    ``size`` (3,) metres: the room spans (0, 0, 0) to ``size``, z up. ``ambient`` (3,) linear
    radiance. ``footprints`` are what stands on the floor, zones kept free (height 0) included.
    """

    seed: int
    kind: str
    size: np.ndarray
    primitives: Primitives
    lights: tuple[Light, ...]
    movers: tuple[Mover, ...]
    footprints: tuple[Footprint, ...]
    ambient: np.ndarray


def make_room(seed: int) -> Room:
    """Build the room of a seed."""
    # all draws come from this generator, so one that is added or moved changes every room: count
    # GENERATOR_VERSION up then
    rng = np.random.default_rng(seed)
    kind = ROOM_KINDS[int(rng.integers(len(ROOM_KINDS)))]
    width, length = float(rng.uniform(*kind.size)), float(rng.uniform(*kind.size))
    site = Site(rng, width, length, float(rng.uniform(2.35, 3.1)), Layout(rng, width, length),
                Builder(rng))
    build_shell(site, kind.tiled)
    door(site)
    _furnish(site, kind.anchors)
    # before the other furniture, which would leave no room to walk
    movers = _add_movers(site)
    _furnish(site, kind.items)
    # one at least, however many lamps the furniture has
    hang_ceiling_lights(site, MOST_LIGHTS - min(len(site.lights), 2))
    return Room(
        seed=seed,
        kind=kind.name,
        size=np.array([site.width, site.length, site.height]),
        primitives=site.builder.pack(),
        lights=tuple(site.lights[:MOST_LIGHTS]),
        movers=movers,
        footprints=tuple(site.layout.footprints),
        ambient=np.full(3, rng.uniform(0.18, 0.42)),
    )


def _furnish(site: Site, items: tuple[Item, ...]) -> None:
    for item in items:
        for _ in range(item.times):
            if site.chance(item.probability):
                item.furnish(site)


def _add_movers(site: Site) -> tuple[Mover, ...]:
    """Keep a zone free for walking and let one or two things move in it, opposite each other."""
    zone = _walking_zone(site)
    if zone is None:
        return ()
    spot, radii = zone
    mean = max(sum(radii) / 2, 0.25)
    rate = float(site.rng.choice([-1.0, 1.0])) * site.between(0.45, 0.9) / mean
    phase = site.between(0.0, 2 * math.pi)
    count = 2 if min(radii) > 0.45 and site.chance(0.45) else 1
    for index in range(count):
        (person if site.chance(0.75) else cart)(site, index)
    return tuple(
        Mover((spot.x, spot.y), radii, spot.yaw, rate, phase + math.pi * index, 4.2 * mean)
        for index in range(count))


def _walking_zone(site: Site) -> tuple[Spot, tuple[float, float]] | None:
    """Claim the largest of ever smaller ellipses that finds a place."""
    for shrink in (1.0, 0.8, 0.6, 0.45, 0.3, 0.15):
        radii = (site.between(0.5, 1.1) * shrink, site.between(0.35, 0.8) * shrink)
        spot = site.layout.on_floor(radii[0] + BODY_RADIUS, radii[1] + BODY_RADIUS, 0.0,
                                    yaw=float(site.rng.choice([0.0, math.pi / 2])), tries=12)
        if spot is not None:
            return spot, radii
    return None
