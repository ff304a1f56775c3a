"""Every output comes out as the interface says, and only what somebody wants is computed."""

import numpy as np
import pytest
from ros_harness import Observer
from ros_messages import camera_calibration, camera_image, stamp_key
from sensor_msgs.msg import CameraInfo, PointCloud2

from mtshare_ros.inference.map_outputs import METRIC_OUTPUTS
from mtshare_ros.messages.image_messages import read_map
from mtshare_ros.nodes.perception.output_publishers import MESSAGE_TYPES

MAPS = {output.topic: output.encoding for output in METRIC_OUTPUTS if output.is_map}
TOPICS = {output.topic: MESSAGE_TYPES[output.message]
          for output in METRIC_OUTPUTS if not output.latched}
HEIGHT, WIDTH = 96, 128


@pytest.fixture(scope='module')
def frames(running):
    """Send one camera image to all outputs until each has answered; return what came."""
    with Observer(running.domain, 'listener') as observer:
        return receive_one_frame(observer)


def receive_one_frame(observer):
    for topic, message_type in TOPICS.items():
        observer.listen(topic, message_type)
    camera = observer.camera()
    calibration = observer.node.create_publisher(CameraInfo, 'camera_info', 1)
    calibration.publish(camera_calibration(2 * HEIGHT, 2 * WIDTH))
    observer.spin_for(0.2)
    timer = observer.node.create_timer(
        0.1, lambda: calibration.publish(camera_calibration(2 * HEIGHT, 2 * WIDTH)))
    image = camera_image(2 * HEIGHT, 2 * WIDTH, frame_id='left eye')
    observer.send_until(camera, image, lambda: common_stamps(observer), 'a frame on every topic')
    observer.node.destroy_timer(timer)
    stamp = min(common_stamps(observer))
    return {
        topic: next(message for message in inbox if stamp_key(message) == stamp)
        for topic, inbox in observer.received.items()
    }


def common_stamps(observer):
    inboxes = [observer.received[topic] for topic in TOPICS]
    return set.intersection(*({stamp_key(message) for message in inbox} for inbox in inboxes))


@pytest.mark.parametrize('topic', MAPS)
def test_every_map_has_its_encoding_and_the_size_of_the_network_input(frames, topic):
    message = frames[topic]

    assert (message.encoding, message.height, message.width) == (MAPS[topic], HEIGHT, WIDTH)


@pytest.mark.parametrize('topic', TOPICS)
def test_every_output_has_the_frame_of_the_camera_image(frames, topic):
    assert frames[topic].header.frame_id == 'left eye'


def test_the_mask_holds_classes_of_the_label_set(frames):
    mask = read_map(frames['semantic/mask'])

    assert mask.max() < 40 or mask.max() == 255


def test_the_confidence_is_that_of_the_classes(frames):
    mask, confidence = read_map(frames['semantic/mask']), read_map(frames['semantic/confidence'])

    assert confidence.dtype == np.uint8
    assert (confidence[mask != 255] > 255 // 40).all()  # the best of 40 classes has 1/40 at least


def test_the_depth_is_in_metres_within_the_range_of_the_model(frames):
    depth = read_map(frames['depth/image'])

    assert np.isfinite(depth).any() and np.nanmin(depth) > 0


def test_the_normals_have_unit_length(frames):
    normals = read_map(frames['normals/image'])

    np.testing.assert_allclose(np.linalg.norm(normals, axis=2), 1, atol=1e-3)


def test_the_calibration_of_the_maps_is_the_scaled_one_of_the_camera(frames):
    info = frames['depth/camera_info']

    assert (info.height, info.width) == (HEIGHT, WIDTH)
    np.testing.assert_allclose(info.k, [55, 0, 63.5, 0, 55, 47.5, 0, 0, 1])


@pytest.mark.fault(21)
@pytest.mark.parametrize(('topic', 'task'), [
    ('normals/image', 'normals'), ('semantic/color', 'semseg'), ('edges/image', 'edge'),
    ('semantic/confidence', 'semseg'),
])
def test_only_the_heads_somebody_listens_to_are_computed(guest, topic, task):
    guest.listen(topic)
    camera = guest.camera()

    guest.send_until(
        camera, camera_image(), lambda: guest.newest_figure('computed', '') == task,
        f'{task} alone to be computed')

    assert guest.received[topic]


def test_the_points_alone_need_the_depth(guest):
    guest.listen('depth/points', PointCloud2)
    camera = guest.camera()

    guest.send_until(
        camera, camera_image(), lambda: guest.newest_figure('computed', '') == 'depth',
        'the depth alone to be computed')


def test_the_calibration_alone_needs_no_inference(guest):
    guest.listen('depth/camera_info', CameraInfo)
    calibration = guest.node.create_publisher(CameraInfo, 'camera_info', 1)
    camera = guest.camera()

    def send_and_receive():
        calibration.publish(camera_calibration())
        return guest.received['depth/camera_info']

    guest.send_until(camera, camera_image(), send_and_receive, 'the calibration')

    assert guest.diagnose('computed', '')['processed'] != '0'


@pytest.mark.fault(21)
def test_a_node_without_subscribers_says_that_it_is_idle_and_computes_nothing(stage, tiny_model):
    stage.start_perception(tiny_model)
    camera = stage.observer.camera()

    stage.observer.send_until(
        camera, camera_image(), lambda: stage.perception.count_lines('idle: no subscriber on'),
        'the idle line')

    figures = stage.observer.diagnose('received', lambda count: int(count) > 0)
    assert figures['processed'] == '0' and figures['idle'].startswith('idle: no subscriber on')
    assert stage.perception.count_lines('idle: no subscriber on') == 1


def test_without_laziness_everything_is_computed_for_nobody(guest):
    camera = guest.camera()
    assert guest.set(lazy=False).successful

    guest.send_until(
        camera, camera_image(),
        lambda: guest.newest_figure('computed', '') == 'semseg depth normals edge',
        'every task to be computed')

    assert guest.figures()['idle'] == ''
    guest.set(lazy=True)


def test_an_output_switched_off_stops_and_the_others_go_on(guest):
    for topic in ('edges/image', 'depth/image'):
        guest.listen(topic)
    camera = guest.camera()
    guest.send_until(camera, camera_image(), lambda: guest.received['edges/image'], 'edges')

    assert guest.set(outputs__edges__enabled=False).successful
    guest.received['depth/image'].clear()
    switched = stamp_of_next(guest)

    guest.send_until(
        camera, camera_image(), lambda: len(guest.received['depth/image']) > 3, 'depth')
    assert all(stamp_key(message) < switched for message in guest.received['edges/image'])
    guest.set(outputs__edges__enabled=True)


def stamp_of_next(observer):
    """Return the present time, after which no image sent before it can arrive."""
    observer.spin_for(0.3)
    stamp = observer.now()
    return stamp.sec, stamp.nanosec


def test_without_a_calibration_the_maps_come_and_the_reason_is_said_once(stage, tiny_model):
    stage.start_perception(tiny_model)
    observer = stage.observer
    observer.listen('depth/image')
    observer.listen('depth/camera_info', CameraInfo)
    camera = observer.camera()

    observer.send_until(
        camera, camera_image(), lambda: len(observer.received['depth/image']) > 3, 'depth')

    assert not observer.received['depth/camera_info']
    assert stage.perception.count_lines('depth/camera_info', 'no camera_info was received') == 1
