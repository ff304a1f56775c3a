"""Whatever an image message holds: it becomes RGB, or a FrameError, and nothing else."""

from fuzz_messages import (
    ALWAYS_THE_SAME,
    any_images,
    compressed_images,
    nearly_right_images,
    pictures,
)
from hypothesis import event, given, strategies
import numpy as np
import pytest
from sensor_msgs.msg import Image

from mtshare_ros.errors import FrameError
from mtshare_ros.image_frame import fit_frame, frame_to_cover, SMALLEST_SIDE
from mtshare_ros.messages.encodings import INPUT_ENCODINGS, OUTPUT_ENCODINGS
from mtshare_ros.messages.image_messages import read_map
from mtshare_ros.nodes.perception.input_topics import TRANSPORTS

MAX_PIXELS = 2_000
INPUT_SIZE = (4, 4)


def look_at(image):
    """See an image as a network does."""
    framing = frame_to_cover((image.height, image.width), INPUT_SIZE)
    assert fit_frame(image.picture, framing).shape == (*INPUT_SIZE, 3)


def read_or_refuse(transport, message):
    """Decode as the node does; return whether the image was read."""
    try:
        rgb = TRANSPORTS[transport].rgb(message, MAX_PIXELS)
        if min(rgb.shape[:2]) >= SMALLEST_SIDE:
            look_at(TRANSPORTS[transport].read(message, INPUT_SIZE, MAX_PIXELS))
    except FrameError as error:
        assert '\n' not in str(error) and len(str(error)) < 1000
        return False
    assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3
    assert 0 < rgb.shape[0] * rgb.shape[1] <= MAX_PIXELS
    return True


@pytest.mark.fault(9)
@ALWAYS_THE_SAME
@given(any_images())
def test_an_image_of_any_fields(message):
    event(f'read: {read_or_refuse("raw", message)}')


@ALWAYS_THE_SAME
@given(nearly_right_images())
def test_an_image_that_is_nearly_right_is_read_exactly_where_it_is_long_enough(message):
    layout = INPUT_ENCODINGS[message.encoding]
    row = layout.row_bytes(message.width)
    needed = (message.step or row) * (message.height - 1) + row
    odd = layout.even[1] and message.width % 2
    smallest = 2 if message.encoding.startswith('bayer') else 1
    right = min(message.height, message.width) >= smallest and not odd and (
        (message.step or row) >= row and len(message.data) >= needed)

    assert read_or_refuse('raw', message) == right


@ALWAYS_THE_SAME
@given(strategies.data())
def test_a_compressed_image_of_any_bytes(data):
    pytest.importorskip('PIL', reason='Pillow is not installed: pip install -e ".[compressed]"')
    message = data.draw(compressed_images(pictures()))

    event(f'read: {read_or_refuse("compressed", message)}')


@ALWAYS_THE_SAME
@given(any_images(), strategies.sampled_from([*OUTPUT_ENCODINGS, 'x']))
def test_a_map_of_any_fields(message: Image, encoding):
    message.encoding = encoding
    try:
        values = read_map(message)
    except FrameError:
        return
    assert values.shape[:2] == (message.height, message.width)
