"""Maps go into messages and come back as they are."""

import sys

import numpy as np
import pytest
from sensor_msgs.msg import Image

from mtshare_ros.errors import FrameError
from mtshare_ros.messages.encodings import OUTPUT_ENCODINGS
from mtshare_ros.messages.image_messages import read_map
from mtshare_ros.nodes.codec import fill_image


def random_map(encoding, size=(5, 7)):
    layout = OUTPUT_ENCODINGS[encoding]
    shape = size if layout.channels == 1 else (*size, layout.channels)
    return np.random.default_rng(1).uniform(0, 255, shape).astype(layout.dtype)


@pytest.mark.parametrize('encoding', OUTPUT_ENCODINGS)
def test_a_map_survives_the_way_into_a_message_and_back(encoding):
    values, message = random_map(encoding), Image()

    fill_image(message, values, encoding)

    np.testing.assert_array_equal(read_map(message), values)
    assert (message.height, message.width, message.encoding) == (5, 7, encoding)
    assert message.step * message.height == len(message.data) == values.nbytes
    assert message.is_bigendian == (sys.byteorder == 'big')


def test_a_reused_message_holds_the_newest_map_of_whatever_size():
    message = Image()
    fill_image(message, random_map('rgb8', (9, 9)), 'rgb8')

    smaller = random_map('32FC1', (2, 3))
    fill_image(message, smaller, '32FC1')

    np.testing.assert_array_equal(read_map(message), smaller)


def test_a_map_with_gaps_in_memory_is_written_without_them():
    wide, message = random_map('rgb8', (4, 20)), Image()

    fill_image(message, wide[:, ::2], 'rgb8')

    np.testing.assert_array_equal(read_map(message), wide[:, ::2])


def test_nan_stays_nan():
    values, message = np.full((2, 2), np.nan, np.float32), Image()

    fill_image(message, values, '32FC1')

    assert np.isnan(read_map(message)).all()


@pytest.mark.parametrize(('values', 'encoding'), [
    (np.zeros((2, 2), np.float64), '32FC1'),
    (np.zeros((2, 2), np.uint8), 'rgb8'),
    (np.zeros((2, 2, 3), np.uint8), 'mono8'),
])
def test_an_array_that_does_not_fit_its_encoding_is_refused(values, encoding):
    with pytest.raises(FrameError, match=f'does not fit the encoding {encoding}'):
        fill_image(Image(), values, encoding)


def test_a_big_endian_map_is_read_in_its_own_order():
    message = Image(height=1, width=1, encoding='32FC1', step=4, is_bigendian=1)
    message.data.frombytes(np.array([1.5], '>f4').tobytes())

    assert read_map(message)[0, 0] == 1.5
