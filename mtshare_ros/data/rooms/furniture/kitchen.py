"""Kitchens and bathrooms: counters, refrigerators, wash basins, bathtubs, towels."""

from mtshare_ros.data.rooms.furniture import props
from mtshare_ros.data.rooms.furniture.cabinets import fronted
from mtshare_ros.data.rooms.paint import any_color, ceramic, cloth, Material, metal, wood_or_paint
from mtshare_ros.data.rooms.placement import Spot
from mtshare_ros.data.rooms.primitives import ALONG_X
from mtshare_ros.data.rooms.site import Site


def toilet(site: Site) -> None:
    """Stand a toilet with its cistern against a wall."""
    spot = site.layout.at_wall(0.24, 0.36, 1.0, tries=80)
    if spot is None:
        return
    white = ceramic(site.rng)
    seat = Material(any_color(site.rng, (0.7, 0.95), (0.0, 0.15)), gloss=0.3)
    group = site.builder.group(spot.at(), spot.yaw)
    group.cylinder((0, 0.06, 0.19), (0.16, 0.22, 0.19), 'toilet', white, taper=0.22)
    group.box((0, -0.18, 0.19), (0.13, 0.14, 0.19), 'toilet', white)
    group.cylinder((0, 0.08, 0.4), (0.2, 0.26, 0.025), 'toilet', seat)
    group.box((0, -0.26, 0.6), (0.21, 0.09, 0.2), 'toilet', white)
    group.box((0, -0.26, 0.815), (0.22, 0.1, 0.02), 'toilet', white)
    if site.chance(0.4):
        group.cylinder((0, -0.13, 0.6), (0.18, 0.025, 0.22), 'toilet', seat)
    group.ellipsoid((0.1, -0.26, 0.84), (0.03, 0.03, 0.015), 'toilet', metal(site.rng))


def bathtub(site: Site) -> None:
    """Stand a bathtub along a wall, with a shower curtain beside it now and then."""
    half_width, half_depth, height = site.between(0.75, 0.88), 0.37, site.between(0.5, 0.58)
    curtain = site.chance(0.75)
    spot = site.layout.at_wall(half_width, half_depth, 2.1 if curtain else 1.0, tries=80)
    if spot is None:
        return
    white = ceramic(site.rng)
    group = site.builder.group(spot.at(), spot.yaw)
    water = Material((0.75, 0.85, 0.88), 'marble', (0.85, 0.92, 0.95), scale=0.6, gloss=0.6)
    group.box((0, 0, 0.1), (half_width - 0.07, half_depth - 0.07, 0.1), 'bathtub', water)
    for side in (-1, 1):
        group.box((0, side * (half_depth - 0.035), height / 2), (half_width, 0.035, height / 2),
                  'bathtub', white)
        group.box((side * (half_width - 0.035), 0, height / 2), (0.035, half_depth - 0.07,
                                                                 height / 2), 'bathtub', white)
    group.cylinder((-half_width + 0.05, 0, height + 0.08), (0.02, 0.02, 0.08), 'bathtub',
                   metal(site.rng))
    if curtain:
        _shower_curtain(site, spot, half_width, half_depth, height)


def _shower_curtain(site: Site, spot: Spot, half_width: float, half_depth: float,
                    rim: float) -> None:
    group = site.builder.group(spot.at(), spot.yaw)
    front = half_depth - 0.035
    group.cylinder((0, front, 2.0), (0.013, 0.013, half_width), 'other structure',
                   metal(site.rng), rotation=ALONG_X)
    color = any_color(site.rng, (0.5, 0.95), (0.1, 0.6))
    paint = Material(color, 'stripe', any_color(site.rng, (0.6, 0.98), (0.0, 0.4)), scale=1.6)
    reach = half_width * site.between(0.35, 0.75)
    side = float(site.rng.choice([-1.0, 1.0]))
    folds = max(3, int(reach / 0.09))
    pitch = 2 * reach / folds
    for index in range(folds):
        along = side * (half_width - pitch * (index + 0.5))
        group.cylinder((along, front, (2.0 + rim) / 2 + 0.02),
                       (pitch * 0.5, 0.032, (2.0 - rim) / 2 - 0.02), 'shower curtain', paint)


def wash_basin(site: Site) -> None:
    """Stand a basin on a vanity or a pedestal, a mirror over it."""
    half_width = site.between(0.3, 0.5)
    spot = site.layout.at_wall(half_width, 0.27, 1.75, tries=80)
    if spot is None:
        return
    group = site.builder.group(spot.at(), spot.yaw)
    white = ceramic(site.rng)
    if site.chance(0.65):
        group.box((0, -0.01, 0.36), (half_width - 0.02, 0.24, 0.36), 'cabinet',
                  fronted(site, 0.5, 1.6))
    else:
        group.cylinder((0, -0.08, 0.36), (0.1, 0.1, 0.36), 'sink', white, taper=0.2)
    sink_bowl(site, spot, half_width, 0.25, 0.72)
    glass = Material(any_color(site.rng, (0.6, 0.8), (0.02, 0.15)), 'mirror',
                     any_color(site.rng, (0.75, 0.95), (0.0, 0.1)), gloss=0.5)
    frame = Material(any_color(site.rng, (0.2, 0.9), (0.0, 0.3)), gloss=0.3)
    tall = site.between(0.28, 0.36)
    group.box((0, -0.28, 1.36), (half_width * 0.85, 0.012, tall), 'mirror', frame)
    group.box((0, -0.272, 1.36), (half_width * 0.85 - 0.02, 0.012, tall - 0.02), 'mirror', glass)
    props.cup(site, spot.at(half_width * 0.75, -0.18, 0.86))


def sink_bowl(site: Site, spot: Spot, half_width: float, half_depth: float,
              level: float) -> None:
    """Draw a basin with rim, bowl and tap whose bottom stands at ``level``."""
    white = ceramic(site.rng)
    group = site.builder.group(spot.at(height=level), spot.yaw)
    inside = white.darker(0.8)
    group.box((0, 0, 0.035), (half_width - 0.03, half_depth - 0.03, 0.035), 'sink', inside)
    for side in (-1, 1):
        group.box((0, side * (half_depth - 0.03), 0.07), (half_width, 0.03, 0.07), 'sink', white)
        group.box((side * (half_width - 0.03), 0, 0.07), (0.03, half_depth - 0.06, 0.07), 'sink',
                  white)
    steel = metal(site.rng)
    group.cylinder((0, -half_depth + 0.04, 0.22), (0.018, 0.018, 0.1), 'sink', steel)
    group.box((0, -half_depth + 0.1, 0.31), (0.015, 0.07, 0.015), 'sink', steel)


def towel_rail(site: Site) -> None:
    """Hang one or two towels from a rail on the wall."""
    count = site.count(1, 2)
    half_width = 0.27 * count
    bottom = site.between(0.7, 0.95)
    top = bottom + site.between(0.5, 0.75)
    spot = site.layout.on_wall(half_width, bottom, top)
    if spot is None:
        return
    group = site.builder.group(spot.at(), spot.yaw)
    group.cylinder((0, 0.06, top - 0.02), (0.012, 0.012, half_width), 'other structure',
                   metal(site.rng), rotation=ALONG_X)
    for index in range(count):
        x = 0.54 * index - half_width + 0.27
        drop = (top - bottom) / 2 * site.between(0.7, 1.0)
        group.box((x, 0.065, top - drop), (site.between(0.18, 0.24), 0.028, drop), 'towel',
                  cloth(site.rng, (0.35, 0.95)))


def bath_mat(site: Site) -> None:
    """Lay a bath mat on free floor."""
    spot = site.layout.on_floor(0.38, 0.26, 0.0)
    if spot is not None:
        group = site.builder.group(spot.at(), spot.yaw)
        group.box((0, 0, 0.012), (0.38, 0.26, 0.012), 'floor mat', cloth(site.rng, (0.3, 0.9)))


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
