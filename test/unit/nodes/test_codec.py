"""Images come out of messages as the camera saw them."""

import numpy as np
import pytest
from sensor_msgs.msg import Image

from mtshare_ros.errors import FrameError
from mtshare_ros.messages.encodings import INPUT_ENCODINGS
from mtshare_ros.nodes.codec import image_to_rgb

RGB = np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8)
ALPHA = np.full((6, 8, 1), 77, np.uint8)
GREY = np.repeat(RGB[..., :1], 3, axis=2)


def make_message(pixels, encoding, *, padding=0, keep=None):
    """Build an image message from (H, W, C) bytes, each row followed by padding bytes."""
    height, width, channels = pixels.shape
    rows = np.zeros((height, width * channels + padding), np.uint8)
    rows[:, :width * channels] = pixels.reshape(height, -1)
    message = Image(
        height=height, width=width, encoding=encoding, step=rows.shape[1])
    message.data.frombytes(rows.tobytes()[:keep])
    return message


def flat_message(encoding, height, width):
    """Build a message of any encoding with equal bytes, as long as it has to be."""
    layout = INPUT_ENCODINGS[encoding]
    message = Image(height=height, width=width, encoding=encoding, step=layout.row_bytes(width))
    message.data.frombytes(bytes([9]) * layout.total_bytes(height, width))
    return message


def yuv_samples(rgb, order):
    """Encode RGB as 4:2:2 bytes in the given order of (luma, chroma), BT.601 video range."""
    red, green, blue = np.moveaxis(rgb.astype(float), 2, 0)
    luma = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    u = 128 - 0.148 * red - 0.291 * green + 0.439 * blue
    v = 128 + 0.439 * red - 0.368 * green - 0.071 * blue
    chroma = np.empty_like(luma)
    chroma[:, ::2], chroma[:, 1::2] = u[:, ::2], v[:, ::2]
    return np.stack([(luma, chroma)[index] for index in order], axis=2).round().astype(np.uint8)


EXACT = {
    'rgb8': (RGB, RGB),
    'bgr8': (RGB[..., ::-1], RGB),
    'rgba8': (np.concatenate([RGB, ALPHA], 2), RGB),
    'bgra8': (np.concatenate([RGB[..., ::-1], ALPHA], 2), RGB),
    'mono8': (RGB[..., :1], GREY),
    '8UC1': (RGB[..., :1], GREY),
    '8UC3': (RGB[..., ::-1], RGB),
    '8UC4': (np.concatenate([RGB[..., ::-1], ALPHA], 2), RGB),
    'BGR8': (RGB[..., ::-1], RGB),
}


@pytest.mark.fault(9)
@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('encoding', EXACT)
def test_every_rgb_order_is_read_exactly(encoding, padding):
    source, expected = EXACT[encoding]

    image = image_to_rgb(make_message(source, encoding, padding=padding))

    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(('encoding', 'order'), [
    ('yuv422_yuy2', (0, 1)), ('yuyv', (0, 1)), ('uyvy', (1, 0)), ('yuv422', (1, 0))])
@pytest.mark.parametrize('padding', [0, 6])
def test_yuv_is_read_as_the_colours_it_was_made_of(encoding, order, padding):
    even = np.repeat(RGB[:, ::2], 2, axis=1)
    message = make_message(yuv_samples(even, order), encoding, padding=padding)

    image = image_to_rgb(message)

    assert np.abs(image.astype(int) - even).max() <= 6


@pytest.mark.parametrize('level', [0, 255])
def test_extreme_yuv_samples_are_clipped_not_wrapped(level):
    samples = np.full((2, 4, 2), level, np.uint8)

    image = image_to_rgb(make_message(samples, 'uyvy'))

    luma, chroma = 1.164 * (level - 16), level - 128
    expected = [luma + 1.596 * chroma, luma - 1.204 * chroma, luma + 2.018 * chroma]
    np.testing.assert_allclose(image[0, 0], np.clip(expected, 0, 255), atol=5)


def test_an_rgb8_image_is_not_copied():
    message = make_message(RGB, 'rgb8')

    image = image_to_rgb(message)

    assert np.shares_memory(image, np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize('encoding', [name for name in INPUT_ENCODINGS if name != 'rgb8'])
def test_a_converted_image_can_be_given_to_torch(encoding):
    image = image_to_rgb(flat_message(encoding, 4, 4))

    assert image.flags.c_contiguous and image.dtype == np.uint8 and image.shape == (4, 4, 3)


@pytest.mark.fault(9)
@pytest.mark.parametrize('encoding', INPUT_ENCODINGS)
def test_a_short_buffer_is_refused_with_both_lengths(encoding):
    message = flat_message(encoding, 4, 4)
    needed = len(message.data)
    del message.data[9:]

    with pytest.raises(FrameError, match=f'{needed} bytes in all.* 9 bytes'):
        image_to_rgb(message)


@pytest.mark.fault(9)
@pytest.mark.parametrize('encoding', INPUT_ENCODINGS)
def test_a_step_shorter_than_a_row_is_refused(encoding):
    message = flat_message(encoding, 6, 8)
    row, message.step = message.step, 7
    message.data.frombytes(bytes(1))

    with pytest.raises(FrameError, match=f'rows of at least {row} bytes.*step 7'):
        image_to_rgb(message)


@pytest.mark.parametrize('step', [2**31, 2**32 - 1])
def test_a_step_far_beyond_the_buffer_is_refused_however_it_multiplies(step):
    message = make_message(RGB, 'rgb8')
    message.step = step

    with pytest.raises(FrameError, match=f'step {step} and 144 bytes'):
        image_to_rgb(message)


@pytest.mark.fault(9)
@pytest.mark.parametrize('encoding', EXACT)
def test_the_byte_order_says_nothing_about_samples_of_one_byte(encoding):
    source, expected = EXACT[encoding]
    message = make_message(source, encoding)
    message.is_bigendian = 1

    np.testing.assert_array_equal(image_to_rgb(message), expected)


def test_a_last_row_without_padding_is_read():
    message = make_message(RGB, 'rgb8', padding=5)
    del message.data[-5:]

    np.testing.assert_array_equal(image_to_rgb(message), RGB)


def test_a_step_of_zero_means_rows_without_padding():
    message = make_message(RGB, 'rgb8')
    message.step = 0

    np.testing.assert_array_equal(image_to_rgb(message), RGB)


@pytest.mark.fault(9)
@pytest.mark.parametrize(('width', 'height'), [(0, 0), (0, 5), (5, 0)])
def test_an_empty_image_is_refused(width, height):
    with pytest.raises(FrameError, match=f'{height}x{width}.*at least 1x1'):
        image_to_rgb(Image(width=width, height=height, encoding='rgb8'))


@pytest.mark.fault(9)
@pytest.mark.parametrize('encoding', EXACT)
def test_a_single_pixel_is_read(encoding):
    source, expected = EXACT[encoding]

    image = image_to_rgb(make_message(source[:1, :1], encoding))

    np.testing.assert_array_equal(image, expected[:1, :1])


def test_an_image_above_max_pixels_is_refused_before_its_buffer_is_touched():
    message = Image(width=2**31, height=2**31, encoding='rgb8')

    with pytest.raises(FrameError, match='more than the 1000 .* max_pixels'):
        image_to_rgb(message, max_pixels=1000)


@pytest.mark.fault(9)
@pytest.mark.parametrize(('encoding', 'channels'), [('rgb8', 3), ('mono8', 1), ('uyvy', 2)])
def test_an_8k_image_is_refused_by_default_and_read_where_max_pixels_allows_it(
    encoding, channels
):
    message = make_message(np.zeros((4320, 7680, channels), np.uint8), encoding)

    with pytest.raises(FrameError, match='4320x7680 pixels .*more than the 16777216'):
        image_to_rgb(message)

    assert image_to_rgb(message, max_pixels=7680 * 4320).shape == (4320, 7680, 3)


@pytest.mark.fault(9)
@pytest.mark.parametrize('width', [1, 3])
@pytest.mark.parametrize(
    'encoding', [name for name, entry in INPUT_ENCODINGS.items() if entry.even[1]])
def test_an_odd_width_is_refused_where_pixels_share_their_colour(encoding, width):
    message = make_message(np.zeros((2, width, 2), np.uint8), encoding)

    with pytest.raises(FrameError, match=f'even width.*2x{width}'):
        image_to_rgb(message)


@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
def test_an_odd_height_is_refused_where_rows_share_their_colour(encoding):
    message = make_message(np.zeros((3, 4, 2), np.uint8), encoding)

    with pytest.raises(FrameError, match='even height.*3x4'):
        image_to_rgb(message)


@pytest.mark.parametrize('encoding', ['bayer_rggb8', 'bayer_grbg16'])
def test_a_pattern_of_less_than_its_colours_is_refused(encoding):
    with pytest.raises(FrameError, match='at least 2x2 pixels; this one has 4x1'):
        image_to_rgb(make_message(np.zeros((4, 1, 2), np.uint8), encoding))


def test_an_encoding_is_quoted_on_one_short_line_however_long_it_is():
    with pytest.raises(FrameError) as caught:
        image_to_rgb(make_message(RGB, 'evil\n[INFO] forged' * 10**5))

    assert '\n' not in str(caught.value) and len(str(caught.value)) < 500
    assert 'characters)' in str(caught.value)


@pytest.mark.fault(9)
@pytest.mark.parametrize(('encoding', 'reason'), [
    ('32FC1', 'holds depth or other numbers, not colours; remap the image'),
    ('16UC1', 'is depth in millimetres; .* if it is grey, name it mono16'),
    ('8SC3', 'holds depth or other numbers'),
    ('8UC2', 'holds depth or other numbers'),
    ('jpeg', 'publish compressed images as sensor_msgs/CompressedImage'),
    ('h264', 'publish compressed images as'),
    ('no such thing', 'decoded are rgb8, .*nv24: set the camera driver'),
    ('', 'decoded are rgb8'),
])
def test_what_is_no_colour_image_is_refused_with_what_helps(encoding, reason):
    with pytest.raises(FrameError, match=f'encoding is {encoding!r}.*{reason}') as caught:
        image_to_rgb(make_message(RGB, encoding))

    assert 'cv_bridge' not in str(caught.value)


@pytest.mark.parametrize('encoding', sorted(INPUT_ENCODINGS))
def test_cv_bridge_reads_the_same_image(encoding):
    cv_bridge = pytest.importorskip('cv_bridge', reason='cv_bridge cannot be imported here')
    if encoding in ('nv12', 'nv24') or encoding.startswith('8UC') or encoding.startswith('16UC'):
        pytest.skip('cv_bridge knows no colours of it')
    message = flat_message(encoding, 16, 16)

    expected = cv_bridge.CvBridge().imgmsg_to_cv2(message, 'rgb8')

    assert np.abs(image_to_rgb(message).astype(int) - expected).max() <= 5
