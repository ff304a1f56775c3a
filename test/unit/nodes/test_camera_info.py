"""The calibration of the maps is that of the camera, scaled and shifted with the image."""

import numpy as np
import pytest
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from mtshare_ros.image_frame import frame_to_cover, Pinhole
from mtshare_ros.messages.camera_info import (
    CameraInfoBuffer,
    find_lens_doubt,
    find_lens_fault,
    fit_camera_info,
    PINHOLE_MODELS,
    pinhole_of,
    scale_camera_info,
    shows_rectified,
)
from mtshare_ros.nodes.codec import pinhole_camera_info

MATRIX = np.array([[500.0, 0, 319.5], [0, 510.0, 239.5], [0, 0, 1]])


def header(second, frame_id='camera'):
    made = Header(frame_id=frame_id)
    made.stamp.sec = second
    return made


def calibration(second=1, size=(480, 640), matrix=MATRIX):
    return pinhole_camera_info(matrix, size, header(second))


def project(info):
    """Return the pixel (u, v) of one point of the scene."""
    u, v, _ = np.reshape(info.k, (3, 3)) @ (0.1, -0.2, 1.0)
    return u, v


def test_the_calibration_with_the_stamp_of_the_image_is_taken():
    buffer = CameraInfoBuffer()
    for second in (1, 2, 3):
        buffer.add(calibration(second))

    match = buffer.match(header(2), (480, 640))

    assert match.info.header.stamp.sec == 2


def test_without_an_equal_stamp_the_newest_calibration_is_taken():
    buffer = CameraInfoBuffer()
    for second in (1, 2, 3):
        buffer.add(calibration(second))

    match = buffer.match(header(9), (480, 640))

    assert match.info.header.stamp.sec == 3


def test_without_any_calibration_the_reason_is_given():
    match = CameraInfoBuffer().match(header(1), (480, 640))

    assert match.info is None and 'no camera_info' in match.reason


@pytest.mark.parametrize('size', [(240, 320), (960, 1280), (239, 319), (120, 160), (240, 319)])
def test_a_calibration_of_another_size_is_scaled_to_the_image(size):
    fitted = fit_camera_info(calibration(), size).info

    assert (fitted.height, fitted.width) == size
    (u, v), (x, y) = project(calibration()), project(fitted)
    assert (x + 0.5) / size[1] == pytest.approx((u + 0.5) / 640)
    assert (y + 0.5) / size[0] == pytest.approx((v + 0.5) / 480)


@pytest.mark.parametrize('size', [(480, 480), (360, 640), (640, 480), (243, 320)])
def test_a_calibration_of_another_aspect_ratio_is_withheld_with_both_sizes(size):
    match = fit_camera_info(calibration(), size)

    assert match.info is None
    assert '480x640' in match.reason and f'{size[0]}x{size[1]}' in match.reason


@pytest.mark.parametrize(('binning', 'size'), [
    ((0, 0), (200, 320)), ((1, 1), (200, 320)), ((2, 2), (100, 160)), ((2, 1), (200, 160)),
])
def test_a_region_of_interest_is_cut_out_and_binned(binning, size):
    info = calibration()
    info.roi = RegionOfInterest(x_offset=100, y_offset=40, width=320, height=200)
    info.binning_x, info.binning_y = binning

    fitted = fit_camera_info(info, size).info

    (u, v), (x, y) = project(info), project(fitted)
    assert (x + 0.5) * 320 / size[1] == pytest.approx(u + 0.5 - 100)
    assert (y + 0.5) * 200 / size[0] == pytest.approx(v + 0.5 - 40)
    assert (fitted.roi.width, fitted.binning_x) == (0, 0)


def test_a_driver_that_sends_the_whole_image_in_spite_of_its_region_is_believed():
    info = calibration()
    info.roi = RegionOfInterest(x_offset=100, y_offset=40, width=320, height=200)

    assert fit_camera_info(info, (480, 640)).info is info


@pytest.mark.parametrize('changes', [
    {'roi': RegionOfInterest(x_offset=500, y_offset=0, width=320, height=240)},
    {'binning_x': 4_000_000_000, 'binning_y': 4_000_000_000},
])
def test_a_region_that_makes_no_sense_is_withheld(changes):
    info = calibration()
    for name, value in changes.items():
        setattr(info, name, value)

    match = fit_camera_info(info, (240, 320))

    assert match.info is None and 'aspect ratio' in match.reason


@pytest.mark.parametrize('missing', [('height', 'width'), ('height',), ('width',)])
def test_a_calibration_without_a_size_is_that_of_the_image(missing):
    info = calibration()
    for name in missing:
        setattr(info, name, 0)

    fitted = fit_camera_info(info, (480, 640)).info

    assert (fitted.height, fitted.width) == (480, 640)
    np.testing.assert_array_equal(fitted.k, info.k)


def test_a_calibration_without_a_size_whose_centre_is_elsewhere_is_withheld():
    info = calibration()
    info.height = info.width = 0

    match = fit_camera_info(info, (240, 320))

    assert match.info is None and 'set its width and height' in match.reason
    assert '(x 319.5, y 239.5)' in match.reason and '240x320' in match.reason


@pytest.mark.parametrize(('topic', 'matrix', 'rectified'), [
    ('/cam/image_raw', 'auto', False), ('/cam/image_rect', 'auto', True),
    ('/cam/image_rect_color', 'auto', True), ('/cam/image_rect/compressed', 'auto', True),
    ('/infra1/image_rect_raw', 'auto', True), ('/rgb/color/rect/image', 'auto', True),
    ('/rgb/raw/image', 'auto', False), ('/rect_detector/image_raw', 'auto', False),
    ('/direct/image', 'auto', False), ('/cam/image_unrectified', 'auto', False),
    ('image', 'auto', False), ('/cam/undistorted', 'P', True), ('/cam/image_rect', 'K', False),
])
def test_a_rectified_image_is_known_by_its_topic_or_is_told(topic, matrix, rectified):
    assert shows_rectified(topic, matrix) is rectified


def raw_and_rectified():
    """Return what a driver publishes beside both images of a distorted camera."""
    info = calibration()
    info.distortion_model, info.d = 'equidistant', [0.1, 0.0, 0.0, 0.0]
    info.p = [400.0, 0, 300, 0, 0, 410, 200, 0, 0, 0, 1, 0]
    return info


def test_the_camera_of_a_rectified_image_is_p_without_distortion():
    buffer = CameraInfoBuffer(rectified=True)
    buffer.add(raw_and_rectified())

    info = buffer.match(header(1), (480, 640)).info

    assert pinhole_of(info) == Pinhole(fx=400.0, fy=410.0, cx=300.0, cy=200.0)
    assert not any(info.d) and find_lens_fault(info) == find_lens_doubt(info) == ''
    np.testing.assert_array_equal(np.reshape(info.r, (3, 3)), np.eye(3))


def test_the_camera_of_a_raw_image_is_k_with_its_distortion():
    buffer = CameraInfoBuffer()
    buffer.add(raw_and_rectified())

    info = buffer.match(header(1), (480, 640)).info

    assert pinhole_of(info) == Pinhole(fx=500.0, fy=510.0, cx=319.5, cy=239.5)
    assert 'equidistant' in find_lens_fault(info)


@pytest.mark.parametrize('value', [0.0, np.nan])
def test_a_rectified_image_without_a_p_has_k(value):
    info = calibration()
    info.p[0] = value
    buffer = CameraInfoBuffer(rectified=True)
    buffer.add(info)

    assert buffer.match(header(1), (480, 640)).info.k[0] == 500.0


@pytest.mark.parametrize('value', [np.nan, np.inf, -500.0])
def test_a_focal_length_that_is_none_is_withheld_with_its_value(value):
    info = calibration()
    info.k[0] = value

    match = fit_camera_info(info, (480, 640))

    assert match.info is None and f'fx is {value:g}' in match.reason


@pytest.mark.parametrize('model', ['equidistant', 'fisheye', 'kannala_brandt4', 'something new'])
def test_a_lens_that_is_no_pinhole_gives_no_points_and_says_why(model):
    info = calibration()
    info.distortion_model = model

    fault = find_lens_fault(info)

    assert model in fault and 'plumb_bob' in fault and 'rectified' in fault


@pytest.mark.parametrize('model', PINHOLE_MODELS)
def test_a_pinhole_gives_points(model):
    info = calibration()
    info.distortion_model = model

    assert find_lens_fault(info) == ''


def test_distortion_is_told_where_there_is_any():
    info = calibration()
    assert find_lens_doubt(info) == ''

    info.d = [0.1, -0.2, 0.0, 0.0, 0.0]
    assert 'rectified' in find_lens_doubt(info)


def test_the_pinhole_is_that_of_the_calibration():
    assert pinhole_of(calibration()) == Pinhole(fx=500.0, fy=510.0, cx=319.5, cy=239.5)


def test_a_calibration_of_zeros_is_withheld():
    buffer = CameraInfoBuffer()
    buffer.add(calibration(matrix=np.zeros((3, 3))))

    match = buffer.match(header(1), (480, 640))

    assert match.info is None and 'not calibrated' in match.reason


@pytest.mark.parametrize('source', [(480, 640), (720, 1280), (240, 320), (600, 500)])
def test_a_point_projects_to_the_same_place_of_the_scene_in_maps_and_image(source):
    framing = frame_to_cover(source, (240, 320))
    info = calibration(size=source)

    scaled = scale_camera_info(info, framing, header(1))

    x, y, _ = np.reshape(scaled.k, (3, 3)) @ (0.1, -0.2, 1.0)
    u, v, _ = MATRIX @ (0.1, -0.2, 1.0)
    down, right = (framing.resized_size[axis] / source[axis] for axis in (0, 1))
    assert x == pytest.approx((u + 0.5) * right - 0.5 - framing.offset[1])
    assert y == pytest.approx((v + 0.5) * down - 0.5 - framing.offset[0])


def test_the_projection_matrix_follows_the_camera_matrix():
    framing = frame_to_cover((480, 640), (240, 320))

    scaled = scale_camera_info(calibration(), framing, header(1))

    np.testing.assert_allclose(np.reshape(scaled.p, (3, 4))[:, :3], np.reshape(scaled.k, (3, 3)))


def test_the_stereo_baseline_stays_what_it_is_in_metres():
    info = calibration()
    info.p[3] = -500.0 * 0.12

    scaled = scale_camera_info(info, frame_to_cover((480, 640), (240, 320)), header(1))

    assert scaled.p[3] / scaled.p[0] == pytest.approx(-0.12)


def test_the_scaled_calibration_says_whose_it_is():
    info = calibration(second=1)
    info.d = [0.1, -0.2, 0.0, 0.0, 0.0]

    scaled = scale_camera_info(info, frame_to_cover((480, 640), (240, 320)), header(7, 'lens'))

    assert (scaled.height, scaled.width) == (240, 320)
    assert scaled.header == header(7, 'lens')
    assert list(scaled.d) == list(info.d) and scaled.distortion_model == 'plumb_bob'
