"""Whatever a calibration or a stamp holds: it is used, or the reason against it is given."""

from fuzz_messages import ALWAYS_THE_SAME, calibrations, headers
from hypothesis import given, strategies
import numpy as np
import pytest
from rclpy.clock import ROSClock
from sensor_msgs.msg import Image

from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.messages.camera_image import CameraImage, Continuity
from mtshare_ros.messages.camera_info import (
    CameraInfoBuffer,
    find_lens_doubt,
    find_lens_fault,
    pinhole_of,
    scale_camera_info,
)
from mtshare_ros.nodes.perception.input_watch import AgeMeter

SIZES = strategies.sampled_from([(24, 32), (48, 64), (16, 4000), (17, 19)])


@pytest.mark.filterwarnings('ignore:overflow', 'ignore:invalid value')
@ALWAYS_THE_SAME
@given(strategies.lists(calibrations(), min_size=1, max_size=3), SIZES)
def test_a_calibration_of_any_numbers(infos, size):
    buffer = CameraInfoBuffer()
    for info in infos:
        buffer.add(info)

    match = buffer.match(infos[0].header, size)

    assert (match.info is None) == bool(match.reason) and len(match.reason) < 1000
    if match.info is not None:
        scaled = scale_camera_info(match.info, frame_to_cover(size, (96, 128)), infos[0].header)
        assert (scaled.height, scaled.width) == (96, 128)
        pinhole_of(scaled)
        assert len(find_lens_fault(scaled)) < 1000 and find_lens_doubt(scaled) is not None


@ALWAYS_THE_SAME
@given(strategies.lists(headers(Image()).map(lambda message: message.header), max_size=6),
       strategies.text(max_size=2000))
def test_stamps_in_any_order(found, encoding):
    continuity = Continuity('activated')
    for header in found:
        image = CameraImage(header, np.zeros((1, 1, 3), np.uint8), encoding)

        reason = continuity.check(image)

        assert isinstance(reason, str) and len(reason) < 1000 and '\n' not in reason


@ALWAYS_THE_SAME
@given(headers(Image()))
def test_an_age_is_never_negative(message):
    age = AgeMeter(ROSClock()).measure(message.header.stamp)

    assert not age.milliseconds < 0
