"""Kitchen counters, wall cabinets and refrigerators."""

from mtshare_ros.data.rooms.furniture import props
from mtshare_ros.data.rooms.furniture.bathroom import sink_bowl
from mtshare_ros.data.rooms.furniture.storage import fronted
from mtshare_ros.data.rooms.layout import Spot
from mtshare_ros.data.rooms.paint import any_color, Material, metal, wood_or_paint
from mtshare_ros.data.rooms.site import Site


def counter(site: Site) -> None:
    """Stand a kitchen counter: cabinets below, a worktop, a sink, a hob, cabinets above."""
    half_width, half_depth, height = site.between(0.9, 1.4), 0.31, 0.9
    above = site.chance(0.65)
    spot = site.layout.at_wall(half_width, half_depth, 2.2 if above else 1.3, tries=80)
    if spot is None:
        half_width = 0.75
        spot = site.layout.at_wall(half_width, half_depth, 1.3, tries=80)
        above = False
    if spot is None:
        return
    doors = fronted(site, 0.5, 1.2)
    group = site.builder.group(spot.at(), spot.yaw)
    group.box((0, -0.04, 0.05), (half_width - 0.02, 0.25, 0.05), 'cabinet', doors.darker(0.5))
    group.box((0, -0.01, 0.47), (half_width - 0.01, 0.28, 0.39), 'cabinet', doors)
    top = Material(any_color(site.rng, (0.25, 0.9), (0.0, 0.35)),
                   str(site.rng.choice(['marble', 'wood', 'plain'])), gloss=0.3)
    _worktop(site, spot, half_width, half_depth, height, top)
    if above:
        _wall_cabinets(site, spot, half_width, doors)


def _worktop(site: Site, spot: Spot, half_width: float, half_depth: float, height: float,
             top: Material) -> None:
    group = site.builder.group(spot.at(), spot.yaw)
    group.box((0, 0, height - 0.022), (half_width, half_depth, 0.022), 'counter', top)
    group.box((0, -half_depth + 0.012, height + 0.05), (half_width, 0.012, 0.05), 'counter', top)
    side = float(site.rng.choice([-1.0, 1.0]))
    basin = Spot(*spot.at(side * half_width * 0.5, 0.0)[:2], spot.yaw)
    sink_bowl(site, basin, 0.27, 0.22, height)
    _hob(site, spot.at(-side * half_width * 0.5, 0.0, height), spot.yaw)
    props.cup(site, spot.at(0.0, -0.15, height))
    if site.chance(0.6):
        props.small_box(site, spot.at(-side * (half_width - 0.14), -0.12, height), spot.yaw)


def _hob(site: Site, position: tuple[float, float, float], yaw: float) -> None:
    group = site.builder.group(position, yaw)
    group.box((0, 0, 0.008), (0.26, 0.22, 0.008), 'other structure',
              Material((0.06, 0.06, 0.07), gloss=0.5))
    if site.chance(0.7):
        group.cylinder((0.1, 0.05, 0.08), (0.1, 0.1, 0.065), 'other prop', metal(site.rng))
        group.cylinder((0.1, 0.05, 0.15), (0.1, 0.1, 0.01), 'other prop', metal(site.rng))


def _wall_cabinets(site: Site, spot: Spot, half_width: float, doors: Material) -> None:
    count = max(2, round(half_width / 0.35))
    pitch = 2 * half_width / count
    for index in range(count):
        along = -half_width + pitch * (index + 0.5)
        group = site.builder.group(spot.at(along, -0.15, 1.78), spot.yaw)
        group.box((0, 0, 0), (pitch / 2 - 0.006, 0.17, 0.33), 'cabinet', doors)


def refrigerator(site: Site) -> None:
    """Stand a refrigerator with its two doors and handles."""
    half_width, half_depth, height = site.between(0.29, 0.38), 0.33, site.between(1.5, 1.95)
    spot = site.layout.at_wall(half_width, half_depth + 0.02, height, tries=80)
    if spot is None:
        return
    color = any_color(site.rng, (0.55, 0.97), (0.0, 0.12)) if site.chance(0.8) else any_color(
        site.rng, (0.3, 0.9))
    paint = Material(color, gloss=0.4)
    group = site.builder.group(spot.at(), spot.yaw)
    split = height * site.between(0.3, 0.68)
    group.box((0, -0.02, height / 2), (half_width, half_depth - 0.03, height / 2),
              'refrigerator', paint.darker(0.9))
    for low, high in ((0.06, split - 0.006), (split + 0.006, height)):
        group.box((0, half_depth - 0.03, (low + high) / 2), (half_width, 0.025, (high - low) / 2),
                  'refrigerator', paint)
        group.box((half_width - 0.06, half_depth + 0.005, (low + high) / 2),
                  (0.012, 0.014, min(0.2, (high - low) / 3)), 'refrigerator', metal(site.rng))


def wall_shelf(site: Site) -> None:
    """Hang a shelf with crockery or books on the wall."""
    half_width, level = site.between(0.35, 0.6), site.between(1.35, 1.6)
    spot = site.layout.on_wall(half_width, level - 0.1, level + 0.35)
    if spot is None:
        return
    group = site.builder.group(spot.at(), spot.yaw)
    material = wood_or_paint(site.rng)
    group.box((0, 0.11, level), (half_width, 0.11, 0.018), 'shelves', material)
    for side in (-1, 1):
        group.box((side * half_width * 0.7, 0.06, level - 0.06), (0.015, 0.05, 0.05), 'shelves',
                  material)
    draw = site.rng.random()
    if draw < 0.4:
        props.book_row(site, spot.at(0.0, 0.1, level + 0.018), spot.yaw, half_width * 0.7, 0.08,
                       0.12)
        return
    for along in (-0.6, -0.2, 0.2, 0.6):
        props.cup(site, spot.at(along * half_width, 0.11, level + 0.018))
