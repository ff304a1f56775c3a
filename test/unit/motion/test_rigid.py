"""Motions of a camera: composed, undone, and between two poses."""

import math

import numpy as np
import pytest

from mtshare_ros.motion.rigid import RigidMotion, rotation_about, rotation_vector


@pytest.fixture
def motion():
    """Return a turn of 0.3 rad about a slanted axis, and a shift."""
    axis = np.array([1.0, -2.0, 0.5])
    return RigidMotion.turned(0.3 * axis / np.linalg.norm(axis), np.array([0.1, 0.2, -0.3]))


def test_a_motion_and_its_inverse_leave_points_where_they_are(motion):
    points = np.arange(12.0).reshape(4, 3)

    np.testing.assert_allclose(motion.inverse().moved(motion.moved(points)), points, atol=1e-12)


def test_motions_follow_each_other(motion):
    other = RigidMotion.turned(np.array([0.0, 0.0, 0.2]), np.array([1.0, 0.0, 0.0]))
    points = np.arange(6.0).reshape(2, 3)

    np.testing.assert_allclose(
        other.after(motion).moved(points), other.moved(motion.moved(points)))


def test_a_point_that_a_camera_walks_towards_comes_nearer():
    later = RigidMotion(np.eye(3), np.array([0.0, 0.0, 1.0]))

    between = RigidMotion.between(RigidMotion.none(), later)

    np.testing.assert_allclose(between.moved(np.array([0.0, 0.0, 5.0])), [0.0, 0.0, 4.0])


def test_the_angle_of_a_turn_is_known(motion):
    assert math.isclose(motion.angle, 0.3)
    assert RigidMotion.none().angle == 0.0
    assert math.isclose(RigidMotion.turned(np.array([math.pi, 0, 0])).angle, math.pi)


@pytest.mark.parametrize('angle', [0.0, 1e-9, 0.3, 2.0, math.pi - 1e-7, math.pi])
@pytest.mark.parametrize('axis', [(1, 0, 0), (0, -1, 0), (0.6, 0, 0.8), (-0.36, 0.48, 0.8)])
def test_the_axis_of_a_rotation_is_found_again(angle, axis):
    rotation = rotation_about(angle * np.array(axis, float))

    np.testing.assert_allclose(rotation_about(rotation_vector(rotation)), rotation, atol=1e-9)


def test_half_way_between_two_poses_is_half_the_turn_and_half_the_way(motion):
    later = RigidMotion.turned(np.array([0.0, 0.4, 0.0]), np.array([1.0, 0.0, 0.0])).after(motion)

    halfway = RigidMotion.interpolated(motion, later, 0.5)

    np.testing.assert_allclose(
        halfway.rotation, rotation_about(np.array([0.0, 0.2, 0.0])) @ motion.rotation)
    np.testing.assert_allclose(
        halfway.translation, (motion.translation + later.translation) / 2)
