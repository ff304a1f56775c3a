"""Several cameras share one node and one network, and nothing else."""

import numpy as np
import pytest
from ros_harness import open_stage
from ros_messages import camera_calibration, camera_image, stamp_key, stamped
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import SetBool, Trigger

from mtshare_ros.messages.image_messages import read_map

CAMERAS = ('front', 'rear')


@pytest.fixture(scope='module')
def pair(tmp_path_factory, tiny_model):
    """Lend a node of two cameras whose maps are listened to, and a publisher for each."""
    with open_stage(tmp_path_factory.mktemp('pair')) as stage:
        stage.start_perception(tiny_model, cameras='[front,rear]')
        observer = stage.observer
        observer.watch_diagnostics()
        for camera in CAMERAS:
            for topic in ('depth/image', 'semantic/mask'):
                observer.listen(f'{camera}/{topic}')
        stage.publishers = {
            camera: observer.camera(f'{camera}/image') for camera in CAMERAS}
        yield stage


def ask(stage, camera, image):
    """Send an image of a camera until its depth comes; return the newest map."""
    inbox = stage.observer.received[f'{camera}/depth/image']
    inbox.clear()
    stage.observer.send_until(
        stage.publishers[camera], image, lambda: inbox, f'depth of {camera}')
    return read_map(inbox[-1]).copy()


def test_every_camera_gets_the_maps_of_its_own_image(pair):
    pair.observer.set(temporal__threshold=0.0, task__threshold=0.0)

    first = [ask(pair, camera, camera_image(seed=seed))
             for seed, camera in enumerate(CAMERAS)]
    again = [ask(pair, camera, camera_image(seed=seed))
             for seed, camera in enumerate(CAMERAS)]

    assert not np.allclose(first[0], first[1], atol=1e-3)
    for before, after in zip(first, again):
        np.testing.assert_allclose(before, after, atol=1e-4)
    pair.observer.set(temporal__threshold=1.0, task__threshold=1.0)


def test_outputs_carry_stamp_and_frame_of_the_image_of_their_camera(pair):
    observer = pair.observer
    stamps = {camera: set() for camera in CAMERAS}

    def send():
        for camera in CAMERAS:
            image = stamped(camera_image(frame_id=camera), observer.now())
            stamps[camera].add(stamp_key(image))
            pair.publishers[camera].publish(image)

    timer = observer.node.create_timer(0.1, send)
    inboxes = {camera: observer.received[f'{camera}/semantic/mask'] for camera in CAMERAS}
    for inbox in inboxes.values():
        inbox.clear()
    observer.spin_until(
        lambda: all(sum(m.header.frame_id == camera for m in inbox) > 2
                    for camera, inbox in inboxes.items()), 'masks of both cameras')
    observer.node.destroy_timer(timer)

    for camera, inbox in inboxes.items():
        mine = [message for message in inbox if message.header.frame_id in CAMERAS]
        assert {message.header.frame_id for message in mine} == {camera}
        assert {stamp_key(message) for message in mine} <= stamps[camera]


def test_the_calibration_of_one_camera_does_not_serve_the_other(pair):
    observer = pair.observer
    for camera in CAMERAS:
        observer.listen(f'{camera}/depth/camera_info', CameraInfo)
    calibration = observer.node.create_publisher(CameraInfo, 'front/camera_info', 1)
    timer = observer.node.create_timer(
        0.05, lambda: calibration.publish(stamped(camera_calibration(), observer.now())))

    observer.send_until(
        pair.publishers['front'], camera_image(),
        lambda: observer.received['front/depth/camera_info'], 'the calibration of front')
    observer.send_until(
        pair.publishers['rear'], camera_image(),
        lambda: pair.perception.count_lines('INFO', 'rear/depth/camera_info is withheld'),
        'a word on the calibration that rear lacks')
    observer.node.destroy_timer(timer)

    assert not observer.received['rear/depth/camera_info']


def test_the_diagnostics_have_a_status_for_each_camera(pair):
    before, earlier = newest_counts(pair.observer), None
    while before != earlier:  # an image of the test before may still be on its way
        before, earlier = newest_counts(pair.observer), before

    ask(pair, 'front', camera_image())

    after = newest_counts(pair.observer)
    assert after['front'] > before['front'] and after['rear'] == before['rear']


def newest_counts(observer):
    """Return how many images of each camera were received, by diagnostics that come from now."""
    observer.received['/diagnostics'].clear()
    return {camera: int(observer.diagnose('received', str.isdigit, camera)['received'])
            for camera in CAMERAS}


def test_services_act_on_one_camera_alone(pair):
    observer = pair.observer
    resets = {camera: observer.diagnose('resets', lambda _: True, camera)['resets']
              for camera in CAMERAS}

    answer = observer.call(
        Trigger, 'perception_node/front/reset_cache', Trigger.Request(), ask_again=False)
    for camera in CAMERAS:
        ask(pair, camera, camera_image())

    assert answer.success
    figures = observer.diagnose('last_reset', 'asked for by reset_cache', 'front')
    assert int(figures['resets']) > int(resets['front'])
    assert 'asked for' not in observer.figures('rear')['recent_resets']


def test_a_camera_switched_off_is_idle_while_the_other_goes_on(pair):
    observer = pair.observer
    service = 'perception_node/rear/enable'

    assert observer.call(SetBool, service, SetBool.Request(data=False)).success
    observer.send_until(
        pair.publishers['rear'], camera_image(),
        lambda: 'switched off' in observer.figures('rear').get('idle', ''), 'an idle camera')
    ask(pair, 'front', camera_image())

    assert observer.call(SetBool, service, SetBool.Request(data=True)).success
    ask(pair, 'rear', camera_image())
