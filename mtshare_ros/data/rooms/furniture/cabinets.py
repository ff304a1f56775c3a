"""Bookshelves, cabinets, dressers, night stands, beds and clothes."""

from mtshare_ros.data.rooms.furniture import props
from mtshare_ros.data.rooms.paint import (
    any_color,
    cardboard,
    cloth,
    Material,
    metal,
    shade,
    wood_or_paint,
)
from mtshare_ros.data.rooms.placement import Spot
from mtshare_ros.data.rooms.primitives import Group
from mtshare_ros.data.rooms.site import Site


def fronted(site: Site, wooden: float = 0.65, scale: float = 1.0) -> Material:
    """Draw the material of a body with doors or drawers in its front."""
    base = wood_or_paint(site.rng, wooden)
    return Material(base.color, 'panel', shade(base.color, 0.6), scale=scale, gloss=0.1)


def bookshelf(site: Site) -> None:
    """Stand a bookshelf against a wall, most boards full of books."""
    half_width, half_depth = site.between(0.35, 0.65), site.between(0.13, 0.17)
    height = site.between(1.2, 2.1)
    spot = site.layout.at_wall(half_width + 0.02, half_depth, height)
    if spot is None:
        return
    material = wood_or_paint(site.rng, 0.8)
    group = site.builder.group(spot.at(), spot.yaw)
    group.box((0, -half_depth + 0.012, height / 2), (half_width - 0.02, 0.01, height / 2),
              'bookshelf', material.darker(0.8))
    for side in (-1, 1):
        group.box((side * half_width, 0, height / 2), (0.02, half_depth, height / 2),
                  'bookshelf', material)
    boards = int(height / 0.36)
    for index in range(boards + 1):
        level = min(index * height / boards, height - 0.024)
        group.box((0, 0, level + 0.012), (half_width - 0.02, half_depth, 0.012), 'bookshelf',
                  material)
        if index < boards:
            _fill_board(site, spot, half_width - 0.03, half_depth, level + 0.024)


def _fill_board(site: Site, spot: Spot, half_width: float, half_depth: float,
                level: float) -> None:
    draw = site.rng.random()
    if draw < 0.75:
        share = site.between(0.45, 0.98)
        along = (share - 1.0) * half_width * float(site.rng.choice([-1, 1]))
        props.book_row(site, spot.at(along, -0.015, level), spot.yaw, half_width * share,
                       half_depth * 0.72, site.between(0.11, 0.14))
    elif draw < 0.88:
        props.cup(site, spot.at(site.between(-0.5, 0.5) * half_width, 0.0, level))


def shelves(site: Site) -> None:
    """Stand open metal or wooden shelves with boxes and things on them."""
    half_width, half_depth, height = site.between(0.4, 0.6), 0.2, site.between(1.4, 1.9)
    spot = site.layout.at_wall(half_width + 0.02, half_depth, height)
    if spot is None:
        return
    material = Material(any_color(site.rng, (0.35, 0.9), (0.0, 0.25)), gloss=0.3)
    group = site.builder.group(spot.at(), spot.yaw)
    for side in (-1, 1):
        for end in (-1, 1):
            group.box((side * half_width, end * (half_depth - 0.02), height / 2),
                      (0.02, 0.02, height / 2), 'shelves', material)
    boards = site.count(4, 5)
    for index in range(boards):
        level = 0.12 + index * (height - 0.2) / (boards - 1)
        group.box((0, 0, level), (half_width, half_depth - 0.01, 0.018), 'shelves', material)
        if index < boards - 1:
            _load_board(site, spot, half_width, level + 0.018)


def _load_board(site: Site, spot: Spot, half_width: float, level: float) -> None:
    for along in (-0.5 * half_width, 0.5 * half_width):
        draw = site.rng.random()
        place = spot.at(along, 0.0, level)
        if draw < 0.3:
            box = site.builder.group(place, spot.yaw)
            half = site.between(0.09, 0.13)
            box.box((0, 0, half), (half * 1.3, 0.13, half), 'box', cardboard(site.rng))
        elif draw < 0.5:
            props.cup(site, place)
        elif draw < 0.65:
            props.book_pile(site, place, spot.yaw)


def cabinet(site: Site) -> None:
    """Stand a tall or low cabinet against a wall."""
    half_width, half_depth = site.between(0.4, 0.8), site.between(0.2, 0.3)
    tall = site.chance(0.5)
    height = site.between(1.7, 2.1) if tall else site.between(0.75, 1.1)
    spot = site.layout.at_wall(half_width, half_depth, height + (0.0 if tall else 0.5))
    if spot is None:
        return
    material = fronted(site, scale=site.between(0.8, 1.5))
    _body(site.builder.group(spot.at(), spot.yaw), half_width, half_depth, height, 'cabinet',
          material)
    if not tall:
        _top(site, spot, half_width, half_depth, height)


def _body(group: Group, half_width: float, half_depth: float, height: float, label: str,
          material: Material) -> None:
    group.box((0, -0.01, 0.03), (half_width - 0.03, half_depth - 0.03, 0.03), label,
              Material(shade(material.color, 0.5)))
    group.box((0, 0, height / 2 + 0.02), (half_width - 0.01, half_depth - 0.01, height / 2 - 0.04),
              label, material)
    group.box((0, 0, height - 0.01), (half_width, half_depth, 0.012), label,
              Material(shade(material.color, 0.9), 'plain', gloss=0.15))


def _top(site: Site, spot: Spot, half_width: float, half_depth: float, height: float) -> None:
    draw = site.rng.random()
    if draw < 0.25:
        props.lamp(site, spot.at(site.between(-0.5, 0.5) * half_width, 0.0, height))
    elif draw < 0.85:
        props.clutter(site, spot.at(height=height), spot.yaw, half_width * 0.9, half_depth)


def television_stand(site: Site) -> None:
    """Stand a low board with a television on it."""
    half_width, height = site.between(0.6, 0.85), site.between(0.42, 0.6)
    spot = site.layout.at_wall(half_width, 0.22, 1.45)
    if spot is None:
        return
    _body(site.builder.group(spot.at(), spot.yaw), half_width, 0.22, height, 'cabinet',
          fronted(site, scale=1.3))
    props.television(site, spot.at(0.0, 0.0, height), spot.yaw,
                     site.between(0.42, min(half_width, 0.65)))


def dresser(site: Site) -> None:
    """Stand a chest of drawers, feet visible, with a few things or a lamp on it."""
    half_width, half_depth, height = site.between(0.4, 0.6), 0.24, site.between(0.75, 1.05)
    spot = site.layout.at_wall(half_width, half_depth, height + 0.45)
    if spot is None:
        return
    base = wood_or_paint(site.rng, 0.7)
    group = site.builder.group(spot.at(), spot.yaw)
    group.box((0, 0, height / 2 + 0.04), (half_width - 0.02, half_depth - 0.02, height / 2 - 0.06),
              'dresser', base)
    group.box((0, 0, height - 0.015), (half_width, half_depth, 0.018), 'dresser', base.darker(0.8))
    for side in (-1, 1):
        group.box((side * (half_width - 0.06), 0, 0.05), (0.03, half_depth - 0.05, 0.05),
                  'dresser', base.darker(0.7))
    _drawers(group, half_width, half_depth, height, base, site.count(3, 4))
    _top(site, spot, half_width, half_depth, height)


def _drawers(group: Group, half_width: float, half_depth: float, height: float,
             base: Material, count: int) -> None:
    pitch = (height - 0.16) / count
    knob = Material((0.7, 0.65, 0.45), gloss=0.6)
    for index in range(count):
        level = 0.12 + pitch * (index + 0.5)
        group.box((0, half_depth - 0.02, level), (half_width - 0.05, 0.015, pitch / 2 - 0.012),
                  'dresser', base.darker(1.15))
        for side in (-0.5, 0.5):
            group.ellipsoid((side * half_width, half_depth, level), (0.02, 0.02, 0.02),
                            'dresser', knob)


def night_stand(site: Site, spot: Spot) -> None:
    """Draw a night stand: an open niche over a drawer, mostly with a lamp on it."""
    base = wood_or_paint(site.rng, 0.7)
    group = site.builder.group(spot.at(), spot.yaw)
    height = site.between(0.5, 0.6)
    group.box((0, 0, 0.17), (0.22, 0.19, 0.13), 'night stand',
              Material(base.color, 'panel', shade(base.color, 0.6), scale=2.0))
    group.box((0, 0, height - 0.015), (0.23, 0.2, 0.018), 'night stand', base)
    for side in (-1, 1):
        group.box((side * 0.21, 0, height / 2 - 0.02), (0.018, 0.19, height / 2 - 0.02),
                  'night stand', base.darker(0.9))
    if site.chance(0.75):
        props.lamp(site, spot.at(0.05, -0.04, height))
    else:
        props.book_pile(site, spot.at(0.0, 0.0, height), spot.yaw)


def bed(site: Site) -> None:
    """Stand a bed, head to the wall, with night stands beside it where there is room."""
    half_width = float(site.rng.choice([0.5, 0.75, 0.9]))
    half_depth = 1.03
    stands = 0.52 if site.chance(0.8) else 0.0
    spot = site.layout.at_wall(half_width + stands, half_depth, 1.1, tries=80)
    if spot is None and stands:
        stands = 0.0
        spot = site.layout.at_wall(half_width, half_depth, 1.1, tries=80)
    if spot is None:
        return
    _bed(site, site.builder.group(spot.at(), spot.yaw), half_width, half_depth)
    if stands:
        for side in (-1, 1):
            x, y, _ = spot.at(side * (half_width + 0.28), -half_depth + 0.23)
            night_stand(site, Spot(x, y, spot.yaw))
    if site.chance(0.5):
        props.heap_of_clothes(site, spot.at(0.0, half_depth * 0.5, 0.52), spot.yaw)


def _bed(site: Site, group: Group, half_width: float, half_depth: float) -> None:
    frame, cover = wood_or_paint(site.rng, 0.7), cloth(site.rng, (0.3, 0.95))
    reach = site.between(0.3, 0.7)
    white = Material(any_color(site.rng, (0.85, 0.95), (0.0, 0.08)), 'fabric', scale=1.5)
    group.box((0, 0.04, 0.17), (half_width, half_depth - 0.05, 0.13), 'bed', frame)
    group.box((0, 0.04, 0.39), (half_width - 0.02, half_depth - 0.07, 0.12), 'bed', white)
    group.box((0, (half_depth - 0.03) - half_depth * reach, 0.41),
              (half_width + 0.015, half_depth * reach, 0.115), 'bed', cover)
    group.box((0, -half_depth + 0.04, 0.5), (half_width + 0.02, 0.035, 0.5), 'bed', frame)
    places = (0.0,) if half_width < 0.6 else (-half_width / 2, half_width / 2)
    for x in places:
        group.ellipsoid((x, -half_depth + 0.34, 0.57), (0.33, 0.22, 0.1), 'pillow',
                        Material(any_color(site.rng, (0.7, 0.98), (0.0, 0.3)), 'fabric'))


def clothes_rack(site: Site) -> None:
    """Stand a rail with clothes hanging from it."""
    half_width, height = site.between(0.45, 0.7), site.between(1.45, 1.7)
    spot = site.layout.at_wall(half_width + 0.05, 0.26, height)
    if spot is None:
        return
    steel = metal(site.rng)
    group = site.builder.group(spot.at(), spot.yaw)
    for side in (-1, 1):
        group.box((side * half_width, 0, height / 2), (0.018, 0.018, height / 2),
                  'other furniture', steel)
        group.box((side * half_width, 0, 0.02), (0.02, 0.24, 0.02), 'other furniture', steel)
    group.box((0, 0, height), (half_width, 0.018, 0.018), 'other furniture', steel)
    pieces = max(3, int(half_width / 0.12))
    pitch = 2 * (half_width - 0.08) / pieces
    for index in range(pieces):
        _garment(site, group, -half_width + 0.08 + pitch * (index + 0.5), pitch, height)


def _garment(site: Site, group: Group, along: float, pitch: float, top: float) -> None:
    drop = site.between(0.3, 0.55)
    group.cylinder((along, 0, top - 0.04 - drop), (pitch * 0.46, 0.19, drop), 'clothes',
                   cloth(site.rng, (0.1, 0.9)), taper=-0.15)


def clothes_hooks(site: Site) -> None:
    """Hang coats from a board of hooks on the wall."""
    pieces = site.count(2, 4)
    half_width = 0.17 * pieces
    spot = site.layout.on_wall(half_width, 0.75, 1.75)
    if spot is None:
        return
    group = site.builder.group(spot.at(), spot.yaw)
    group.box((0, 0.012, 1.68), (half_width, 0.012, 0.05), 'other structure',
              wood_or_paint(site.rng))
    for index in range(pieces):
        x = -half_width + 0.34 * (index + 0.5)
        drop = site.between(0.25, 0.42)
        group.cylinder((x, 0.09, 1.62 - drop), (0.15, 0.075, drop), 'clothes',
                       cloth(site.rng, (0.1, 0.9)), taper=-0.3)
