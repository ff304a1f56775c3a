"""The transforms of a robot tell where its camera is, or why they do not."""

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
import numpy as np
import pytest
from std_msgs.msg import Header

from mtshare_ros.motion.rigid import rotation_vector
from mtshare_ros.nodes.perception.camera_poses import BEYOND_S, MOST_FRAMES, TransformTree

SECOND = 1_000_000_000
HALF_TURN_ABOUT_Z = Quaternion(z=1.0, w=0.0)


def told(parent, child, at_s=0.0, x=0.0, rotation=None):
    """Return the transform of a frame that stands at x metres in its parent."""
    whole, rest = divmod(round(at_s * SECOND), SECOND)
    return TransformStamped(
        header=Header(stamp=Time(sec=whole, nanosec=rest), frame_id=parent), child_frame_id=child,
        transform=Transform(translation=Vector3(x=x), rotation=rotation or Quaternion(w=1.0)))


def place(found):
    return found.motion.translation.tolist()


@pytest.fixture
def robot():
    """Lend the tree of a robot that drives at 1 m/s, with a camera 0.2 m before its centre."""
    tree = TransformTree()
    tree.add([told('base', 'camera', x=0.2)], resting=True)
    tree.add([told('odom', 'base')])
    tree.pose('camera', 'odom', 0)  # what nobody has asked for is not kept
    tree.add([told('odom', 'base', at_s=0.1 * i, x=0.1 * i) for i in range(11)])
    return tree


def test_a_pose_between_two_transforms_is_interpolated_and_carried_on_to_the_camera(robot):
    found = robot.pose('camera', 'odom', int(0.55 * SECOND))

    np.testing.assert_allclose(place(found), [0.75, 0, 0], atol=1e-9)
    assert found.late_ns == 0


def test_a_frame_that_ros_1_wrote_with_a_slash_is_the_same(robot):
    np.testing.assert_allclose(
        place(robot.pose('/camera', '/odom', SECOND // 2)), [0.7, 0, 0], atol=1e-9)


def test_an_image_newer_than_the_newest_transform_gets_a_pose_and_its_lateness(robot):
    found = robot.pose('camera', 'odom', int(1.1 * SECOND))

    np.testing.assert_allclose(place(found), [1.3, 0, 0], atol=1e-9)
    assert found.late_ns == pytest.approx(0.1 * SECOND)


@pytest.mark.fault(34)
def test_an_image_much_newer_than_the_newest_transform_gets_none_and_the_age_is_said(robot):
    found = robot.pose('camera', 'odom', int((1.1 + BEYOND_S) * SECOND))

    assert found.motion is None
    assert "of 'base' in 'odom' the newest pose is 0.300 s older" in found.reason


def test_the_fixed_frame_may_stand_anywhere_in_the_tree(robot):
    robot.add([told('odom', 'map_marker', x=5.0, rotation=HALF_TURN_ABOUT_Z)], resting=True)

    found = robot.pose('camera', 'map_marker', SECOND)

    np.testing.assert_allclose(place(found), [5.0 - 1.2, 0, 0], atol=1e-9)
    np.testing.assert_allclose(np.abs(rotation_vector(found.motion.rotation)), [0, 0, np.pi])


@pytest.mark.parametrize(('frame', 'fixed', 'words'), [
    ('lidar', 'odom', "nobody tells where a frame 'lidar' is; known are 'base', 'camera', 'odom'"),
    ('camera', 'map', "nobody tells where a frame 'map' is"),
])
def test_a_frame_that_nobody_tells_is_named_with_those_that_are_known(robot, frame, fixed, words):
    assert words in robot.pose(frame, fixed, SECOND).reason


def test_two_frames_without_a_connection_are_named(robot):
    robot.add([told('map', 'dock')], resting=True)

    assert "connect 'camera' with 'map'" in robot.pose('camera', 'map', SECOND).reason


def test_before_any_transform_that_is_what_is_said():
    assert TransformTree().pose('camera', 'odom', 0).reason == 'no transform has come yet'


def test_a_circle_of_frames_ends_the_search():
    tree = TransformTree()
    tree.add([told('a', 'b'), told('b', 'a')], resting=True)

    assert tree.pose('a', 'odom', 0).motion is None


@pytest.mark.parametrize('rotation', [Quaternion(w=0.0), Quaternion(w=float('nan'))])
def test_a_transform_without_a_rotation_is_left_out(robot, rotation):
    robot.add([told('odom', 'base', at_s=0.55, x=9.0, rotation=rotation)])

    np.testing.assert_allclose(
        place(robot.pose('camera', 'odom', int(0.55 * SECOND))), [0.75, 0, 0], atol=1e-9)


def test_frames_without_end_are_not_remembered_without_end(robot):
    robot.add([told('base', f'frame {i}') for i in range(2 * MOST_FRAMES)])

    assert robot.pose(f'frame {2 * MOST_FRAMES - 1}', 'odom', 0).motion is None
    assert robot.pose('camera', 'odom', SECOND).motion is not None


def test_a_frame_that_is_moved_to_another_parent_stands_there_alone(robot):
    robot.add([told('lift', 'camera', x=3.0)], resting=True)

    assert "connect 'camera' with 'odom'" in robot.pose('camera', 'odom', SECOND).reason
    assert place(robot.pose('camera', 'lift', SECOND)) == [3.0, 0, 0]
