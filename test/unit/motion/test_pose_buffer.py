"""Poses between the stamps of an odometry, and what is said where there is none."""

import numpy as np
import pytest

from mtshare_ros.motion.pose_buffer import PoseBuffer
from mtshare_ros.motion.rigid import RigidMotion

MILLISECOND = 1_000_000
START = 1_700_000_000_000_000_000


def pose(angle, forward):
    """Return a camera turned about its vertical axis and gone forward."""
    return RigidMotion.turned(np.array([0.0, angle, 0.0]), np.array([0.0, 0.0, forward]))


@pytest.fixture
def poses():
    """Return poses at 0 and 100 ms, 0.2 rad and half a metre apart."""
    buffer = PoseBuffer(beyond_s=0.05)
    buffer.add(START, pose(0.0, 1.0))
    buffer.add(START + 100 * MILLISECOND, pose(0.2, 1.5))
    return buffer


def same(found, expected):
    """Whether a lookup found the expected pose."""
    return (np.allclose(found.motion.rotation, expected.rotation)
            and np.allclose(found.motion.translation, expected.translation))


def test_a_pose_between_two_turns_and_moves_evenly(poses):
    found = poses.at(START + 25 * MILLISECOND)

    assert same(found, pose(0.05, 1.125)) and found.late_ns == 0


@pytest.mark.parametrize('after', [0, 100])
def test_at_the_stamp_of_a_pose_it_is_that_pose(poses, after):
    assert same(poses.at(START + after * MILLISECOND), pose(0.002 * after, 1 + 0.005 * after))


def test_shortly_after_the_newest_pose_the_motion_goes_on(poses):
    found = poses.at(START + 150 * MILLISECOND)

    assert same(found, pose(0.3, 1.75)) and found.late_ns == 50 * MILLISECOND


def test_long_after_the_newest_pose_its_age_is_said(poses):
    found = poses.at(START + 450 * MILLISECOND)

    assert found.motion is None and found.late_ns == 350 * MILLISECOND
    assert found.reason == 'the newest pose is 0.350 s older than the image'


def test_before_the_oldest_pose_there_is_none(poses):
    assert poses.at(START - 20 * MILLISECOND).reason == (
        'the oldest pose is 0.020 s newer than the image')


def test_poses_far_apart_are_not_interpolated(poses):
    poses.add(START + 2_000 * MILLISECOND, pose(1.0, 2.0))

    assert poses.at(START + 1_000 * MILLISECOND).reason == (
        'the poses about the image are 1.900 s apart')


def test_without_any_pose_that_is_said():
    assert PoseBuffer().at(START).reason == 'no pose has come yet'


def test_one_pose_alone_holds_at_its_stamp():
    buffer = PoseBuffer()
    buffer.add(START, pose(0.1, 1.0))

    assert same(buffer.at(START), pose(0.1, 1.0))


def test_a_pose_that_comes_late_is_put_where_it_belongs(poses):
    poses.add(START + 50 * MILLISECOND, pose(0.0, 1.0))

    assert same(poses.at(START + 25 * MILLISECOND), pose(0.0, 1.0))


def test_a_pose_that_is_sent_again_replaces_the_first(poses):
    poses.add(START + 100 * MILLISECOND, pose(0.4, 1.5))

    assert same(poses.at(START + 50 * MILLISECOND), pose(0.2, 1.25))


def test_a_clock_that_is_set_back_begins_anew(poses):
    poses.add(START - 60_000 * MILLISECOND, pose(0.7, 3.0))

    assert same(poses.at(START - 60_000 * MILLISECOND), pose(0.7, 3.0))
    assert poses.at(START + 50 * MILLISECOND).motion is None


def test_old_poses_are_forgotten():
    buffer = PoseBuffer(kept_s=1.0)
    for index in range(1000):
        buffer.add(START + index * 10 * MILLISECOND, pose(0.0, 0.0))

    assert buffer.at(START).motion is None
    assert buffer.at(START + 9_500 * MILLISECOND).motion is not None


def test_a_pose_that_is_no_number_is_said(poses):
    poses.add(START + 50 * MILLISECOND, pose(float('nan'), 1.0))

    assert poses.at(START + 40 * MILLISECOND).reason == (
        'the poses about the image are not finite')


def test_between_two_stamps_it_is_the_motion_of_the_points(poses):
    found = poses.between(START, START + 100 * MILLISECOND)

    assert same(found, RigidMotion.between(pose(0.0, 1.0), pose(0.2, 1.5)))


def test_between_two_stamps_the_missing_one_is_said(poses):
    assert 'newer than the image' in poses.between(START - MILLISECOND, START).reason
    assert 'older than the image' in poses.between(START, START + 10**12).reason
