"""Tables and desks, with what stands on and around them."""

from mtshare_ros.data.rooms.furniture import props
from mtshare_ros.data.rooms.furniture.seating import chair, CHAIR_HALF, chairs_around
from mtshare_ros.data.rooms.layout import Spot
from mtshare_ros.data.rooms.paint import Material, wood_or_paint
from mtshare_ros.data.rooms.primitives import Group
from mtshare_ros.data.rooms.site import Site

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
