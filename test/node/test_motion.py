"""A running node follows the motion of its camera, and says what it cannot learn of it."""

from importlib.util import find_spec

from geometry_msgs.msg import TransformStamped, Vector3
import pytest
from ros_messages import camera_image, stamped
from sensor_msgs.msg import Imu

from mtshare_ros.nodes import qos

NOBODY = 'no rate has come yet'


@pytest.fixture
def still_motion(guest):
    """Lend a guest with a camera and a mask; the motion of the node's camera is left as it was."""
    guest.listen('semantic/mask')
    yield guest, guest.camera()
    assert guest.set_together(
        motion__source='none', motion__every_frame=False, motion__frame='odom').successful


def send_until(guest, camera, name, accept, frame_id='camera'):
    """Publish one image until a diagnostic value is accepted; return all values."""
    guest.send_until(camera, camera_image(frame_id=frame_id),
                     lambda: accept(guest.newest_figure(name, '')), f'another {name}', 0.05)
    return guest.figures()


def turn(guest, frame_id='camera'):
    """Have an IMU publish at 100 Hz from now on; return what destroys it."""
    publisher = guest.node.create_publisher(Imu, 'imu', qos.every_sample())
    message = Imu(angular_velocity=Vector3(y=0.01))
    message.header.frame_id = frame_id
    return guest.node.create_timer(
        0.01, lambda: publisher.publish(stamped(message, guest.now())))


def test_the_motion_of_the_images_stands_in_the_diagnostics(still_motion):
    guest, camera = still_motion
    assert guest.set(motion__source='images').successful

    figures = send_until(guest, camera, 'motion_source', 'images'.__eq__)

    assert float(figures['motion_confidence']) >= 0 and figures['pose_fault'] == ''


def test_a_gyroscope_is_listened_to_where_it_is_chosen_and_left_again(still_motion):
    guest, camera = still_motion
    assert guest.set(motion__source='gyroscope').successful
    timer = turn(guest)

    figures = send_until(guest, camera, 'pose_late_ms_p95', lambda text: text not in ('', 'nan'))
    guest.node.destroy_timer(timer)

    assert figures['pose_fault'] == ''
    assert guest.set(motion__source='none').successful
    guest.send_until(camera, camera_image(), lambda: not guest.node.count_subscribers('imu'),
                     'the end of the subscription')


@pytest.mark.fault(34)
def test_a_gyroscope_that_is_silent_is_a_warning_once_and_the_images_decide(
    running, still_motion
):
    guest, camera = still_motion
    assert guest.set(motion__source='gyroscope').successful

    figures = send_until(guest, camera, 'pose_fault', lambda text: NOBODY in text)

    assert figures['message'].startswith(f'MOTION: {NOBODY}; the images decide')
    assert figures['motion_source'] == 'images'
    assert running.perception.count_lines('WARN', 'no pose of the camera', NOBODY) == 1


@pytest.mark.fault(34)
def test_an_imu_whose_place_is_not_known_is_named(still_motion):
    guest, camera = still_motion
    assert guest.set(motion__source='gyroscope').successful
    timer = turn(guest, 'imu_link')

    figures = send_until(guest, camera, 'pose_fault', lambda text: 'mounted' in text)
    guest.node.destroy_timer(timer)

    assert figures['pose_fault'].startswith('how the IMU is mounted is not known: no transform')


def test_transforms_are_refused_without_their_messages_and_the_reason_is_told(guest):
    if find_spec('tf2_msgs') is not None:
        pytest.skip('tf2_msgs is installed')

    result = guest.set(motion__source='tf')

    assert not result.successful and 'tf2_msgs is not installed' in result.reason


def test_transforms_tell_the_pose_of_the_camera_and_an_unknown_frame_is_named(still_motion):
    messages = pytest.importorskip(
        'tf2_msgs.msg', reason='tf2_msgs is not installed; it comes with ROS, not as a wheel')
    guest, camera = still_motion
    publishers = [guest.node.create_publisher(messages.TFMessage, topic, profile)
                  for topic, profile in (('/tf', qos.transforms()),
                                         ('/tf_static', qos.transforms(static=True)))]
    links = [TransformStamped(child_frame_id=child) for child in ('base', 'camera')]
    for link, parent in zip(links, ('odom', 'base')):
        link.header.frame_id, link.transform.rotation.w = parent, 1.0
    publishers[1].publish(messages.TFMessage(transforms=links[1:]))
    timer = guest.node.create_timer(0.02, lambda: publishers[0].publish(
        messages.TFMessage(transforms=[stamped(links[0], guest.now())])))
    assert guest.set(motion__source='tf').successful

    known = send_until(guest, camera, 'pose_late_ms_p95', lambda text: text not in ('', 'nan'))
    assert guest.set(motion__frame='map').successful
    unknown = send_until(guest, camera, 'pose_fault', bool)
    guest.node.destroy_timer(timer)

    assert known['pose_fault'] == ''
    assert "no transform names a frame 'map'; known are 'base', 'camera', 'odom'" in (
        unknown['pose_fault'])
