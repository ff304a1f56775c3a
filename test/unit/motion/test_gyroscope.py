"""Turns of a camera from the rates of an IMU, and what is said where rates are missing."""

import math

import numpy as np
import pytest

from mtshare_ros.motion.gyroscope import Gyroscope
from mtshare_ros.motion.rigid import rotation_about

MILLISECOND = 1_000_000
START = 1_700_000_000_000_000_000


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
