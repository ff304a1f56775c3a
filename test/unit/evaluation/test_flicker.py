"""Flicker is what changes in maps beyond what truly changes."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('numba', reason='rendering needs the extra [rooms]')

from mtshare_ros.data.rooms.video import RoomVideo  # noqa: E402
from mtshare_ros.evaluation.flicker import (  # noqa: E402
    changes,
    Correspondence,  # noqa: E402
    Flicker,
)
from mtshare_ros.image_frame import frame_to_cover  # noqa: E402
from mtshare_ros.inference.prediction import FrameStats, Prediction  # noqa: E402

ROOM = 1_101_003
SIZE = (120, 160)


def maps_of(frame):
    """Return the truth as if a network had computed it."""
    return Prediction(
        frame_to_cover(SIZE, SIZE), FrameStats(0.0), mask=frame.labels.copy(),
        depth=frame.depth.copy(), normals=frame.normals.copy(),
        edges=(255 * frame.edges).astype(np.uint8))


def film(motion, start=15):
    video = RoomVideo(seed=ROOM, motion=motion, height=SIZE[0], width=SIZE[1])
    return [video.frame(start + step) for step in range(2)]


@pytest.fixture(scope='module', params=['static', 'pan-4', 'handheld-8', 'drive-1'])
def pair(request):
    return film(request.param)


@pytest.fixture(scope='module')
def moved():
    return film('handheld-4')


def mean_change(task, earlier, later, same):
    return changes(earlier, later, same)[task].mean()


def test_what_is_true_hardly_flickers(pair):
    first, second = pair
    same = Correspondence.between(first, second)

    found = changes(maps_of(first), maps_of(second), same)

    assert same.here.mean() > 0.5
    assert found['semseg'].mean() == 0.0
    assert found['depth'].mean() < 0.1 and found['normals'].mean() < 0.2


def test_a_resting_camera_compares_every_pixel_with_itself():
    first, second = film('static')
    same = Correspondence.between(first, second)

    assert np.array_equal(same.there, np.argwhere(same.here))
    assert same.here.mean() > 0.9


def test_maps_that_stay_where_they_were_flicker_when_the_camera_moves(moved):
    first, second = moved
    same = Correspondence.between(first, second)
    good, stale = (changes(maps_of(first), maps, same) for maps in (
        maps_of(second), maps_of(first)))

    assert all(stale[task].mean() > 1.5 * good[task].mean() for task in good)


@pytest.mark.parametrize(('task', 'field', 'change', 'expected'), [
    ('semseg', 'mask', lambda mask: mask + 1, 100.0),
    ('depth', 'depth', lambda depth: depth * 1.1, 10.0),
    ('edge', 'edges', lambda edges: 255 - edges, 100.0),
])
def test_a_change_is_counted_in_the_unit_of_its_task(task, field, change, expected):
    frame = film('static')[0]
    same, maps = Correspondence.between(frame, frame), maps_of(frame)
    changed = replace(maps, **{field: change(getattr(maps, field))})

    assert mean_change(task, maps, changed, same) == pytest.approx(expected, rel=1e-3)


def test_normals_are_turned_with_the_camera_before_they_are_compared(moved):
    first, second = moved
    same = Correspondence.between(first, second)
    unturned = replace(same, earlier=replace(same.earlier, pose=same.later.pose))

    assert mean_change('normals', maps_of(first), maps_of(second), same) < 0.5 * mean_change(
        'normals', maps_of(first), maps_of(second), unturned)


def test_a_missing_depth_counts_as_all_of_it():
    frame = film('static')[0]
    same, maps = Correspondence.between(frame, frame), maps_of(frame)
    gone = replace(maps, depth=np.full(SIZE, np.nan, np.float32))

    assert mean_change('depth', maps, gone, same) == pytest.approx(100.0)
    assert mean_change('depth', gone, gone, same) == 0.0


def test_what_a_mover_covers_is_not_compared():
    first, second = film('static')
    hidden = replace(second, depth=second.depth.copy())
    hidden.depth[40:80, 40:80] /= 2

    same = Correspondence.between(first, hidden)

    assert not same.here[40:80, 40:80].any() and same.here.mean() > 0.7


def test_films_are_not_compared_with_one_another():
    frame = film('static')[0]
    same, maps = Correspondence.between(frame, frame), maps_of(frame)
    flicker = Flicker()

    flicker.update(maps, None)
    flicker.update(maps, same)
    flicker.start()
    flicker.update(replace(maps, mask=maps.mask + 1), None)

    assert flicker.result()['semseg'] == 0.0
    flicker.update(maps, same)
    assert flicker.result()['semseg'] == pytest.approx(50.0)
