"""The calibration of the maps is that of the camera, scaled and shifted with the image."""

import numpy as np
import pytest
from std_msgs.msg import Header

from mtshare_ros.model.framing import frame_to_cover
from mtshare_ros.nodes.camera_info import (
    CameraInfoBuffer,
    pinhole_camera_info,
    scale_camera_info,
)

MATRIX = np.array([[500.0, 0, 319.5], [0, 510.0, 239.5], [0, 0, 1]])


def header(second, frame_id='camera'):
    made = Header(frame_id=frame_id)
    made.stamp.sec = second
    return made


def calibration(second=1, size=(480, 640), matrix=MATRIX):
    return pinhole_camera_info(matrix, size, header(second))


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


def test_a_calibration_of_another_size_is_withheld_with_both_sizes():
    buffer = CameraInfoBuffer()
    buffer.add(calibration(size=(240, 320)))

    match = buffer.match(header(1), (480, 640))

    assert match.info is None and '320x240' in match.reason and '640x480' in match.reason


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
