"""Images come out of messages as the camera saw them."""

import sys

import numpy as np
import pytest
from sensor_msgs.msg import Image

from mtshare_ros.errors import FrameError
from mtshare_ros.messages.encodings import INPUT_ENCODINGS
from mtshare_ros.nodes import bridge
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
}


@pytest.mark.fault(9)
@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('encoding', EXACT)
def test_every_rgb_order_is_read_exactly(encoding, padding):
    source, expected = EXACT[encoding]

    image = image_to_rgb(make_message(source, encoding, padding=padding))

    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(('encoding', 'order'), [('yuv422_yuy2', (0, 1)), ('uyvy', (1, 0))])
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
    channels = INPUT_ENCODINGS[encoding].channels
    message = make_message(np.zeros((4, 4, channels), np.uint8), encoding)

    image = image_to_rgb(message)

    assert image.flags.c_contiguous and image.dtype == np.uint8 and image.shape == (4, 4, 3)


@pytest.mark.fault(9)
@pytest.mark.parametrize('encoding', INPUT_ENCODINGS)
def test_a_short_buffer_is_refused_with_both_lengths(encoding):
    channels = INPUT_ENCODINGS[encoding].channels
    message = make_message(np.zeros((4, 4, channels), np.uint8), encoding, keep=9)

    with pytest.raises(FrameError, match=f'{16 * channels} bytes in all.* 9 bytes'):
        image_to_rgb(message)


@pytest.mark.fault(9)
@pytest.mark.parametrize('encoding', INPUT_ENCODINGS)
def test_a_step_shorter_than_a_row_is_refused(encoding):
    channels = INPUT_ENCODINGS[encoding].channels
    message = make_message(np.zeros((6, 8, channels), np.uint8), encoding)
    message.step = 7

    with pytest.raises(FrameError, match=f'rows of at least {8 * channels} bytes.*step 7'):
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
    with pytest.raises(FrameError, match=f'{width}x{height}.*at least 1x1'):
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

    with pytest.raises(FrameError, match='7680x4320 pixels, more than the 16777216'):
        image_to_rgb(message)

    assert image_to_rgb(message, max_pixels=7680 * 4320).shape == (4320, 7680, 3)


@pytest.mark.fault(9)
@pytest.mark.parametrize('width', [1, 3])
@pytest.mark.parametrize(
    'encoding', [name for name, entry in INPUT_ENCODINGS.items() if entry.even_width])
def test_an_odd_width_is_refused_where_pixels_share_their_colour(encoding, width):
    message = make_message(np.zeros((2, width, 2), np.uint8), encoding)

    with pytest.raises(FrameError, match=f'even width.*{width}x2'):
        image_to_rgb(message)


def test_an_encoding_is_quoted_on_one_short_line_however_long_it_is():
    with pytest.raises(FrameError) as caught:
        image_to_rgb(make_message(RGB, 'evil\n[INFO] forged' * 10**5))

    assert '\n' not in str(caught.value) and len(str(caught.value)) < 500
    assert 'characters)' in str(caught.value)


@pytest.mark.fault(9)
@pytest.mark.skipif(not isinstance(bridge.load_cv_bridge(), str), reason='cv_bridge is installed')
@pytest.mark.parametrize('encoding', ['bayer_rggb8', 'rgb16', 'no such thing', ''])
def test_another_encoding_is_refused_by_name_where_cv_bridge_is_missing(encoding):
    message = make_message(RGB, encoding)

    with pytest.raises(FrameError, match=f'{encoding!r}.*uyvy.*install cv_bridge'):
        image_to_rgb(message)


@pytest.mark.parametrize('encoding', sorted(INPUT_ENCODINGS))
def test_cv_bridge_reads_the_same_image(encoding):
    cv_bridge = bridge.load_cv_bridge()
    if isinstance(cv_bridge, str):
        pytest.skip(f'cv_bridge cannot be imported here: {cv_bridge}')
    channels = INPUT_ENCODINGS[encoding].channels
    pixels = np.random.default_rng(5).integers(0, 256, (16, 16, channels), np.uint8)
    message = make_message(pixels, encoding)

    expected = cv_bridge.CvBridge().imgmsg_to_cv2(message, 'rgb8')

    assert np.abs(image_to_rgb(message).astype(int) - expected).max() <= 5


def plant_cv_bridge(monkeypatch, folder, body):
    """Put a stand-in for cv_bridge where it is imported from: the real one is compiled."""
    for package in (folder / 'cv_bridge', folder / 'cv_bridge' / 'boost'):
        package.mkdir()
        (package / '__init__.py').write_text('')
    (folder / 'cv_bridge' / '__init__.py').write_text(body)
    (folder / 'cv_bridge' / 'boost' / 'cv_bridge_boost.py').write_text('')
    monkeypatch.syspath_prepend(folder)
    for name in ('cv_bridge', 'cv_bridge.boost', 'cv_bridge.boost.cv_bridge_boost'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    bridge.load_cv_bridge.cache_clear()


@pytest.fixture
def forget_cv_bridge():
    yield
    for name in [name for name in sys.modules if name.split('.')[0] == 'cv_bridge']:
        del sys.modules[name]
    bridge.load_cv_bridge.cache_clear()


def test_cv_bridge_takes_over_another_encoding(monkeypatch, tmp_path, forget_cv_bridge):
    plant_cv_bridge(monkeypatch, tmp_path, """
import numpy
class CvBridge:
    def imgmsg_to_cv2(self, message, desired_encoding):
        assert (message.encoding, desired_encoding) == ('bayer_rggb8', 'rgb8')
        return numpy.full((message.height, message.width, 3), 9, numpy.uint8)
""")

    image = image_to_rgb(make_message(RGB[..., :1], 'bayer_rggb8'))

    assert image.shape == RGB.shape and (image == 9).all()


def test_a_refusal_of_cv_bridge_is_passed_on_with_the_encoding(
    monkeypatch, tmp_path, forget_cv_bridge
):
    plant_cv_bridge(monkeypatch, tmp_path, """
class CvBridge:
    def imgmsg_to_cv2(self, message, desired_encoding):
        raise RuntimeError('[16UC1] is not a color format')
""")

    with pytest.raises(FrameError, match="'16UC1' into rgb8: .*not a color format.*uyvy"):
        image_to_rgb(make_message(np.zeros((2, 2, 2), np.uint8), '16UC1'))


def test_a_cv_bridge_of_another_numpy_is_named_as_the_reason(
    monkeypatch, tmp_path, forget_cv_bridge
):
    plant_cv_bridge(monkeypatch, tmp_path, "raise AttributeError('_ARRAY_API not found')")

    with pytest.raises(FrameError, match='_ARRAY_API not found'):
        image_to_rgb(make_message(RGB, 'rgb16'))
