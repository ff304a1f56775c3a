"""The calibration of the maps is that of the camera, scaled and shifted with the image."""

import numpy as np
import pytest
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from mtshare_ros.inference.geometry import Pinhole
from mtshare_ros.messages.camera_info import (
    CameraInfoBuffer,
    find_lens_doubt,
    find_lens_fault,
    fit_camera_info,
    PINHOLE_MODELS,
    pinhole_of,
    scale_camera_info,
)
from mtshare_ros.model.framing import frame_to_cover
from mtshare_ros.nodes.camera_info import pinhole_camera_info

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
    assert '640x480' in match.reason and f'{size[1]}x{size[0]}' in match.reason


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
    {'height': 0, 'width': 0},
])
def test_a_region_that_makes_no_sense_is_withheld(changes):
    info = calibration()
    for name, value in changes.items():
        setattr(info, name, value)

    match = fit_camera_info(info, (240, 320))

    assert match.info is None and 'aspect ratio' in match.reason


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
