"""Beds with their night stands, and clothes."""

from mtshare_ros.data.rooms.furniture import props
from mtshare_ros.data.rooms.furniture.storage import night_stand
from mtshare_ros.data.rooms.layout import Spot
from mtshare_ros.data.rooms.paint import any_color, cloth, Material, metal, wood_or_paint
from mtshare_ros.data.rooms.primitives import Group
from mtshare_ros.data.rooms.site import Site


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
