"""What the calibration of a bag does: metres, points, and what is left out without one."""

import numpy as np
import pytest

pytest.importorskip('rosbags', reason='bags need the extra [bags]')

from bag_files import (  # noqa: E402
    camera_messages,
    HEIGHT,
    IMAGE,
    image_message,
    INFO,
    info_message,
    picture,
    START_NS,
    WIDTH,
    write_bag,
    write_camera_bag,
)

from mtshare_ros.image_frame import Framing  # noqa: E402
from mtshare_ros.messages.image_messages import read_map  # noqa: E402


def test_the_calibration_is_that_of_the_maps(run_bag, tmp_path):
    found = run_bag(write_camera_bag(tmp_path / 'in', 2, height=2 * HEIGHT, width=2 * WIDTH))

    info = found['/depth/camera_info'][0][1]
    framing = Framing((2 * HEIGHT, 2 * WIDTH), (HEIGHT, WIDTH), (0, 0), (HEIGHT, WIDTH))
    original = info_message(0, 2 * HEIGHT, 2 * WIDTH).k.reshape(3, 3)
    assert (info.height, info.width) == (HEIGHT, WIDTH)
    np.testing.assert_allclose(info.k.reshape(3, 3), framing.scale_intrinsics(original))


def test_depth_is_in_the_scale_of_the_camera(run_bag, engine, tmp_path):
    """A camera of half the focal length sees everything half as large, so half as far it is."""
    stamp = START_NS
    messages = [(IMAGE, stamp, image_message(picture(0), stamp)),
                (INFO, stamp + 1, info_message(stamp, focal_length=55.0))]
    found = run_bag(write_bag(tmp_path / 'in', messages))

    expected = engine.infer(picture(0)).depth * np.float32(0.5)
    np.testing.assert_array_equal(read_map(found['/depth/image'][0][1]), expected)


def test_without_a_calibration_the_reason_is_said_once(run_bag, tmp_path):
    messages = [item for item in camera_messages(3) if item[0] == IMAGE]
    said = []
    found = run_bag(write_bag(tmp_path / 'in', messages), said=said)

    assert len(found['/depth/image']) == 3 and not found['/depth/camera_info']
    assert len(said) == 1 and 'no camera_info' in said[0]


def test_points_lie_where_the_depth_is(run_bag, tmp_path):
    found = run_bag(write_camera_bag(tmp_path / 'in', 1), topics='depth/points,depth/image')

    cloud, depth = found['/depth/points'][0][1], read_map(found['/depth/image'][0][1])
    values = cloud.data.view('<f4').reshape(HEIGHT, WIDTH, 4)
    assert [field.name for field in cloud.fields] == ['x', 'y', 'z', 'rgb']
    np.testing.assert_array_equal(values[..., 2], depth)
    np.testing.assert_allclose(values[10, 20, 0], depth[10, 20] * (20 - 63.5) / 110, rtol=1e-5)


def calibrated(topic, **changes):
    """Return an image and its calibration, changed."""
    info = info_message(START_NS)
    for name, value in changes.items():
        setattr(info, name, value)
    return [(topic, START_NS, image_message(picture(0), START_NS)), (INFO, START_NS + 1, info)]


def test_points_of_a_rectified_image_have_the_camera_p(run_bag, tmp_path):
    topic, p = '/camera/image_rect', np.array([88.0, 0, 60, 0, 0, 88, 40, 0, 0, 0, 1, 0])
    source = write_bag(tmp_path / 'in', calibrated(topic, p=p, d=np.array([-0.3, 0.1, 0, 0, 0])))
    said = []
    found = run_bag(source, image_topic=topic, topics='depth/points,depth/camera_info', said=said)

    info = found['/depth/camera_info'][0][1]
    values = found['/depth/points'][0][1].data.view('<f4').reshape(HEIGHT, WIDTH, 4)
    assert list(info.k) == [88, 0, 60, 0, 88, 40, 0, 0, 1] and not info.d.any() and not said
    np.testing.assert_allclose(values[10, 20, 0], values[10, 20, 2] * (20 - 60) / 88, rtol=1e-5)


@pytest.mark.parametrize('size', [{'height': 0, 'width': 0}, {'height': 0}])
def test_a_calibration_without_a_size_holds_for_the_image(run_bag, tmp_path, size):
    found = run_bag(write_bag(tmp_path / 'in', calibrated(IMAGE, **size)))

    info = found['/depth/camera_info'][0][1]
    assert (info.height, info.width, info.k[0]) == (HEIGHT, WIDTH, 110)


@pytest.mark.parametrize('changes, topics', [
    ({'distortion_model': 'equidistant'}, ['depth/points']),
    ({'k': np.zeros(9)}, ['depth/camera_info', 'depth/points']),
    ({'height': 10}, ['depth/camera_info', 'depth/points']),
])
def test_what_was_asked_for_and_is_left_out_is_named_once_with_the_reason(
        run_bag, tmp_path, changes, topics):
    messages = calibrated(IMAGE, **changes)
    said = []
    found = run_bag(write_bag(tmp_path / 'in', [*messages, *messages]), said=said,
                    topics='depth/image,depth/points,depth/camera_info')

    assert len(found['/depth/image']) == 2 and not found['/depth/points']
    line, = said
    assert all(f'{topic} is left out' in line for topic in topics)
    assert ('depth/camera_info' in line) == ('depth/camera_info' in topics)


def test_maps_that_need_no_calibration_say_nothing_of_it(run_bag, tmp_path):
    said = []
    run_bag(write_bag(tmp_path / 'in', calibrated(IMAGE, k=np.zeros(9))), said=said,
            topics='semantic/mask')

    assert said == []
