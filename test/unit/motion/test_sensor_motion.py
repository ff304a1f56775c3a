"""Where the camera stood at a stamp, and how it turned between two, from other sensors."""

import math

import numpy as np
import pytest

from mtshare_ros.motion.rigid import RigidMotion, rotation_about
from mtshare_ros.motion.sensor_motion import Gyroscope, PoseBuffer

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


@pytest.mark.parametrize('at, after', [(0.2, 100), (1.0, 2_000)])
def test_a_pose_far_from_the_others_holds_at_its_stamp(poses, at, after):
    poses.add(START + 2_000 * MILLISECOND, pose(1.0, 2.0))

    assert same(poses.at(START + after * MILLISECOND), pose(at, 1.5 if at < 1 else 2.0))


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


def test_a_clock_that_is_set_back_starts_anew(poses):
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


def filled(gyroscope, rates, milliseconds=200, step=5):
    """Return a gyroscope with rates (3,) at each time in seconds, as a function gives them."""
    for time in range(0, milliseconds + 1, step):
        gyroscope.add(START + time * MILLISECOND, rates(time / 1000))
    return gyroscope


def steady(rates):
    """Return a function of time that does not change."""
    return lambda time: np.array(rates)


def test_points_turn_against_the_camera():
    found = filled(Gyroscope(), steady([0.0, 1.0, 0.0])).between(
        START, START + 100 * MILLISECOND)

    ahead = found.motion.moved(np.array([0.0, 0.0, 1.0]))

    np.testing.assert_allclose(ahead, [-math.sin(0.1), 0.0, math.cos(0.1)], atol=1e-12)
    assert not found.motion.translation.any()


def test_stamps_between_the_samples_count_exactly():
    found = filled(Gyroscope(), steady([0.0, 0.0, 2.0])).between(
        START + 2 * MILLISECOND, START + 33 * MILLISECOND)

    assert math.isclose(found.motion.angle, 2 * 0.031)


def test_rates_that_change_are_integrated():
    found = filled(Gyroscope(), lambda time: np.array([3 * time, 0.0, 0.0])).between(
        START, START + 200 * MILLISECOND)

    assert math.isclose(found.motion.angle, 3 * 0.2 ** 2 / 2)


def test_turns_about_changing_axes_follow_each_other():
    def rates(time):
        return np.array([0.0, 5.0, 0.0] if time < 0.1 else [5.0, 0.0, 0.0])

    found = filled(Gyroscope(), rates, step=1).between(START, START + 200 * MILLISECOND)

    expected = rotation_about(np.array([-0.5, 0, 0])) @ rotation_about(np.array([0, -0.5, 0]))
    np.testing.assert_allclose(found.motion.rotation, expected, atol=5e-3)


def test_the_mounting_of_the_imu_is_taken_into_account():
    camera_from_imu = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # x forward to z forward
    about_its_z = filled(Gyroscope(camera_from_imu), steady([0.0, 0.0, 1.0]))
    about_minus_y = filled(Gyroscope(), steady([0.0, -1.0, 0.0]))

    turns = [gyroscope.between(START, START + 50 * MILLISECOND).motion.rotation
             for gyroscope in (about_its_z, about_minus_y)]

    np.testing.assert_allclose(*turns)


def test_the_last_rate_holds_for_a_moment():
    found = filled(Gyroscope(), steady([1.0, 0.0, 0.0])).between(
        START + 190 * MILLISECOND, START + 215 * MILLISECOND)

    assert math.isclose(found.motion.angle, 0.025) and found.late_ns == 15 * MILLISECOND


@pytest.mark.parametrize('earlier, later, reason', [
    (100, 300, 'the newest rate is 0.100 s older than the image'),
    (-100, 100, 'the oldest rate is 0.100 s newer than the image'),
    (100, 60, 'the image is 0.040 s older than the one before'),
])
def test_what_is_missing_is_said(earlier, later, reason):
    gyroscope = filled(Gyroscope(), steady([1.0, 0.0, 0.0]))

    found = gyroscope.between(START + earlier * MILLISECOND, START + later * MILLISECOND)

    assert found.motion is None and found.reason == reason


def test_a_gap_between_rates_is_said():
    gyroscope = filled(Gyroscope(), steady([1.0, 0.0, 0.0]), step=100)

    assert gyroscope.between(START, START + 100 * MILLISECOND).reason == (
        'the rates between the images are 0.100 s apart')


def test_without_any_rate_that_is_said():
    assert Gyroscope().between(START, START + MILLISECOND).reason == 'no rate has come yet'


def test_a_rate_that_is_no_number_is_said():
    gyroscope = filled(Gyroscope(), steady([1.0, math.nan, 0.0]))

    assert gyroscope.between(START, START + 50 * MILLISECOND).reason == (
        'the rates between the images are not finite')
