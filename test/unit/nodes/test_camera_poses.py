"""A gyroscope tells how the camera turned, and says what is missing."""

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Vector3
import numpy as np
import pytest
from sensor_msgs.msg import Imu as ImuMessage
from std_msgs.msg import Header

from mtshare_ros.motion.rigid import RigidMotion, rotation_vector
from mtshare_ros.motion.sensor_motion import Lookup
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.perception.camera_poses import GyroscopePoses, Imu
from mtshare_ros.nodes.perception.frame_reports import PATIENCE_S, PoseWatch

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
    return Lookup(None, reason="nobody tells where a frame 'imu' is")


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
        "how the IMU is mounted is not known: nobody tells where a frame 'imu' is")


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
