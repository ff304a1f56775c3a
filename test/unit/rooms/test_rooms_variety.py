"""Varied views of a room differ in what a camera sees, and in nothing that is true of it."""

import numpy as np
import pytest

from mtshare_ros.data.rooms.classes import CLASS_IDS
from mtshare_ros.data.rooms.renderer import LIVE
from mtshare_ros.data.rooms.scene import make_room
from mtshare_ros.data.rooms.training_frames import open_frames, render_frames
from mtshare_ros.data.rooms.variety import render_varied_view, repainted
from mtshare_ros.errors import DatasetError

SIZE = {'height': 48, 'width': 64}
WANTED = {'split': 'train', 'count': 4, 'views_per_room': 2, **SIZE}


@pytest.fixture(scope='module')
def room():
    return make_room(7)


@pytest.fixture(scope='module')
def views(room):
    return [render_varied_view(room, number, **SIZE, quality=LIVE) for number in range(6)]


@pytest.fixture(scope='module')
def varied(tmp_path_factory):
    folder = tmp_path_factory.mktemp('rooms') / 'varied'
    render_frames(folder, **WANTED, varied=1.0)
    return folder


def test_a_varied_view_is_the_same_each_time(room, views):
    again = render_varied_view(room, 2, **SIZE, quality=LIVE)

    assert np.array_equal(again.image, views[2].image)
    assert np.array_equal(again.depth, views[2].depth)


def test_cameras_are_narrow_and_wide(views):
    degrees = [2 * np.degrees(np.arctan(32 / view.focal_length)) for view in views]

    assert 45 <= min(degrees) < 60 and 70 < max(degrees) <= 90


def test_new_paint_leaves_shapes_and_classes_alone(room):
    painted = [repainted(room, np.random.default_rng(seed)) for seed in range(8)]

    assert any(not np.array_equal(other.primitives.material, room.primitives.material)
               for other in painted)
    for other in painted:
        assert other.primitives.label is room.primitives.label
        assert other.primitives.center is room.primitives.center


def test_what_glows_and_what_is_printed_keeps_its_look(room):
    material, glowing = room.primitives.material, room.primitives.material[:, 9] > 0.3
    books = room.primitives.label == CLASS_IDS['books']

    for seed in range(8):
        painted = repainted(room, np.random.default_rng(seed)).primitives.material
        assert np.array_equal(painted[glowing], material[glowing])
        assert np.array_equal(painted[books & (material[:, 0] == 9)],
                              material[books & (material[:, 0] == 9)])


def test_depths_of_a_folder_are_those_of_one_focal_length(varied):
    frames, room = open_frames(varied), make_room(0)
    view = render_varied_view(room, 1, **SIZE, quality=LIVE)

    assert frames.meta.varied == 1 and frames.meta.fx == pytest.approx(55.4, abs=0.1)
    assert np.array_equal(frames.image[1], view.image)
    # twice as far through twice the focal length is as large in the image
    expected = view.depth * frames.meta.fx / view.focal_length
    assert frames.depth[1] == pytest.approx(expected, rel=1e-3)


def test_a_share_of_the_rooms_is_varied(varied, tmp_path):
    render_frames(tmp_path / 'half', **WANTED, varied=0.5)
    render_frames(tmp_path / 'plain', **WANTED)

    half, plain, other = (open_frames(folder).image for folder in (
        tmp_path / 'half', tmp_path / 'plain', varied))
    assert np.array_equal(half[:2], plain[:2]) and np.array_equal(half[2:], other[2:])


def test_varied_frames_are_not_mixed_with_plain_ones(varied):
    with pytest.raises(DatasetError, match='varied 1.0 instead of 0.0'):
        render_frames(varied, **WANTED)
