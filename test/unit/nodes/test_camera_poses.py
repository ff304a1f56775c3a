"""Transforms and a gyroscope tell where the camera was when an image was taken."""

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
import numpy as np
import pytest
from sensor_msgs.msg import Imu as ImuMessage
from std_msgs.msg import Header

from mtshare_ros.motion.rigid import RigidMotion, rotation_vector
from mtshare_ros.motion.sensor_motion import Lookup
from mtshare_ros.motion.transform_tree import BEYOND_S, MOST_FRAMES, TransformTree
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.perception.camera_poses import GyroscopePoses, Imu
from mtshare_ros.nodes.perception.frame_reports import PATIENCE_S, PoseWatch

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
    tree.add([told('base', 'camera', x=0.2)], static=True)
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
    robot.add([told('odom', 'map_marker', x=5.0, rotation=HALF_TURN_ABOUT_Z)], static=True)

    found = robot.pose('camera', 'map_marker', SECOND)

    np.testing.assert_allclose(place(found), [5.0 - 1.2, 0, 0], atol=1e-9)
    np.testing.assert_allclose(np.abs(rotation_vector(found.motion.rotation)), [0, 0, np.pi])


@pytest.mark.parametrize(('frame', 'fixed', 'words'), [
    ('lidar', 'odom', "no transform names a frame 'lidar'; known are 'base', 'camera', 'odom'"),
    ('camera', 'map', "no transform names a frame 'map'"),
])
def test_a_frame_that_nobody_tells_is_named_with_those_that_are_known(robot, frame, fixed, words):
    assert words in robot.pose(frame, fixed, SECOND).reason


def test_two_frames_without_a_connection_are_named(robot):
    robot.add([told('map', 'dock')], static=True)

    assert "connect 'camera' with 'map'" in robot.pose('camera', 'map', SECOND).reason


def test_before_any_transform_that_is_what_is_said():
    assert TransformTree().pose('camera', 'odom', 0).reason == 'no transform has come yet'


def test_a_circle_of_frames_ends_the_search():
    tree = TransformTree()
    tree.add([told('a', 'b'), told('b', 'a')], static=True)

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
    robot.add([told('lift', 'camera', x=3.0)], static=True)

    assert "connect 'camera' with 'odom'" in robot.pose('camera', 'odom', SECOND).reason
    assert place(robot.pose('camera', 'lift', SECOND)) == [3.0, 0, 0]


QUARTER_TURN_ABOUT_Z = RigidMotion.turned(np.array([0, 0, np.pi / 2]))


def header(at_s, frame='camera'):
    return Header(stamp=Time(sec=int(at_s), nanosec=round(at_s % 1 * 1e9)), frame_id=frame)


@pytest.fixture
def imu():
    """Lend an IMU in a frame of its own that turns about its x axis by 1 rad/s for two seconds."""
    made = Imu()
    for i in range(201):
        made.add(ImuMessage(header=header(i / 100, 'imu'), angular_velocity=Vector3(x=1.0)))
    return made


def nobody_knows(*_):
    return Lookup(None, reason="no transform names a frame 'imu'")


def test_poses_turn_as_the_imu_does_in_the_frame_of_the_camera(imu):
    poses = GyroscopePoses(imu, lambda frame, fixed, stamp: Lookup(QUARTER_TURN_ABOUT_Z))

    first, second, third = (poses.at(header(at_s)).motion for at_s in (0.5, 0.6, 0.8))

    np.testing.assert_allclose(
        rotation_vector(RigidMotion.between(first, second).inverse().rotation), [0, 0.1, 0],
        atol=1e-6)
    np.testing.assert_allclose(
        rotation_vector(RigidMotion.between(first, third).inverse().rotation), [0, 0.3, 0],
        atol=1e-6)
    assert not third.translation.any()


def test_an_imu_in_the_frame_of_the_camera_needs_no_transform(imu):
    poses = GyroscopePoses(imu, nobody_knows)

    poses.at(header(0.5, 'imu'))

    assert poses.at(header(0.6, 'imu')).motion.angle == pytest.approx(0.1)


def test_without_a_transform_from_the_imu_there_is_no_pose_and_the_reason_is_said(imu):
    poses = GyroscopePoses(imu, nobody_knows)

    poses.at(header(0.5))

    assert poses.at(header(0.6)).reason == (
        "how the IMU is mounted is not known: no transform names a frame 'imu'")


def test_after_rates_were_missing_poses_go_on_with_the_next_two_images(imu):
    poses = GyroscopePoses(imu, nobody_knows)
    missing = [poses.at(header(at_s, 'imu')).motion for at_s in (0.5, 5.0)][1]
    imu.add(ImuMessage(header=header(5.0, 'imu'), angular_velocity=Vector3(x=1.0)))
    imu.add(ImuMessage(header=header(5.05, 'imu'), angular_velocity=Vector3(x=1.0)))

    again = poses.at(header(5.05, 'imu')).motion

    assert missing is None and again is not None


class Log:
    """Keeps what is said."""

    def __init__(self):
        self.lines = []

    def warning(self, text):
        self.lines.append(('warning', text))

    def info(self, text):
        self.lines.append(('info', text))


@pytest.fixture
def watched():
    """Lend a watch with its log and a clock that is set by hand."""
    log, clock = Log(), [0.0]
    return PoseWatch(Notices(log), lambda: clock[0]), log, clock


def test_missing_poses_are_said_once_after_a_while_and_so_is_their_return(watched):
    watch, log, clock = watched
    for clock[0] in np.arange(0, 3 * PATIENCE_S, PATIENCE_S / 10):
        watch.note(Lookup(None, reason=f'the newest is {clock[0]:.2f} s old'))
    fault = watch.fault
    watch.note(Lookup(RigidMotion.none()))

    assert [level for level, _ in log.lines] == ['warning', 'info']
    assert 'no pose of the camera: the newest is 1.0' in log.lines[0][1]
    assert fault == 'the newest is 2.90 s old; the images decide'
    assert watch.fault == ''


def test_a_pose_that_is_late_now_and_then_is_no_news(watched):
    watch, log, clock = watched
    for clock[0] in np.arange(0, 3 * PATIENCE_S, PATIENCE_S / 2):
        watch.note(Lookup(None, reason='late'))
        watch.note(Lookup(RigidMotion.none()))

    assert not log.lines and not watch.fault


def test_where_nobody_is_asked_for_poses_none_are_missed(watched):
    watch, _, clock = watched
    watch.note(Lookup(None, reason='late'))
    clock[0] = 2 * PATIENCE_S
    watch.note(Lookup(None, reason='late'))

    watch.note(None)

    assert watch.fault == ''
