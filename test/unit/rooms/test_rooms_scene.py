"""Rooms: the same from the same seed, plausible, nothing inside anything else."""

import itertools
import statistics

import numpy as np
import pytest

from mtshare_ros.data.rooms.classes import CLASS_NAMES
from mtshare_ros.data.rooms.primitives import SHELL_PARTS
from mtshare_ros.data.rooms.scene import make_room
from mtshare_ros.data.rooms.views import split_seeds, SPLITS, test_views, validation_views
from mtshare_ros.errors import ConfigError
from mtshare_ros.tasks import load_labels

test_views.__test__ = False

ROOMS = 40
NOT_FURNITURE = {'wall', 'floor', 'ceiling', 'door', 'floor mat', 'mirror', 'paper'}
KNEE_HEIGHT = 0.45


@pytest.fixture(scope='module')
def rooms():
    return [make_room(seed) for seed in split_seeds('train')[:ROOMS]]


def corners(primitives, row):
    """Return the corners (8, 3) of a primitive's bounding box."""
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))
    wide = 1.0 + abs(primitives.taper[row])
    local = signs * primitives.half[row] * (wide, wide, 1.0)
    return primitives.center[row] + local @ primitives.rotation[row].T


def standing_rows(room):
    """Return the rows of still furniture that reaches below the knee."""
    primitives = room.primitives
    return [row for row in range(SHELL_PARTS, len(primitives))
            if primitives.mover[row] < 0
            and CLASS_NAMES[primitives.label[row]] not in NOT_FURNITURE
            and corners(primitives, row)[:, 2].min() < KNEE_HEIGHT]


def test_the_class_names_are_those_of_the_label_file():
    assert CLASS_NAMES == load_labels('nyu40').names


def test_the_same_seed_gives_the_same_room():
    first, second = make_room(17), make_room(17)

    assert first.movers == second.movers and first.lights == second.lights
    assert all(np.array_equal(getattr(first.primitives, name), getattr(second.primitives, name))
               for name in ('center', 'half', 'rotation', 'label', 'material'))


def test_another_seed_gives_another_room():
    first, second = make_room(17).primitives, make_room(18).primitives

    assert len(first) != len(second) or not np.array_equal(first.center, second.center)


def test_every_kind_of_room_is_built(rooms):
    assert {room.kind for room in rooms} == {'living', 'bedroom', 'office', 'kitchen', 'bathroom'}


@pytest.mark.parametrize('kind, label', [
    ('living', 'sofa'), ('bedroom', 'bed'), ('office', 'desk'), ('kitchen', 'counter'),
    ('bathroom', 'toilet'),
])
def test_a_room_holds_what_makes_its_kind(rooms, kind, label):
    of_kind = [room for room in rooms if room.kind == kind]

    holding = [room for room in of_kind if CLASS_NAMES.index(label) in room.primitives.label]

    assert len(holding) >= 0.7 * len(of_kind)


def test_no_two_footprints_overlap(rooms):
    overlaps = [(room.seed, first, second) for room in rooms
                for first, second in itertools.combinations(room.footprints, 2)
                if first.overlaps(second)]

    assert not overlaps


def test_furniture_stands_within_its_footprint(rooms):
    outside = []
    for room in rooms:
        for row in standing_rows(room):
            ground = corners(room.primitives, row)[:, :2]
            off = min(footprint.distance(ground).max() for footprint in room.footprints
                      if footprint.height > 0.0)
            if off > 0.03:
                outside.append((room.seed, CLASS_NAMES[room.primitives.label[row]], off))

    assert not outside


def test_nothing_sticks_out_of_the_room(rooms):
    for room in rooms:
        rows = np.flatnonzero(room.primitives.mover < 0)[SHELL_PARTS:]
        points = np.concatenate([corners(room.primitives, row) for row in rows])
        assert points.min() > -0.06 and (points - room.size).max() < 0.06, room.seed


def test_nobody_walks_into_furniture(rooms):
    for room in rooms:
        for mover in room.movers:
            walk = np.array([mover.place(time)[:2] for time in np.linspace(0.0, 40.0, 60)])
            near = min(footprint.distance(walk).min() for footprint in room.footprints
                       if footprint.height > 0.0)
            assert near > 0.3, room.seed


def test_a_walk_never_ends(rooms):
    mover = next(room.movers[0] for room in rooms if room.movers)

    week = 7 * 24 * 3600.0
    period = 2 * np.pi / abs(mover.rate)
    later = mover.place(week - week % period)

    assert later[:2] == pytest.approx(mover.place(0.0)[:2], abs=1e-3)


def test_the_splits_never_overlap():
    for first, second in itertools.combinations(SPLITS, 2):
        assert not set(split_seeds(first)) & set(split_seeds(second))


def test_an_unknown_split_is_refused_with_the_allowed_ones():
    with pytest.raises(ConfigError, match="'val'.*train, validation, test"):
        split_seeds('val')


@pytest.mark.parametrize('views, split', [(test_views, 'test'), (validation_views, 'validation')])
def test_a_split_has_at_least_240_views_of_60_rooms(views, split):
    chosen = views()

    assert len(set(chosen)) >= 240
    assert len({view.room_seed for view in chosen}) >= 60
    assert all(view.room_seed in split_seeds(split) for view in chosen)


def test_half_of_the_test_rooms_have_100_primitives():
    seeds = {view.room_seed for view in test_views()}

    assert statistics.median(len(make_room(seed).primitives) for seed in seeds) >= 100
