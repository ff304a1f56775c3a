"""The motion of a camera is found from rendered images of it, whose true motion is known."""

import numpy as np
import pytest
from rendered import CALM, estimated, flow_error, motion_between, PLAIN_ROOM, Room, SIZE
import torch
from torch.nn import functional as F

from mtshare_ros.motion.alignment import Aligner, TRUSTED_CONFIDENCE
from mtshare_ros.motion.rigid import RigidMotion


def test_a_small_motion_is_found_to_a_tenth_of_a_pixel(room, view, later):
    found = estimated(view, later.image, room.camera)

    true = motion_between(view, later)
    assert flow_error(found.motion, true, view.depth, room.camera) < 0.1
    assert found.confidence > 0.8 and found.scaled and found.source == 'images'


def test_a_camera_at_rest_does_not_move_at_all(room, view):
    image = room.moved(1, RigidMotion.between(room.on_path(1).pose, view.pose)).image
    assert (image != view.image).any()  # the noise is another

    found = estimated(view, image, room.camera)

    assert found.motion.angle == 0 and not found.motion.translation.any()
    assert found.confidence > 0.8


def test_a_turn_by_a_fifth_of_a_pixel_is_no_rest(room, view):
    other = room.moved(0, RigidMotion.turned(np.array([0.0, 0.2 / 277, 0.0])))

    found = estimated(view, other.image, room.camera)

    assert found.motion.angle == pytest.approx(0.2 / 277, rel=0.4)


def test_soft_depth_does_little_harm(room, view, later):
    soft = F.avg_pool2d(view.depth[None, None], 17, stride=1, padding=8, count_include_pad=False)

    found = Aligner(SIZE).estimate(view.image, soft[0, 0], later.image, room.camera)

    true = motion_between(view, later)
    assert flow_error(found.motion, true, view.depth, room.camera) < 0.2


@pytest.mark.parametrize('turn', [(0, 0.11, 0), (0.1, 0, 0), (-0.06, -0.09, 0.03)])
def test_a_sudden_turn_by_thirty_pixels_is_found(room, view, turn):
    other = room.moved(0, RigidMotion.turned(np.array(turn)))

    found = estimated(view, other.image, room.camera)

    true = motion_between(view, other)
    assert flow_error(found.motion, true, view.depth, room.camera) < 0.2
    assert found.confidence > 0.8


def test_a_larger_turn_is_found_from_where_a_gyroscope_says(room, view):
    other = room.moved(0, RigidMotion.turned(np.array([0.0, 0.4, 0.0])))
    roughly = RigidMotion.turned(np.array([0.01, 0.39, 0.0]))

    found = estimated(view, other.image, room.camera, start=roughly)

    true = motion_between(view, other)
    assert flow_error(found.motion, true, view.depth, room.camera) < 0.2
    assert estimated(view, other.image, room.camera).confidence < TRUSTED_CONFIDENCE


def test_a_start_that_knows_only_turns_does_no_harm(room, view):
    forward = RigidMotion.turned(np.array([0.02, -0.1, 0.0]), np.array([0.0, 0.0, -0.25]))
    other = room.moved(0, forward)

    found = estimated(view, other.image, room.camera, start=RigidMotion.turned([0.02, -0.1, 0.0]))

    assert flow_error(found.motion, forward, view.depth, room.camera) < 0.3


def test_an_odometry_decides_where_carts_and_a_wall_agree_on_another_motion():
    room = Room(PLAIN_ROOM, 'drive-1')
    view, later = room.on_path(20), room.on_path(25)
    true = motion_between(view, later)

    found = estimated(view, later.image, room.camera, start=true)

    assert flow_error(found.motion, true, view.depth, room.camera) < 0.2


def test_a_wrong_start_does_no_harm(room, view, later):
    found = estimated(view, later.image, room.camera,
                      start=RigidMotion.turned(np.array([0.2, -0.3, 0.0])))

    true = motion_between(view, later)
    assert flow_error(found.motion, true, view.depth, room.camera) < 0.1


@pytest.mark.parametrize('gain, bias', [(0.7, 0), (1.3, 0), (0.9, 25), (1.0, -30)])
def test_another_exposure_does_no_harm(room, view, later, gain, bias):
    image = (later.image.float() * gain + bias).clamp(0, 255).byte()

    found = estimated(view, image, room.camera)

    true = motion_between(view, later)
    assert flow_error(found.motion, true, view.depth, room.camera) < 0.2
    assert found.confidence > 0.7


def test_what_is_not_to_be_trusted_is_left_out(room, view, later, elsewhere):
    reference, trusted = view.image.clone(), torch.ones(SIZE, dtype=torch.bool)
    reference[:, :200], trusted[:, :200] = elsewhere.image[:, :200], False

    found = Aligner(SIZE).estimate(
        reference, view.depth, later.image, room.camera, trusted=trusted)

    true = motion_between(view, later)
    assert flow_error(found.motion, true, view.depth, room.camera) < 0.2
    assert found.confidence > 0.7


def test_depth_that_is_missing_is_left_out(room, view, later):
    depth = view.depth.clone()
    depth[:120], depth[120:150] = float('nan'), 0.0

    found = Aligner(SIZE).estimate(view.image, depth, later.image, room.camera)

    true = motion_between(view, later)
    assert flow_error(found.motion, true, view.depth, room.camera) < 0.2


@pytest.mark.parametrize('with_camera, with_depth', [(False, True), (True, False)])
def test_without_camera_or_depth_it_is_turns_alone_and_said_so(
        room, view, with_camera, with_depth):
    other = room.moved(0, RigidMotion.turned(np.array([0.01, -0.02, 0.03])))

    found = Aligner(SIZE).estimate(
        view.image, view.depth if with_depth else None, other.image,
        room.camera if with_camera else None)

    true = motion_between(view, other)
    assert flow_error(found.motion, true, view.depth, room.camera) < 0.3
    assert not found.scaled and found.confidence > 0.7


def test_without_depth_what_comes_nearer_grows(room, view):
    other = room.moved(0, RigidMotion(np.eye(3), np.array([0.0, 0.0, -0.1])))

    found = Aligner(SIZE).estimate(view.image, None, other.image, None)

    nearer = -float(found.motion.translation[2])
    assert nearer == pytest.approx(0.1 / float(view.depth.median()), rel=0.3)


def test_a_view_twice_as_large_takes_as_many_steps_and_is_as_sure():
    room = Room(CALM, 'handheld-4', (480, 640))
    view, later = room.on_path(0), room.on_path(3)

    found = Aligner((480, 640)).estimate(view.image, view.depth, later.image, room.camera)

    assert flow_error(found.motion, motion_between(view, later), view.depth, room.camera) < 0.2
    assert found.confidence > 0.8


@pytest.mark.parametrize('size', [(101, 147), (64, 64), (32, 200)])
def test_views_of_any_size_are_aligned(size):
    room = Room(CALM, 'handheld-4', size)
    view, later = room.on_path(0), room.on_path(2)

    found = Aligner(size).estimate(view.image, view.depth, later.image, room.camera)

    assert flow_error(found.motion, motion_between(view, later), view.depth, room.camera) < 0.3


def test_the_last_motion_is_where_the_next_search_begins(room, view):
    step = RigidMotion.turned(np.array([0.0, 0.13, 0.0]))
    views = [view, *(room.moved(0, RigidMotion.turned(np.array([0.0, 0.13 * n, 0.0])))
                     for n in (1, 2))]
    aligner = Aligner(SIZE)
    aligner.estimate(view.image, view.depth, views[1].image, room.camera, start=step)

    found = aligner.estimate(views[1].image, views[1].depth, views[2].image, room.camera)

    assert flow_error(found.motion, step, views[1].depth, room.camera) < 0.2


def test_a_lost_track_is_found_again(room, view, later, elsewhere):
    aligner = Aligner(SIZE)
    aligner.estimate(view.image, view.depth, elsewhere.image, room.camera)

    found = aligner.estimate(view.image, view.depth, later.image, room.camera)

    assert flow_error(found.motion, motion_between(view, later), view.depth, room.camera) < 0.1
