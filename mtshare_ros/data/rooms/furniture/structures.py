"""Doors, windows, and what belongs to the building or hangs on its walls."""

from mtshare_ros.data.rooms.paint import any_color, cloth, Material, metal, wood_or_paint
from mtshare_ros.data.rooms.placement import Spot
from mtshare_ros.data.rooms.primitives import Group
from mtshare_ros.data.rooms.site import Light, Site


def door(site: Site) -> None:
    """Set a door into a wall and keep the floor before it free."""
    spot = site.layout.on_wall(0.5, 0.0, 2.15, clear=0.75)
    if spot is None:
        return
    base = wood_or_paint(site.rng, 0.6)
    leaf = Material(base.color, 'panel', base.second_color(), gloss=0.1)
    group = site.builder.group(spot.at(), spot.yaw)
    group.box((0, 0.02, 1.02), (0.4, 0.03, 1.02), 'door', leaf)
    for side in (-1, 1):
        group.box((side * 0.45, 0.03, 1.04), (0.05, 0.04, 1.08), 'door', base.darker(0.85))
    group.box((0, 0.03, 2.09), (0.4, 0.04, 0.05), 'door', base.darker(0.85))
    group.ellipsoid((0.34, 0.09, 1.0), (0.035, 0.035, 0.035), 'door',
                    Material((0.7, 0.65, 0.4), gloss=0.6))


def window(site: Site) -> None:
    """Set a window into a wall, its light behind it, with curtains or blinds now and then."""
    half_width, half_height = site.between(0.4, 0.75), site.between(0.4, 0.65)
    level = site.between(1.45, 1.6)
    spot = site.layout.on_wall(half_width + 0.3, level - half_height - 0.1,
                               level + half_height + 0.15)
    if spot is None:
        return
    group = site.builder.group(spot.at(), spot.yaw)
    _panes(site, group, half_width, half_height, level)
    if sum(light.drift > 0.0 for light in site.lights) < 2:
        x, y, z = spot.at(0.0, 0.25, level)
        day = site.between(0.2, 1.0)
        site.lights.append(Light((x, y, z), (0.85 * day, 0.93 * day, 1.0 * day),
                                 drift=site.between(0.02, 0.1), period_s=site.between(15, 40)))
    draw = site.rng.random()
    if draw < 0.45:
        _curtains(site, group, half_width, half_height, level)
    elif draw < 0.75:
        _blinds(site, group, half_width, half_height, level)


def _panes(site: Site, group: Group, half_width: float, half_height: float,
           level: float) -> None:
    frame = Material(any_color(site.rng, (0.7, 0.97), (0.0, 0.15)))
    outside = Material((0.65, 0.8, 1.0), 'outdoor', any_color(site.rng, (0.4, 0.8), (0.2, 0.6)),
                       glow=site.between(0.5, 1.2))
    group.box((0, 0.01, level), (half_width, 0.015, half_height), 'window', outside)
    for x in (-half_width, 0.0, half_width):
        group.box((x, 0.03, level), (0.03, 0.03, half_height + 0.03), 'window', frame)
    for side in (-half_height, half_height):
        group.box((0, 0.03, level + side), (half_width, 0.03, 0.03), 'window', frame)
    group.box((0, 0.07, level - half_height - 0.05), (half_width + 0.06, 0.07, 0.02), 'window',
              frame)


def _curtains(site: Site, group: Group, half_width: float, half_height: float,
              level: float) -> None:
    material = cloth(site.rng, (0.3, 0.9))
    drop = half_height + 0.1
    for side in (-1, 1):
        for fold in range(4):
            x = side * (half_width + 0.2 - 0.1 * fold)
            group.cylinder((x, 0.1, level), (0.055, 0.035, drop), 'curtain', material)
    group.box((0, 0.1, level + drop), (half_width + 0.27, 0.02, 0.02), 'curtain',
              Material((0.35, 0.3, 0.25)))


def _blinds(site: Site, group: Group, half_width: float, half_height: float,
            level: float) -> None:
    color = any_color(site.rng, (0.65, 0.95), (0.0, 0.25))
    slats = max(4, int(2 * half_height * site.between(0.5, 1.0) / 0.085))
    for index in range(slats):
        height = level + half_height - 0.03 - 0.085 * index
        group.box((0, 0.085, height), (half_width + 0.02, 0.018, 0.034), 'blinds', Material(color))


def pictures(site: Site) -> None:
    """Hang one or two pictures."""
    for _ in range(site.count(1, 2)):
        half_width, half_height = site.between(0.2, 0.45), site.between(0.2, 0.38)
        level = site.between(1.45, 1.7)
        spot = site.layout.on_wall(half_width, level - half_height, level + half_height)
        if spot is not None:
            inner = Material(any_color(site.rng), 'picture', any_color(site.rng), gloss=0.1)
            _framed(site, spot, half_width, half_height, level, 'picture', inner)


def mirror(site: Site) -> None:
    """Hang a mirror, or stand a tall one against the wall."""
    half_width, half_height = site.between(0.25, 0.4), site.between(0.35, 0.75)
    level = max(half_height + 0.1, site.between(1.0, 1.5))
    spot = site.layout.on_wall(half_width, level - half_height, level + half_height)
    if spot is not None:
        glass = Material(any_color(site.rng, (0.6, 0.8), (0.02, 0.15)), 'mirror',
                         any_color(site.rng, (0.75, 0.95), (0.0, 0.1)), gloss=0.5)
        _framed(site, spot, half_width, half_height, level, 'mirror', glass)


def whiteboard(site: Site) -> None:
    """Hang a written whiteboard."""
    half_width, half_height, level = site.between(0.55, 0.85), site.between(0.38, 0.5), 1.45
    spot = site.layout.on_wall(half_width, level - half_height, level + half_height)
    if spot is None:
        return
    white = Material(any_color(site.rng, (0.93, 0.99), (0.0, 0.04)), gloss=0.4)
    _framed(site, spot, half_width, half_height, level, 'whiteboard', white)
    group = site.builder.group(spot.at(), spot.yaw)
    group.box((0, 0.05, level - half_height - 0.02), (half_width * 0.5, 0.04, 0.012),
              'whiteboard', Material((0.6, 0.6, 0.62), gloss=0.4))
    for _ in range(site.count(2, 5)):
        ink = Material(any_color(site.rng, (0.1, 0.7), (0.5, 0.9)))
        long = site.between(0.08, 0.3)
        group.box((site.between(-0.5, 0.5) * half_width, 0.031,
                   level + site.between(-0.7, 0.7) * half_height), (long, 0.0015, 0.012),
                  'whiteboard', ink)


def _framed(site: Site, spot: Spot, half_width: float, half_height: float, level: float,
            label: str, inner: Material) -> None:
    frame = Material(any_color(site.rng, (0.1, 0.8), (0.0, 0.5)), gloss=0.2)
    group = site.builder.group(spot.at(), spot.yaw)
    group.box((0, 0.012, level), (half_width, 0.012, half_height), label, frame)
    group.box((0, 0.018, level), (half_width - 0.03, 0.012, half_height - 0.03), label, inner)


def posters(site: Site) -> None:
    """Pin sheets of paper to the wall."""
    spot = site.layout.on_wall(0.5, 1.15, 1.75)
    if spot is None:
        return
    group = site.builder.group(spot.at(), spot.yaw)
    for index in range(site.count(3, 6)):
        x, level = -0.38 + 0.38 * (index % 3), 1.3 + 0.34 * (index // 3)
        group.box((x, 0.004, level), (site.between(0.1, 0.14), 0.004, site.between(0.12, 0.15)),
                  'paper', Material(any_color(site.rng, (0.88, 0.98), (0.0, 0.12))))


def radiator(site: Site) -> None:
    """Stand a ribbed radiator at a wall."""
    half_width = site.between(0.4, 0.65)
    spot = site.layout.at_wall(half_width, 0.07, 0.75, gap=0.03)
    if spot is None:
        return
    paint = Material(any_color(site.rng, (0.8, 0.97), (0.0, 0.1)), gloss=0.2)
    group = site.builder.group(spot.at(), spot.yaw)
    ribs = max(5, int(half_width / 0.07))
    pitch = 2 * half_width / ribs
    for index in range(ribs):
        group.box((-half_width + pitch * (index + 0.5), 0, 0.42), (pitch * 0.36, 0.06, 0.28),
                  'other structure', paint)
    group.box((0, 0, 0.42), (half_width, 0.03, 0.24), 'other structure', paint.darker(0.8))


def column(site: Site) -> None:
    """Stand a pillar or a chimney breast against a wall."""
    half_width, half_depth = site.between(0.15, 0.35), site.between(0.12, 0.25)
    spot = site.layout.at_wall(half_width, half_depth, site.height, gap=0.0)
    if spot is None:
        return
    paint = Material(any_color(site.rng, (0.5, 0.95), (0.0, 0.4)),
                     str(site.rng.choice(['plain', 'brick', 'marble'])))
    group = site.builder.group(spot.at(), spot.yaw)
    group.box((0, 0, site.height / 2), (half_width, half_depth, site.height / 2),
              'other structure', paint)


def air_vent(site: Site) -> None:
    """Hang a pipe with brackets along the top of a wall."""
    spot = site.layout.on_wall(0.7, site.height - 0.2, site.height - 0.05)
    if spot is None:
        return
    group = site.builder.group(spot.at(), spot.yaw)
    group.box((0, 0.1, site.height - 0.12), (0.7, 0.1, 0.07), 'other structure', metal(site.rng))
