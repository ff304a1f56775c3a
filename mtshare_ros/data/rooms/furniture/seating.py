"""Chairs, sofas and stools; tables and desks with what stands on and around them."""

import math

from mtshare_ros.data.rooms.furniture import props
from mtshare_ros.data.rooms.paint import (
    any_color,
    cloth,
    Material,
    metal,
    upholstery,
    wood_or_paint,
)
from mtshare_ros.data.rooms.placement import Spot
from mtshare_ros.data.rooms.primitives import Group, tilt_rotation
from mtshare_ros.data.rooms.site import Site

CHAIR_HALF = 0.27


def chair(site: Site, spot: Spot) -> None:
    """Draw a chair, wooden or for an office, its front at +y."""
    group = site.builder.group(spot.at(), spot.yaw)
    if site.chance(0.25):
        _office_chair(site, group)
    else:
        _wooden_chair(site, group)


def _office_chair(site: Site, group: Group) -> None:
    dark, steel = Material((0.12, 0.12, 0.12)), metal(site.rng)
    cover = Material(any_color(site.rng, (0.1, 0.7)), 'fabric', scale=4.0)
    seat = site.between(0.42, 0.48)
    group.cylinder((0, 0, 0.03), (0.26, 0.26, 0.025), 'chair', dark)
    group.cylinder((0, 0, seat / 2), (0.03, 0.03, seat / 2), 'chair', steel)
    group.box((0, 0, seat), (0.23, 0.22, 0.04), 'chair', cover)
    group.box((0, -0.21, seat + 0.36), (0.2, 0.03, 0.28), 'chair', cover)
    for side in (-1, 1):
        group.box((side * 0.24, 0, seat + 0.2), (0.025, 0.14, 0.015), 'chair', dark)
        group.box((side * 0.24, 0, seat + 0.1), (0.02, 0.02, 0.1), 'chair', dark)


def _wooden_chair(site: Site, group: Group) -> None:
    frame = wood_or_paint(site.rng, 0.6)
    seat_cover = cloth(site.rng) if site.chance(0.4) else frame
    seat, half, leg = site.between(0.42, 0.48), site.between(0.2, 0.235), 0.02
    group.box((0, 0, seat - 0.02), (half, half, 0.022), 'chair', seat_cover)
    for side in (-1, 1):
        x = side * (half - leg)
        group.box((x, half - leg, seat / 2 - 0.02), (leg, leg, seat / 2 - 0.02), 'chair', frame)
        group.box((x, -half + leg, 0.46), (leg, leg, 0.46), 'chair', frame)
    if site.chance(0.5):
        group.box((0, -half + leg, 0.75), (half - 0.04, 0.015, 0.14), 'chair', frame)
        return
    for height in (0.6, 0.72, 0.85):
        group.box((0, -half + leg, height), (half - 0.04, 0.012, 0.03), 'chair', frame)


def sofa(site: Site) -> None:
    """Stand a sofa or an armchair against a wall, pillows on it."""
    half_width = float(site.rng.choice([0.5, 0.8, 1.05]))
    spot = site.layout.at_wall(half_width, 0.45, 0.85)
    if spot is None:
        return
    cover = upholstery(site.rng)
    group = site.builder.group(spot.at(), spot.yaw)
    seat = site.between(0.38, 0.45)
    group.box((0, 0.02, seat * 0.5), (half_width - 0.01, 0.41, seat * 0.36), 'sofa', cover)
    group.box((0, -0.33, 0.44), (half_width - 0.01, 0.12, 0.4), 'sofa', cover)
    for side in (-1, 1):
        group.box((side * (half_width - 0.1), 0, 0.31), (0.1, 0.44, 0.29), 'sofa', cover)
    cushions = max(1, round(half_width / 0.4))
    step = 2 * (half_width - 0.2) / cushions
    for index in range(cushions):
        x = (index - (cushions - 1) / 2) * step
        group.box((x, 0.1, seat * 0.86 + 0.07), (step / 2 - 0.008, 0.31, 0.07), 'sofa',
                  cover.darker(1.1))
    _pillows(site, group, half_width - 0.25, seat * 0.86 + 0.14)


def _pillows(site: Site, group: Group, reach: float, height: float) -> None:
    for index in range(site.count(1, 3)):
        x = -reach + 2 * reach * (index + 0.5) / 3
        group.ellipsoid((x, -0.08, height + 0.18), (0.21, 0.085, 0.19), 'pillow',
                        cloth(site.rng, (0.3, 0.95)), rotation=tilt_rotation(0.4))


def stool(site: Site) -> None:
    """Stand an upholstered stool or a low bench."""
    half = site.between(0.2, 0.3)
    wide = half * site.between(1.0, 1.8)
    spot = site.layout.at_wall(wide, half, 0.5, gap=site.between(0.02, 0.4))
    if spot is None:
        return
    group = site.builder.group(spot.at(), spot.yaw)
    frame = wood_or_paint(site.rng)
    group.box((0, 0, 0.4), (wide, half, 0.06), 'other furniture', cloth(site.rng))
    for side in (-1, 1):
        for end in (-1, 1):
            group.cylinder((side * (wide - 0.05), end * (half - 0.05), 0.17), (0.03, 0.03, 0.17),
                           'other furniture', frame, taper=0.2)


def chairs_around(site: Site, table: Spot, half_width: float, half_depth: float,
                  most: int) -> None:
    """Stand up to ``most`` chairs around a table, facing it."""
    sides = [(0.0, 1.0), (0.0, -1.0), (1.0, 0.0), (-1.0, 0.0)]
    for along, front in sides[:most]:
        reach_x = along * (half_width + CHAIR_HALF + 0.07)
        reach_y = front * (half_depth + CHAIR_HALF + 0.07)
        x, y, _ = table.at(reach_x, reach_y)
        yaw = table.yaw + math.atan2(along, -front) + site.between(-0.12, 0.12)
        spot = Spot(x, y, yaw)
        if site.layout.claim(spot, CHAIR_HALF, CHAIR_HALF, 0.9):
            chair(site, spot)


LEG = 0.025


def _four_legs(group: Group, half_width: float, half_depth: float, height: float, label: str,
               material: Material) -> None:
    group.box((0, 0, height - 0.02), (half_width, half_depth, 0.02), label, material)
    for side in (-1, 1):
        for end in (-1, 1):
            group.box((side * (half_width - 0.05), end * (half_depth - 0.05), height / 2 - 0.02),
                      (LEG, LEG, height / 2 - 0.02), label, material.darker(0.9))


def _pedestal(group: Group, radius: float, height: float, material: Material) -> None:
    group.cylinder((0, 0, height - 0.02), (radius, radius, 0.02), 'table', material)
    group.cylinder((0, 0, height / 2), (0.06, 0.06, height / 2 - 0.02), 'table',
                   material.darker(0.8))
    group.cylinder((0, 0, 0.02), (0.3, 0.3, 0.02), 'table', material.darker(0.8), taper=-0.2)


def dining_table(site: Site) -> None:
    """Stand a table with chairs around it on free floor."""
    half_width, half_depth = site.between(0.5, 0.9), site.between(0.38, 0.5)
    height = site.between(0.7, 0.78)
    spot = _clear_of_walls(site, half_width, half_depth, height)
    if spot is None:
        return
    material = wood_or_paint(site.rng, 0.8)
    group = site.builder.group(spot.at(), spot.yaw)
    if site.chance(0.25):
        half_width = half_depth = min(half_width, half_depth)
        _pedestal(group, half_width, height, material)
        props.cup(site, spot.at(height=height))
    else:
        _four_legs(group, half_width, half_depth, height, 'table', material)
        props.clutter(site, spot.at(height=height), spot.yaw, half_width * 0.9, half_depth)
    chairs_around(site, spot, half_width, half_depth, site.count(2, 4))


def _clear_of_walls(site: Site, half_width: float, half_depth: float,
                    height: float) -> Spot | None:
    """Claim a place for a table, away from the walls where that is possible."""
    for spread in (0.15, 0.3, 0.5, 0.7):
        spot = Spot(site.width * (0.5 + site.between(-spread, spread) / 2),
                    site.length * (0.5 + site.between(-spread, spread) / 2),
                    float(site.rng.choice([0.0, 1.5708])) + site.between(-0.25, 0.25))
        if site.layout.claim(spot, half_width, half_depth, height):
            return spot
    return site.layout.on_floor(half_width, half_depth, height)


def coffee_table(site: Site) -> None:
    """Stand a low table on free floor."""
    half_width, half_depth = site.between(0.38, 0.6), site.between(0.28, 0.42)
    height = site.between(0.36, 0.48)
    spot = site.layout.on_floor(half_width, half_depth, height)
    if spot is None:
        return
    group = site.builder.group(spot.at(), spot.yaw)
    _four_legs(group, half_width, half_depth, height, 'table', wood_or_paint(site.rng, 0.8))
    props.clutter(site, spot.at(height=height), spot.yaw, half_width * 0.9, half_depth, most=3)


def desk(site: Site) -> None:
    """Stand a desk against a wall: screen, papers, lamp, drawers and a chair before it."""
    half_width, half_depth = site.between(0.55, 0.8), site.between(0.3, 0.36)
    height = site.between(0.7, 0.77)
    spot = site.layout.at_wall(half_width, half_depth, 1.35)
    if spot is None:
        return
    material = wood_or_paint(site.rng, 0.7)
    group = site.builder.group(spot.at(), spot.yaw)
    _four_legs(group, half_width, half_depth, height, 'desk', material)
    drawers = Material(material.color, 'panel', material.second_color(), scale=2.0)
    side = float(site.rng.choice([-1.0, 1.0]))
    group.box((side * (half_width - 0.25), 0, height - 0.24), (0.17, half_depth - 0.06, 0.2),
              'desk', drawers)
    _desk_top(site, spot, half_width, height)
    x, y, _ = spot.at(-side * 0.15, half_depth + CHAIR_HALF + 0.06)
    seat = Spot(x, y, spot.yaw + 3.14159 + site.between(-0.15, 0.15))
    if site.chance(0.85) and site.layout.claim(seat, CHAIR_HALF, CHAIR_HALF, 0.9):
        chair(site, seat)


def _desk_top(site: Site, spot: Spot, half_width: float, height: float) -> None:
    if site.chance(0.75):
        props.television(site, spot.at(0.0, -0.14, height), spot.yaw + site.between(-0.15, 0.15),
                         site.between(0.24, 0.34))
        keyboard = site.builder.group(spot.at(0.0, 0.14, height), spot.yaw)
        keyboard.box((0, 0, 0.012), (0.19, 0.07, 0.012), 'other prop', Material((0.1, 0.1, 0.1)))
    else:
        props.laptop(site, spot.at(0.0, 0.0, height), spot.yaw)
    for side in (-1.0, 1.0):
        along = side * (half_width - 0.16)
        draw = site.rng.random()
        if draw < 0.4:
            props.paper(site, spot.at(along - 0.05, 0.06, height), spot.yaw)
        elif draw < 0.65:
            props.book_pile(site, spot.at(along, 0.0, height), spot.yaw)
        elif draw < 0.85:
            props.lamp(site, spot.at(along, -0.12, height))
