"""The pose of a camera at the stamp of an image, from what a bag holds."""

from dataclasses import replace
import sqlite3

import numpy as np
import pytest

pytest.importorskip('rosbags', reason='bags need the extra [bags]')

from bag_files import (  # noqa: E402
    camera_messages,
    header,
    IMAGE,
    make,
    PERIOD_NS,
    picture,
    START_NS,
    storage_file,
    write_bag,
)

from mtshare_ros.errors import ConfigError, RecordingError  # noqa: E402
from mtshare_ros.motion.rigid import quaternion_of, RigidMotion, rotation_of  # noqa: E402
from mtshare_ros.recording.bag import Bag  # noqa: E402
from mtshare_ros.recording.frames import RecordedFrame  # noqa: E402
from mtshare_ros.recording.recorded_poses import PoseChoice, RecordedPoses  # noqa: E402

ODOMETRY = PoseChoice(topic='/odom')
MAP = PoseChoice(frame='map')
MOUNTED = RigidMotion.turned(np.array([0.0, 0.0, np.pi / 2]), np.array([0.2, 0.0, 1.0]))
"""The camera looks to the left of its base, one metre above it."""


def base(seconds):
    """Return where the base is: it drives at 1 m/s and turns by 0.5 rad/s about z."""
    return RigidMotion.turned(np.array([0.0, 0.0, 0.5 * seconds]), np.array([seconds, 0.0, 0.0]))


def pose(motion):
    x, y, z = motion.translation.tolist()
    turn = dict(zip('xyzw', quaternion_of(motion.rotation).tolist()))
    return make('geometry_msgs/msg/Pose', position=make('geometry_msgs/msg/Point', x=x, y=y, z=z),
                orientation=make('geometry_msgs/msg/Quaternion', **turn))


def transform(parent, child, motion, stamp_ns=START_NS):
    told = pose(motion)
    return make('geometry_msgs/msg/TransformStamped', header=header(stamp_ns, parent),
                child_frame_id=child, transform=make(
                    'geometry_msgs/msg/Transform', translation=make(
                        'geometry_msgs/msg/Vector3', x=told.position.x, y=told.position.y,
                        z=told.position.z), rotation=told.orientation))


def transforms(*rows):
    return make('tf2_msgs/msg/TFMessage', transforms=list(rows))


def odometry(motion, stamp_ns, child='base'):
    with_covariance = make('geometry_msgs/msg/PoseWithCovariance', pose=pose(motion),
                           covariance=np.zeros(36))
    still = make('geometry_msgs/msg/Vector3', x=0.0, y=0.0, z=0.0)
    twist = make('geometry_msgs/msg/TwistWithCovariance', covariance=np.zeros(36), twist=make(
        'geometry_msgs/msg/Twist', linear=still, angular=still))
    return make('nav_msgs/msg/Odometry', header=header(stamp_ns, 'odom'), child_frame_id=child,
                pose=with_covariance, twist=twist)


def pose_stamped(motion, stamp_ns):
    return make('geometry_msgs/msg/PoseStamped', header=header(stamp_ns, 'map'),
                pose=pose(motion))


def pose_with_covariance(motion, stamp_ns):
    return make('geometry_msgs/msg/PoseWithCovarianceStamped', header=header(stamp_ns, 'map'),
                pose=make('geometry_msgs/msg/PoseWithCovariance', pose=pose(motion),
                          covariance=np.zeros(36)))


def transform_stamped(motion, stamp_ns):
    return transform('map', 'lens', motion, stamp_ns)


def at(seconds):
    return START_NS + round(seconds * 1e9)


def recorded(topic, make_message, stops=60):
    """Return messages every 0.1 s, recorded 20 ms after their stamps."""
    return [(topic, at(0.1 * i + 0.02), make_message(base(0.1 * i), at(0.1 * i)))
            for i in range(stops)]


def robot(first=0.0, last=6.0, period=0.1):
    """Return the transforms of a robot that drives in the map; the static one comes last."""
    stamps = np.arange(first, last, period)
    rows = [('/tf', at(s + 0.02), transforms(
        transform('odom', 'base', base(s), at(s)), transform('base', 'wheel', base(9 * s), at(s))))
        for s in stamps]
    fixed = transforms(transform('base', 'lens', MOUNTED),
                       transform('map', 'odom', RigidMotion.turned(np.zeros(3))))
    return [*rows, ('/tf_static', at(8.0), fixed)]


def frame(seconds, frame_id='lens', late_s=0.03):
    """Return an image; its stamp is in seconds from the beginning of the bag."""
    return RecordedFrame(picture(0), at(seconds + late_s), f'{seconds}', None, at(seconds),
                         frame_id)


@pytest.fixture
def opened(tmp_path):
    """Return a function that writes a bag and returns its poses for one segment."""
    bags = []

    def write(messages, choice=MAP, say=lambda line: None, storage='mcap'):
        path = write_bag(tmp_path / 'in', sorted(messages, key=lambda row: row[1]), storage)
        bags.append(Bag(path))
        return RecordedPoses(bags[-1], choice, say)
    yield write
    for bag in bags:
        bag.close()


def check(found, parent, motion):
    assert found.parent == parent
    np.testing.assert_allclose(found.position, motion.translation, atol=1e-9)
    np.testing.assert_allclose(rotation_of(np.array(found.quaternion)), motion.rotation,
                               atol=1e-9)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_pose_is_interpolated_along_the_transforms_up_to_the_frame(opened, storage):
    poses = opened(robot(), storage=storage).begin()

    for seconds in (0.5, 2.03, 2.66, 5.71):
        expected = RigidMotion.interpolated(
            base(np.floor(seconds * 10) / 10), base(np.floor(seconds * 10) / 10 + 0.1),
            seconds * 10 % 1)
        check(poses(frame(seconds)), 'map', expected.after(MOUNTED))


@pytest.mark.parametrize('message', [pose_stamped, pose_with_covariance, transform_stamped])
def test_a_topic_tells_the_pose_of_the_camera_in_its_own_frame(opened, message):
    poses = opened(recorded('/pose', message), PoseChoice(topic='/pose')).begin()

    check(poses(frame(2.04)), 'map', RigidMotion.interpolated(base(2.0), base(2.1), 0.4))


def test_an_odometry_of_the_base_is_carried_on_to_the_camera_by_static_transforms(opened):
    mounted = ('/tf_static', at(7.0), transforms(transform('base', 'lens', MOUNTED)))
    poses = opened([*recorded('/odom', odometry), mounted], ODOMETRY).begin()

    check(poses(frame(2.0)), 'odom', base(2.0).after(MOUNTED))


def test_an_odometry_of_a_base_without_a_way_to_the_camera_tells_no_pose_of_it(opened):
    said = []
    poses = opened(recorded('/odom', odometry), ODOMETRY, said.append).begin()

    assert poses(frame(2.0)) is None and poses(frame(3.0)) is None
    assert said == ["there are images without a pose; the first is 2.0: no transform names a "
                    "frame 'lens'; known are 'base', 'odom'"]


def test_an_odometry_that_names_no_frame_is_that_of_the_camera(opened):
    def unnamed(motion, stamp_ns):
        return odometry(motion, stamp_ns, child='')

    poses = opened(recorded('/odom', unnamed), ODOMETRY).begin()

    check(poses(frame(2.0)), 'odom', base(2.0))


@pytest.mark.parametrize('seconds', [1.95, 4.05, 9.0])
def test_outside_the_recorded_time_there_is_no_pose(opened, seconds):
    poses = opened(robot(first=2.0, last=4.05)).begin()

    assert poses(frame(seconds)) is None


def test_between_poses_far_apart_there_is_none(opened):
    poses = opened([*robot(last=2.05), *robot(first=2.55, last=4.0)[:-1]]).begin()

    assert [poses(frame(seconds)) is None for seconds in (2.0, 2.1, 2.5, 2.55)] == [
        False, True, True, False]


def test_poses_a_second_apart_hold_at_their_stamps_alone(opened):
    poses = opened(robot(period=1.0)).begin()

    assert [poses(frame(seconds)) is None for seconds in (1.0, 1.5, 2.0, 5.0)] == [
        False, True, False, False]


@pytest.mark.parametrize('first', range(0, 60, 7))
def test_a_segment_that_begins_anywhere_has_the_poses_of_a_whole_reading(opened, first):
    frames = [frame(0.1 * number + 0.04) for number in range(60)]
    recorded_poses = opened(robot())
    whole, part = recorded_poses.begin(), recorded_poses.begin()

    expected = [whole(item) for item in frames]

    assert [part(item) for item in frames[first:]] == expected[first:]
    assert expected[3] is not None


def test_an_image_without_a_stamp_has_the_pose_of_its_time(opened):
    poses = opened(robot()).begin()

    check(poses(replace(frame(2.0, late_s=0.0), stamp_ns=None)), 'map', base(2.0).after(MOUNTED))


def test_reading_poses_leaves_the_damages_of_a_bag_to_the_reading_of_its_images(tmp_path):
    path = write_bag(tmp_path / 'in', sorted(
        [*robot(), *camera_messages(60)], key=lambda row: row[1]))
    file = storage_file(path)
    file.write_bytes(file.read_bytes()[:-file.stat().st_size // 3])
    with Bag(path) as bag:
        list(bag.messages((IMAGE,)))
        expected = list(bag.damages)
        poses = RecordedPoses(bag, PoseChoice(frame='odom')).begin()

        for message in bag.messages((IMAGE,)):
            number = (message.time_ns - START_NS) // PERIOD_NS
            poses(frame(0.1 * number, 'base'))

        assert bag.damages == expected and expected


def test_a_message_that_cannot_be_read_is_left_out_and_said(tmp_path):
    path = write_bag(tmp_path / 'in', robot(), 'sqlite3')
    database = sqlite3.connect(storage_file(path))
    database.execute("UPDATE messages SET data = x'00010000ffffffff' WHERE id = 21")
    database.commit()
    database.close()
    said = []
    with Bag(path) as bag:
        poses = RecordedPoses(bag, MAP, said.append).begin()

        # between its neighbours, which are 0.2 s apart
        check(poses(frame(2.0)), 'map',
              RigidMotion.interpolated(base(1.9), base(2.1), 0.5).after(MOUNTED))
    assert len(said) == 1 and 'left out a message of /tf that cannot be read' in said[0]


def test_a_topic_that_holds_no_poses_is_refused_with_those_that_do(opened):
    with pytest.raises(RecordingError, match=(
            "'/camera/image_raw': its type is sensor_msgs/msg/Image; topics with poses are "
            r'/odom \(nav_msgs/msg/Odometry\)')):
        opened([*recorded('/odom', odometry), *camera_messages(1)], PoseChoice(topic=IMAGE))


def test_a_topic_that_is_not_there_is_refused(opened):
    with pytest.raises(RecordingError, match="'/odom': there is no such topic.*poses are none"):
        opened(camera_messages(1), ODOMETRY)


def test_without_transforms_there_are_no_poses_and_that_is_said(opened):
    said = []
    poses = opened(camera_messages(1), MAP, said.append).begin()

    assert poses(frame(0.0)) is None
    assert said == [
        'there are images without a pose; the first is 0.0: no transform has come yet']


def test_two_sources_of_poses_are_refused():
    with pytest.raises(ConfigError, match="--pose-topic is '/odom' and --pose-frame is 'map'"):
        PoseChoice('/odom', 'map')
