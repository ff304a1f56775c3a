"""The maps of one frame, as later images of the camera see them."""

from board_scene import CAMERA, pose, SIZE as SCENE_SIZE, truly_seen, view
import numpy as np
import pytest
from rendered import motion_between, Room
import torch

from mtshare_ros.motion.alignment import MotionEstimate
from mtshare_ros.motion.map_follower import MapCarrier, MapFollower, NetworkFrame, OLDEST_S
from mtshare_ros.motion.rigid import RigidMotion

SIZE = (240, 320)
PERIOD_NS = 33_000_000
TURN = RigidMotion.turned(np.array([0.0, 0.01, 0.0]))
"""About three pixels to the side."""


@pytest.fixture(scope='module')
def room():
    return Room(1101003, 'static', SIZE)


@pytest.fixture(scope='module')
def views(room):
    """Return six views of a camera that turns evenly, one a period."""
    motion, seen = RigidMotion.none(), []
    for _ in range(6):
        seen.append(room.moved(0, motion))
        motion = TURN.after(motion)
    return seen


def frame_of(view, number, room, **maps):
    """Return what a perfect network would make of a view."""
    return NetworkFrame({'depth': view.depth.numpy(), **maps}, view.image.numpy(),
                        number * PERIOD_NS, room.camera)


def follow(follower, views, *numbers, **how):
    return [follower.follow(views[number].image.numpy(), number * PERIOD_NS, **how)
            for number in numbers][-1]


def starts_of(follower, monkeypatch):
    """Return the list in which the starts of its alignments will stand."""
    begun, estimate = [], follower._aligner.estimate
    monkeypatch.setattr(follower._aligner, 'estimate', lambda *views, start: (
        begun.append(start) or estimate(*views, start=start)))
    return begun


def wrong(found, view):
    """Return the share of the pixels whose depth is off by more than 2 %."""
    return np.mean(np.abs(found.maps['depth'] / view.depth.numpy() - 1) > 0.02)


def test_maps_come_to_where_the_image_shows_them(room, views):
    follower = MapFollower(SIZE)
    follower.keep(frame_of(views[0], 0, room))

    found = follow(follower, views, 1, 2, 3)

    assert wrong(found, views[3]) < 0.05 < np.mean(
        np.abs(views[0].depth.numpy() / views[3].depth.numpy() - 1) > 0.02)
    assert found.estimate.confidence > 0.5


def test_a_newer_frame_takes_the_place_of_the_one_before_though_images_have_gone_on(room, views):
    follower = MapFollower(SIZE)
    follower.keep(frame_of(views[0], 0, room))
    follow(follower, views, 1, 2, 3)
    newer = frame_of(views[2], 2, room)
    follower.keep(newer)

    found = follow(follower, views, 4)

    assert found.frame is newer and wrong(found, views[4]) < 0.05


def test_the_motion_goes_on_from_the_images_before(room, views, monkeypatch):
    follower = MapFollower(SIZE)
    follower.keep(frame_of(views[0], 0, room))
    begun = starts_of(follower, monkeypatch)

    follow(follower, views, 1, 2, 3)

    assert begun[0] is None
    assert begun[2].angle == pytest.approx(0.03, rel=0.1)


def test_a_pose_from_another_sensor_tells_where_the_search_begins(room, views, monkeypatch):
    follower = MapFollower(SIZE)
    follower.keep(frame_of(views[0], 0, room))
    begun = starts_of(follower, monkeypatch)

    for number in (1, 5):
        follow(follower, views, number, pose=views[number].pose)

    true = motion_between(views[0], views[5])
    assert RigidMotion.between(begun[1], true).angle < 0.003


def test_maps_keep_their_kinds_and_bytes_stay_bytes(room, views):
    follower = MapFollower(SIZE)
    mask = (np.indices(SIZE).sum(axis=0) // 40 % 7).astype(np.uint8)
    follower.keep(frame_of(views[0], 0, room, mask=mask, edges=mask * 30, confidence=mask))

    maps = follow(follower, views, 1).maps

    assert {name: values.dtype.name for name, values in maps.items()} == {
        'depth': 'float32', 'mask': 'uint8', 'edges': 'uint8', 'confidence': 'uint8'}
    assert set(np.unique(maps['mask'])) <= set(range(7))


def test_without_a_calibration_depth_stays_as_it_is(room, views):
    follower = MapFollower(SIZE)
    given = frame_of(views[0], 0, room)
    follower.keep(NetworkFrame(given.maps, given.image, 0, None))

    found = follow(follower, views, 1)

    assert not found.estimate.scaled and wrong(found, views[1]) < 0.05


def test_an_image_that_does_not_follow_gets_no_maps_and_the_reason_is_said(room, views):
    follower = MapFollower(SIZE)
    follower.keep(frame_of(views[0], 0, room))

    found = follower.follow(np.zeros((*SIZE, 3), np.uint8), PERIOD_NS)

    assert found.maps is None and 'the motion of the camera is not sure' in found.reason


def test_a_camera_that_went_too_far_is_followed_by_way_of_the_image_before(
        room, views, monkeypatch):
    follower = MapFollower(SIZE)
    follower.keep(frame_of(views[0], 0, room))
    follow(follower, views, 1)
    unsure = MotionEstimate(RigidMotion.none(), 0.2, 'images')
    monkeypatch.setattr(follower._aligner, 'estimate', lambda *views, start: unsure)

    found = follow(follower, views, 2, 3)

    assert found.estimate.motion.angle == pytest.approx(0.03, rel=0.1)
    assert wrong(found, views[3]) < 0.05


def test_maps_that_are_too_old_are_carried_nowhere(room, views):
    follower = MapFollower(SIZE)
    follower.keep(frame_of(views[0], 0, room))

    found = follower.follow(views[0].image.numpy(), int(OLDEST_S * 1e9) + 1)

    assert found.maps is None and 'older than the image' in found.reason


def test_nothing_is_carried_over_a_break(room, views):
    follower = MapFollower(SIZE)
    follower.keep(frame_of(views[0], 0, room))
    follow(follower, views, 1)

    follower.forget()

    assert follow(follower, views, 2).reason == 'no maps have been computed yet'


NAMES = ('mask', 'confidence', 'depth', 'normals', 'edges')
START = pose()
LATER = pose((0.02, -0.06, 0.03), (0.1, 0.02, 0.1))


def carrier():
    """Return a carrier of what the scene shows from the start."""
    made = MapCarrier(SCENE_SIZE, NAMES)
    maps = view(START)
    made.keep(maps, maps['image'], CAMERA)
    return made


def test_maps_are_moved_to_a_later_view():
    carried = carrier().carry(RigidMotion.between(START, LATER))

    true, seen = view(LATER), carried.seen
    error = ((carried.maps['depth'] - true['depth']).abs() / true['depth'])[seen]
    sine = torch.linalg.cross(carried.maps['normals'], true['normals']).norm(dim=-1)[seen]
    assert (carried.maps['mask'] == true['mask'])[seen].float().mean() > 0.985
    assert (error < 0.01).float().mean() > 0.975
    assert (sine < 0.01).float().mean() > 0.98
    assert (seen.numpy() == truly_seen(LATER, START)).mean() > 0.97


def test_each_view_is_seen_from_the_frame_itself():
    made = carrier()
    made.carry(RigidMotion.between(START, pose(at=(2.0, 0.0, 0.0))))

    back = made.carry(RigidMotion.none())

    assert torch.equal(back.maps['mask'], view(START)['mask'])
    assert torch.equal(back.maps['depth'], view(START)['depth'])
    assert back.seen.all()


def test_the_maps_of_a_new_frame_take_the_place_of_those_before():
    made = carrier()
    maps = view(LATER)
    made.keep(maps, maps['image'], CAMERA)

    carried = made.carry(RigidMotion.none())

    assert torch.equal(carried.maps['mask'], maps['mask'])


def test_without_a_frame_nothing_is_carried():
    assert MapCarrier(SCENE_SIZE, NAMES).carry(RigidMotion.none()) is None
