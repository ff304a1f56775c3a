"""An image either continues the one before it, or it is said why not."""

from builtin_interfaces.msg import Time
import numpy as np
import pytest
from std_msgs.msg import Header

from mtshare_ros.messages.camera_image import CameraImage, Continuity


def image(stamp_s=0.0, frame_id='left', encoding='rgb8', width=640):
    stamp = Time(sec=int(stamp_s), nanosec=round(stamp_s % 1 * 1e9))
    rgb = np.zeros((480, width, 3), np.uint8)
    return CameraImage(Header(stamp=stamp, frame_id=frame_id), rgb, encoding)


@pytest.fixture
def steady():
    """Lend a continuity that has seen ten images of a 10 Hz camera, the last one at 0.9 s."""
    continuity = Continuity('activated')
    for number in range(10):
        continuity.check(image(number / 10))
    return continuity


def test_the_first_image_has_the_reason_it_was_given():
    continuity = Continuity('activated')

    assert continuity.check(image(5.0)) == 'activated'
    assert continuity.check(image(5.1)) == ''


@pytest.mark.parametrize(('changed', 'reason'), [
    (image(1.0, frame_id='right'), "frame_id changed from 'left' to 'right'"),
    (image(1.0, encoding='bgr8'), "image encoding changed from 'rgb8' to 'bgr8'"),
    (image(1.0, width=800), "image size changed from '480x640' to '480x800'"),
    (image(0.4), 'stamps went back by 0.500 s'),
    (image(60.9), 'stamps left a gap of 60.000 s'),
])
def test_another_source_or_a_jump_begins_anew_once(steady, changed, reason):
    assert steady.check(changed) == reason
    assert steady.check(changed) == ''


@pytest.mark.parametrize('stamp_s', [0.9, 1.0, 1.89])
def test_a_stamp_that_repeats_or_comes_a_little_late_continues(steady, stamp_s):
    assert steady.check(image(stamp_s)) == ''


def test_stamps_that_are_always_zero_continue():
    continuity = Continuity('activated')
    continuity.check(image())

    assert [continuity.check(image()) for _ in range(3)] == ['', '', '']


def test_the_long_periods_of_a_slow_camera_are_no_gaps():
    continuity = Continuity('activated')

    reasons = [continuity.check(image(5.0 * number)) for number in range(12)]

    assert not any(reasons[2:])


def test_a_gap_that_a_slow_camera_does_not_have_is_noticed(steady):
    for number in range(1, 12):
        steady.check(image(5.0 * number))

    assert steady.check(image(55.0 + 51.0)) == 'stamps left a gap of 51.000 s'


def test_an_interruption_holds_for_the_next_image_alone(steady):
    steady.interrupt('the camera was silent')

    assert steady.check(image(1.0)) == 'the camera was silent'
    assert steady.check(image(1.1)) == ''
