"""Small things that stand on other things."""

from mtshare_ros.data.rooms.paint import any_color, cardboard, cloth, Material, shade
from mtshare_ros.data.rooms.placement import Spot
from mtshare_ros.data.rooms.primitives import Triple
from mtshare_ros.data.rooms.site import Site


def lamp(site: Site, position: Triple) -> None:
    """Stand a table lamp on a surface."""
    rng = site.rng
    group = site.builder.group(position)
    foot = Material(any_color(rng, (0.2, 0.6), (0.0, 0.4)), gloss=0.4)
    group.cylinder((0, 0, 0.012), (0.08, 0.08, 0.012), 'lamp', foot)
    group.cylinder((0, 0, 0.15), (0.018, 0.018, 0.14), 'lamp', foot)
    shade_paint = Material(any_color(rng, (0.8, 1.0), (0.0, 0.3)), glow=site.between(0.2, 0.8))
    group.cylinder((0, 0, 0.37), (0.12, 0.12, 0.1), 'lamp', shade_paint, taper=-0.2)


def floor_lamp(site: Site) -> None:
    """Stand a floor lamp against a wall."""
    height = site.between(1.3, 1.65)
    spot = site.layout.at_wall(0.2, 0.2, height + 0.3)
    if spot is None:
        return
    group = site.builder.group(spot.at())
    pole = Material(any_color(site.rng, (0.15, 0.5), (0.0, 0.2)), gloss=0.4)
    group.cylinder((0, 0, 0.015), (0.14, 0.14, 0.015), 'lamp', pole)
    group.cylinder((0, 0, height / 2), (0.018, 0.018, height / 2), 'lamp', pole)
    paint = Material(any_color(site.rng, (0.8, 1.0), (0.0, 0.3)), glow=site.between(0.2, 0.8))
    group.cylinder((0, 0, height + 0.12), (0.18, 0.18, 0.15), 'lamp', paint, taper=-0.15)


def television(site: Site, position: Triple, yaw: float, half_width: float,
               label: str = 'television') -> None:
    """Stand a screen on a surface."""
    rng = site.rng
    group = site.builder.group(position, yaw)
    half_height = half_width * 0.58
    black = Material((0.04, 0.04, 0.05), gloss=0.3)
    screen = Material((0.03, 0.03, 0.04), 'screen', any_color(rng), gloss=0.3,
                      glow=float(rng.choice([0.0, 0.5])))
    group.box((0, 0, 0.015), (half_width * 0.4, 0.09, 0.015), label, black)
    group.box((0, -0.02, 0.06), (0.04, 0.02, 0.05), label, black)
    group.box((0, 0, 0.09 + half_height), (half_width, 0.025, half_height), label, screen)


def laptop(site: Site, position: Triple, yaw: float) -> None:
    """Open a laptop on a desk."""
    group = site.builder.group(position, yaw)
    grey = Material(any_color(site.rng, (0.2, 0.8), (0.0, 0.1)), gloss=0.3)
    screen = Material((0.03, 0.03, 0.04), 'screen', any_color(site.rng), glow=0.4)
    group.box((0, 0, 0.012), (0.17, 0.12, 0.012), 'other prop', grey)
    group.box((0, -0.13, 0.13), (0.17, 0.01, 0.11), 'other prop', screen)


def book_row(site: Site, group_position: Triple, yaw: float, half_width: float,
             half_depth: float, half_height: float) -> None:
    """Stand a row of books."""
    rng = site.rng
    paint = Material(any_color(rng), 'books', any_color(rng), scale=site.between(0.7, 1.3))
    group = site.builder.group(group_position, yaw)
    group.box((0, 0, half_height), (half_width, half_depth, half_height), 'books', paint)


def book_pile(site: Site, position: Triple, yaw: float) -> None:
    """Lay a few books on each other."""
    height = 0.0
    for _ in range(site.count(1, 4)):
        thick = site.between(0.012, 0.028)
        group = site.builder.group(
            (position[0], position[1], position[2] + height), yaw + site.between(-0.3, 0.3))
        group.box((0, 0, thick), (site.between(0.09, 0.12), site.between(0.12, 0.16), thick),
                  'books', Material(any_color(site.rng), gloss=0.1))
        height += 2 * thick


def paper(site: Site, position: Triple, yaw: float) -> None:
    """Lay sheets of paper."""
    group = site.builder.group(position, yaw)
    white = Material((0.95, 0.95, 0.93))
    for index in range(site.count(1, 2)):
        group.box((0.16 * index, site.between(-0.04, 0.04), 0.004), (0.12, 0.17, 0.004),
                  'paper', white)


def cup(site: Site, position: Triple) -> None:
    """Stand a cup or a vase."""
    group = site.builder.group(position)
    paint = Material(any_color(site.rng), gloss=0.3)
    height = site.between(0.045, 0.13)
    group.cylinder((0, 0, height), (0.04, 0.04, height), 'other prop', paint,
                   taper=site.between(-0.3, 0.3))


def plant(site: Site, position: Triple, size: float) -> None:
    """Stand a potted plant, leaves and all."""
    group = site.builder.group(position)
    pot = Material(any_color(site.rng, (0.3, 0.9), (0.1, 0.6)))
    group.cylinder((0, 0, 0.35 * size), (0.3 * size, 0.3 * size, 0.35 * size), 'other prop', pot,
                   taper=0.2)
    for _ in range(site.count(3, 5)):
        green = Material((site.between(0.1, 0.3), site.between(0.3, 0.6), site.between(0.08, 0.2)),
                         'fabric', scale=2.0)
        offset = (site.between(-0.2, 0.2) * size, site.between(-0.2, 0.2) * size)
        group.ellipsoid((*offset, size * site.between(0.9, 1.6)),
                        (0.28 * size, 0.28 * size, 0.4 * size), 'other prop', green)


def ball(site: Site, position: Triple) -> None:
    """Lay a ball or a fruit."""
    radius = site.between(0.05, 0.11)
    group = site.builder.group(position)
    paint = Material(any_color(site.rng, saturation=(0.3, 0.9)), gloss=0.3)
    group.ellipsoid((0, 0, radius), (radius, radius, radius), 'other prop', paint)


def small_box(site: Site, position: Triple, yaw: float) -> None:
    """Stand a small carton."""
    half = site.between(0.06, 0.13)
    group = site.builder.group(position, yaw)
    group.box((0, 0, half * 0.8), (half, half * 0.8, half * 0.8), 'box', cardboard(site.rng))


def bag(site: Site, position: Triple, yaw: float) -> None:
    """Stand a bag with its handle on the floor."""
    rng = site.rng
    group = site.builder.group(position, yaw)
    paint = Material(any_color(rng, (0.1, 0.7), (0.2, 0.8)), 'fabric', scale=4.0)
    dark = paint.darker(0.6)
    width, height = site.between(0.17, 0.25), site.between(0.15, 0.24)
    group.cylinder((0, 0, height), (width, 0.11, height), 'bag', paint, taper=-0.15)
    group.ellipsoid((0, 0, 2 * height), (width * 0.84, 0.09, 0.06), 'bag', paint)
    group.box((0, 0.115, height * 0.8), (width * 0.6, 0.03, height * 0.5), 'bag', dark)
    for side in (-1, 1):
        group.box((side * 0.08, 0, 2 * height + 0.1), (0.012, 0.02, 0.1), 'bag', dark)
    group.box((0, 0, 2 * height + 0.2), (0.092, 0.02, 0.012), 'bag', dark)


def cartons(site: Site) -> None:
    """Pile one to three cartons, or stand a bag, on free floor."""
    spot = site.layout.on_floor(0.34, 0.34, 0.8)
    if spot is None:
        return
    height, half = 0.0, site.between(0.2, 0.31)
    for _ in range(site.count(1, 3)):
        group = site.builder.group(spot.at(height=height), spot.yaw + site.between(-0.2, 0.2))
        tall = half * site.between(0.6, 0.9)
        group.box((0, 0, tall), (half, half * 0.8, tall), 'box', cardboard(site.rng))
        height += 2 * tall
        half *= site.between(0.65, 0.9)


def bags(site: Site) -> None:
    """Stand one or two bags on free floor."""
    for _ in range(site.count(1, 2)):
        spot = site.layout.at_wall(0.27, 0.16, 0.7)
        if spot is not None:
            bag(site, spot.at(), spot.yaw)


def clutter(site: Site, position: Triple, yaw: float, half_width: float, half_depth: float,
            most: int = 4) -> None:
    """Spread things over a surface, each in its own share of the width."""
    places = site.count(1, most)
    slot = 2 * half_width / places
    if slot < 0.2:
        return
    draws = (cup_at, ball_at, book_pile, paper, small_box, laptop, plant_at)
    weights = (0.2, 0.08, 0.24, 0.2, 0.1, 0.08, 0.1)
    for index in range(places):
        along = -half_width + slot * (index + 0.5)
        front = site.between(-0.4, 0.4) * max(half_depth - 0.14, 0.0)
        place = Spot(position[0], position[1], yaw).at(along, front, position[2])
        draw = draws[int(site.rng.choice(len(draws), p=weights))]
        draw(site, place, yaw + site.between(-0.3, 0.3))


def cup_at(site: Site, position: Triple, yaw: float) -> None:
    """Stand a cup; its yaw does not matter."""
    cup(site, position)


def ball_at(site: Site, position: Triple, yaw: float) -> None:
    """Lay a ball; its yaw does not matter."""
    ball(site, position)


def plant_at(site: Site, position: Triple, yaw: float) -> None:
    """Stand a small plant; its yaw does not matter."""
    plant(site, position, site.between(0.18, 0.28))


def heap_of_clothes(site: Site, position: Triple, yaw: float) -> None:
    """Throw clothes on a surface."""
    group = site.builder.group(position, yaw)
    for index in range(site.count(2, 3)):
        material = cloth(site.rng, (0.1, 0.9))
        group.ellipsoid((0.12 * index - 0.1, site.between(-0.08, 0.08), 0.05 + 0.02 * index),
                        (site.between(0.16, 0.26), site.between(0.14, 0.2), 0.07), 'clothes',
                        Material(material.color, material.texture, shade(material.color, 0.6),
                                 scale=material.scale))
