"""How the image moves when the camera does, and whether the camera stands still."""

import numpy as np
import pytest
import torch

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.motion.image_motion import image_flow, MOVING, PATIENCE, RestDetector, STILL
from mtshare_ros.motion.rigid import RigidMotion

SIZE = (48, 64)
CAMERA = Pinhole(100.0, 100.0, 31.5, 23.5)


def shifted(x=0.0, y=0.0, z=0.0):
    return RigidMotion(np.eye(3), np.array([x, y, z]))


def test_nothing_moves_while_the_camera_stands():
    flow = image_flow(torch.ones(SIZE), SIZE, CAMERA, RigidMotion.none())

    assert flow.length == 0 and flow.median == (0, 0)


def test_a_turn_moves_near_and_far_alike():
    turn = RigidMotion.turned(np.array([0.0, 0.02, 0.0]))
    near, far = (image_flow(torch.full(SIZE, z), SIZE, CAMERA, turn) for z in (0.5, 50.0))

    assert near.median == pytest.approx(far.median)
    assert near.median[1] == pytest.approx(2, abs=0.2) and abs(near.median[0]) < 0.1


def test_a_step_aside_moves_what_is_near_by_more():
    near, far = (image_flow(torch.full(SIZE, z), SIZE, CAMERA, shifted(x=0.1)) for z in (1.0, 4.0))

    assert near.median[1] == pytest.approx(10) and far.median[1] == pytest.approx(2.5)


@pytest.mark.parametrize('unknown', [float('nan'), 0.0, float('inf')])
def test_what_has_no_depth_counts_as_far_away(unknown):
    flow = image_flow(torch.full(SIZE, unknown), SIZE, CAMERA, shifted(x=0.1))

    assert flow.length == pytest.approx(0, abs=1e-4)
    assert flow.length == image_flow(None, SIZE, CAMERA, shifted(x=0.1)).length


def test_points_that_come_to_lie_behind_the_camera_are_left_out():
    depth = torch.full(SIZE, 5.0)
    depth[:, :32] = 0.5
    half = image_flow(depth, SIZE, CAMERA, shifted(z=-1.0))

    assert half.down.size == image_flow(depth, SIZE, CAMERA, RigidMotion.none()).down.size // 2
    assert image_flow(torch.ones(SIZE), SIZE, CAMERA, shifted(z=-2.0)).length == 0


def observed(*shifts):
    """Return what a detector says after some frames."""
    detector = RestDetector()
    return [detector.observe(shift) for shift in shifts][-1]


def test_a_camera_stands_still_until_it_moves():
    assert observed(0.0)
    assert not observed(2 * MOVING)


def test_one_frame_without_motion_does_not_make_a_moving_camera_stand():
    assert not observed(2.0, 0.0)
    assert not observed(2.0, *[0.0] * (PATIENCE - 1))
    assert observed(2.0, *[0.0] * PATIENCE)


def test_every_motion_restarts_the_count_of_still_frames():
    assert not observed(2.0, *[0.0] * (PATIENCE - 1), STILL, *[0.0] * (PATIENCE - 1))


def test_a_tremble_between_the_two_thresholds_changes_nothing():
    between = (STILL + MOVING) / 2

    assert observed(*[between] * 10)
    assert not observed(2.0, *[between] * 10)
