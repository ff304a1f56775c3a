"""The kinds of rooms: their sizes, and what is put into them in which order."""

from collections.abc import Callable
from dataclasses import dataclass

from mtshare_ros.data.rooms.furniture import cabinets, kitchen, props, seating, structures
from mtshare_ros.data.rooms.site import rug, Site

Furnish = Callable[[Site], None]


@dataclass(frozen=True)
class Item:
    """A thing to put into a room: with what probability, and how often it is tried."""

    furnish: Furnish
    probability: float = 1.0
    times: int = 1


@dataclass(frozen=True)
class RoomKind:
    """
    Sizes in metres (low, high), tiled surfaces or not, and the things in it, large first.

    The anchors are what the kind of room must have: they are placed before the space for walking
    is reserved.
    """

    name: str
    size: tuple[float, float]
    tiled: bool
    anchors: tuple[Item, ...]
    items: tuple[Item, ...]


LIVING = RoomKind('living', (4.2, 6.5), False, (
    Item(structures.window, 1.0, 2),
    Item(seating.sofa),
), (
    Item(seating.sofa, 0.5),
    Item(seating.dining_table, 0.6),
    Item(cabinets.television_stand, 0.85),
    Item(cabinets.bookshelf, 0.8),
    Item(structures.column, 0.3),
    Item(seating.coffee_table, 0.85),
    Item(cabinets.cabinet, 0.5),
    Item(props.floor_lamp, 0.5),
    Item(seating.stool, 0.6),
    Item(structures.radiator, 0.6),
    Item(props.bags, 0.5),
    Item(props.cartons, 0.25),
    Item(structures.pictures, 1.0, 2),
    Item(structures.mirror, 0.35),
    Item(kitchen.wall_shelf, 0.4),
    Item(rug, 0.6),
))

BEDROOM = RoomKind('bedroom', (3.8, 5.6), False, (
    Item(structures.window),
    Item(cabinets.bed),
), (
    Item(cabinets.dresser, 0.9),
    Item(cabinets.clothes_rack, 0.75),
    Item(seating.desk, 0.5),
    Item(cabinets.cabinet, 0.5),
    Item(structures.window, 0.5),
    Item(seating.stool, 0.5),
    Item(structures.radiator, 0.6),
    Item(cabinets.clothes_hooks, 0.45),
    Item(cabinets.bookshelf, 0.3),
    Item(props.bags, 0.7),
    Item(props.cartons, 0.3),
    Item(structures.mirror, 0.6),
    Item(structures.pictures, 0.8, 2),
    Item(rug, 0.5),
))

OFFICE = RoomKind('office', (3.8, 6.2), False, (
    Item(structures.window, 0.9),
    Item(structures.whiteboard, 0.85),
    Item(seating.desk),
), (
    Item(seating.dining_table, 0.55),
    Item(seating.desk, 0.8),
    Item(cabinets.bookshelf, 0.9),
    Item(cabinets.shelves, 0.75),
    Item(cabinets.cabinet, 0.6),
    Item(structures.radiator, 0.6),
    Item(structures.posters, 0.7, 2),
    Item(props.cartons, 0.6, 2),
    Item(props.bags, 0.7),
    Item(cabinets.clothes_hooks, 0.4),
    Item(props.floor_lamp, 0.3),
    Item(structures.column, 0.3),
    Item(structures.window, 0.4),
    Item(structures.pictures, 0.6),
    Item(structures.air_vent, 0.3),
))

KITCHEN = RoomKind('kitchen', (3.6, 5.6), True, (
    Item(kitchen.counter),
    Item(kitchen.refrigerator, 0.95),
    Item(structures.window, 0.8),
    Item(seating.dining_table, 0.85),
), (
    Item(kitchen.counter, 0.5),
    Item(cabinets.shelves, 0.55),
    Item(cabinets.cabinet, 0.5),
    Item(structures.radiator, 0.6),
    Item(kitchen.wall_shelf, 0.9, 2),
    Item(kitchen.towel_rail, 0.7),
    Item(seating.stool, 0.5),
    Item(props.cartons, 0.4),
    Item(props.bags, 0.6),
    Item(structures.pictures, 0.5),
    Item(structures.air_vent, 0.5),
))

BATHROOM = RoomKind('bathroom', (3.2, 4.6), True, (
    Item(kitchen.bathtub),
    Item(kitchen.toilet),
    Item(kitchen.wash_basin),
), (
    Item(structures.window, 0.7),
    Item(kitchen.towel_rail, 1.0, 2),
    Item(kitchen.wash_basin, 0.3),
    Item(cabinets.shelves, 0.5),
    Item(cabinets.cabinet, 0.5),
    Item(structures.radiator, 0.8),
    Item(cabinets.clothes_hooks, 0.4),
    Item(kitchen.wall_shelf, 0.7),
    Item(seating.stool, 0.6),
    Item(kitchen.bath_mat, 0.9),
    Item(structures.mirror, 0.3),
    Item(props.bags, 0.3),
))

ROOM_KINDS = (LIVING, BEDROOM, OFFICE, KITCHEN, BATHROOM)
