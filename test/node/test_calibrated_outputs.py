"""The maps come with any calibration, the points with one that fits."""

from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import pytest
from ros_messages import camera_calibration, camera_image, stamp_key, stamped
from sensor_msgs.msg import CameraInfo, PointCloud2

from mtshare_ros.messages.image_messages import read_map
from mtshare_ros.model.checkpoint import load_checkpoint, save_checkpoint

HEIGHT, WIDTH = 96, 128
TRAINED = 110.0
"""Focal length of the tiny model's training images at this size."""

MAPS = ('semantic/mask', 'depth/image', 'normals/image')


def zeros():
    return CameraInfo(height=HEIGHT, width=WIDTH)


def fisheye():
    info = camera_calibration()
    info.distortion_model = 'equidistant'
    return info


BAD = {
    'none': (None, 'no camera_info was received on /camera_info'),
    'zeros': (zeros(), 'the camera is not calibrated'),
    'another aspect ratio': (camera_calibration(480, 480), 'the same aspect ratio'),
    'fisheye': (fisheye(), "the distortion model is 'equidistant'"),
}
GOOD = {
    'the size of the image': camera_calibration(focal=2 * TRAINED),
    'twice that size': camera_calibration(2 * HEIGHT, 2 * WIDTH, focal=4 * TRAINED),
    'half of it': camera_calibration(HEIGHT // 2, WIDTH // 2, focal=TRAINED),
}


class Camera:
    """Publishes images, each after a calibration with a stamp of its own."""

    def __init__(self, observer):
        self._observer = observer
        self._images = observer.camera()
        self._infos = observer.node.create_publisher(CameraInfo, 'camera_info', 1)

    def send_until(self, info, condition, what):
        """Send the calibration, if there is one, and images until the condition holds."""
        def send_and_check():
            if info is not None:
                self._infos.publish(stamped(info, self._observer.now()))
            return condition()

        self._observer.send_until(self._images, camera_image(), send_and_check, what)


def listen(observer):
    for topic in MAPS:
        observer.listen(topic)
    observer.listen('depth/points', PointCloud2)
    observer.listen('depth/camera_info', CameraInfo)


@pytest.mark.fault(15)
@pytest.mark.parametrize('name', BAD)
def test_without_a_calibration_that_fits_only_the_points_are_withheld(stage, tiny_model, name):
    info, reason = BAD[name]
    stage.start_perception(tiny_model)
    observer = stage.observer
    listen(observer)

    def all_arrived():
        said = stage.perception.count_lines('depth/points is withheld', reason)
        return said and all(len(observer.received[topic]) > 3 for topic in MAPS)

    Camera(observer).send_until(info, all_arrived, 'maps and the reason')

    assert not observer.received['depth/points']
    assert stage.perception.count_lines('depth/points is withheld', reason) == 1
    assert bool(observer.received['depth/camera_info']) == (name == 'fisheye')
    figures = observer.diagnose(
        'withheld', lambda text: '/depth/points: ' in text and reason in text)
    assert figures['level'] == DiagnosticStatus.WARN
    assert figures['message'] == f'WITHHELD: {figures["withheld"]}'
    assert ('/depth/camera_info: ' in figures['withheld']) == (name != 'fisheye')
    assumed = stage.perception.count_lines('depth assumes', '110 pixels at 96x128', reason)
    assert assumed == (name != 'fisheye')


@pytest.mark.fault(15)
def test_the_diagnostics_run_again_when_the_calibration_comes_or_nobody_asks(guest):
    points = guest.listen('depth/points', PointCloud2)
    guest.listen('depth/image')
    camera = Camera(guest)

    def says(word):
        return lambda: guest.figures().get('message', '').startswith(word)

    camera.send_until(zeros(), says('WITHHELD: /depth/points: '), 'WITHHELD')
    guest.node.destroy_subscription(points)
    camera.send_until(zeros(), says('running'), 'running without a subscriber')
    guest.listen('depth/points', PointCloud2)
    camera.send_until(zeros(), says('WITHHELD: /depth/points: '), 'WITHHELD again')
    camera.send_until(camera_calibration(), says('running'), 'running with a calibration')

    assert guest.figures()['withheld'] == '' and guest.figures()['level'] == DiagnosticStatus.OK


@pytest.mark.fault(15)
@pytest.mark.parametrize('name', GOOD)
def test_points_lie_where_depth_and_calibration_of_the_same_frame_put_them(guest, name):
    listen(guest)

    def of_one_frame():
        inboxes = [guest.received[topic] for topic in (
            'depth/image', 'depth/camera_info', 'depth/points')]
        common = set.intersection(*({stamp_key(item) for item in inbox} for inbox in inboxes))
        found = [[item for item in inbox if stamp_key(item) in common] for inbox in inboxes]
        return [items[-1] for items in found] if common else None

    def fits():
        found = of_one_frame()
        return found and found[1].k[0] == pytest.approx(2 * TRAINED)

    Camera(guest).send_until(GOOD[name], fits, 'depth, calibration and points of one frame')

    depth, info, cloud = of_one_frame()
    assert depth.header == info.header == cloud.header
    assert (cloud.height, cloud.width, cloud.is_dense) == (HEIGHT, WIDTH, False)
    points = np.frombuffer(cloud.data, '<f4').reshape(HEIGHT, WIDTH, 4)[..., :3]
    np.testing.assert_array_equal(points[..., 2], read_map(depth))
    pixels = points @ np.reshape(info.k, (3, 3)).T
    rows, columns = np.indices((HEIGHT, WIDTH))
    np.testing.assert_allclose(pixels[..., 0] / pixels[..., 2], columns, atol=1e-2)
    np.testing.assert_allclose(pixels[..., 1] / pixels[..., 2], rows, atol=1e-2)


@pytest.mark.fault(15)
def test_of_a_rectified_image_the_camera_is_p(stage, tiny_model):
    stage.start_perception(tiny_model, camera_matrix='P')
    observer = stage.observer
    listen(observer)
    info = fisheye()
    info.p = [TRAINED, 0.0, 60.0, 0.0, 0.0, TRAINED, 40.0, 0.0, 0.0, 0.0, 1.0, 0.0]

    Camera(observer).send_until(
        info, lambda: all(observer.received[topic] for topic in ('depth/camera_info',
                                                                 'depth/points')), 'points')

    sent = observer.received['depth/camera_info'][-1]
    assert list(sent.k) == [TRAINED, 0, 60, 0, TRAINED, 40, 0, 0, 1] and not any(sent.d)


def test_a_longer_lens_makes_the_same_picture_farther_away(stage, tiny_model):
    stage.start_perception(tiny_model)
    observer = stage.observer
    listen(observer)
    camera = Camera(observer)
    depths = {}

    for factor in (1, 2):
        info = camera_calibration(focal=factor * TRAINED)
        camera.send_until(
            info, lambda factor=factor: calibrated_depth(observer, factor * TRAINED) is not None,
            'depth')
        depths[factor] = calibrated_depth(observer, factor * TRAINED)

    np.testing.assert_allclose(depths[2], 2 * depths[1], rtol=1e-5)


def calibrated_depth(observer, focal):
    """Return the depth of a frame whose calibration has a focal length, None before it came."""
    stamps = {stamp_key(info) for info in observer.received['depth/camera_info']
              if info.k[0] == pytest.approx(focal)}
    found = [item for item in observer.received['depth/image'] if stamp_key(item) in stamps]
    return read_map(found[0]) if found else None


def test_a_model_that_knows_no_focal_length_says_that_its_depth_is_not_scaled(
        stage, tiny_model, tmp_path):
    source = load_checkpoint(tiny_model)
    unknown = tmp_path / 'unknown.safetensors'
    save_checkpoint(unknown, source.network, replace(
        source.description, focal_length=None, depth_range=None))
    stage.start_perception(unknown)
    observer = stage.observer
    listen(observer)

    Camera(observer).send_until(
        camera_calibration(focal=2 * TRAINED),
        lambda: observer.received['depth/points'] and observer.received['depth/image'],
        'depth and points')

    assert stage.perception.count_lines('depth is not scaled to this camera: the model does') == 1
