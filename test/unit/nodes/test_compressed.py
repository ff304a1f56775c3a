"""JPEG and PNG come out of messages as RGB, and what is neither is refused by name."""

import io
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage

from mtshare_ros import image_files
from mtshare_ros.errors import FrameError, MissingExtraError
from mtshare_ros.image_frame import fit_image, frame_to_cover
from mtshare_ros.messages.compressed import compressed_to_rgb, read_compressed, require_decoder
from mtshare_ros.messages.image_messages import BAG_HINTS

pillow = pytest.importorskip(
    'PIL.Image', reason='Pillow is not installed: pip install -e ".[compressed]"')

SMOOTH = np.dstack([*np.meshgrid(np.arange(0, 256, 4), np.arange(0, 192, 4)),
                    np.full((48, 64), 90)]).astype(np.uint8)
"""A (48, 64, 3) image that survives JPEG."""


def encoded(image, codec='PNG', **options):
    """Return the bytes of a Pillow image or an array."""
    image = pillow.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    image.save(buffer, codec, **options)
    return buffer.getvalue()


def message_of(data, text='rgb8; jpeg compressed bgr8'):
    message = CompressedImage(format=text)
    message.data.frombytes(data)
    return message


def chunk(name, content):
    """Return one chunk of a PNG."""
    return struct.pack('>I', len(content)) + name + content + struct.pack(
        '>I', zlib.crc32(name + content))


def png_of(width, height, depth, kind, rows):
    """Write a PNG by hand, for kinds that Pillow does not write."""
    header = struct.pack('>IIBBBBB', width, height, depth, kind, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(
        b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')


@pytest.mark.parametrize('text', [
    'jpeg', 'jpg', 'JPEG', 'rgb8; jpeg compressed bgr8', 'bgr8; jpeg compressed ', 'mono8; jpeg'])
def test_a_jpeg_is_read_as_it_looks(text):
    image = compressed_to_rgb(message_of(encoded(SMOOTH, 'JPEG', quality=95), text))

    assert image.shape == SMOOTH.shape and image.dtype == np.uint8
    assert np.abs(image.astype(int) - SMOOTH).mean() < 3


@pytest.mark.parametrize('text', ['png', 'rgb8; png compressed bgr8', 'bgra8; png compressed'])
def test_a_png_is_read_exactly(text):
    image = compressed_to_rgb(message_of(encoded(SMOOTH), text))

    np.testing.assert_array_equal(image, SMOOTH)


def test_a_progressive_jpeg_is_read():
    data = encoded(SMOOTH, 'JPEG', progressive=True)

    assert data.count(b'\xff\xda') > 1
    assert compressed_to_rgb(message_of(data)).shape == SMOOTH.shape


def test_the_codec_is_seen_from_the_bytes_where_the_format_names_the_other():
    np.testing.assert_array_equal(compressed_to_rgb(message_of(encoded(SMOOTH), 'jpeg')), SMOOTH)


@pytest.mark.parametrize('mode', ['L', 'LA', 'RGBA', '1'])
def test_grey_levels_and_alpha_become_rgb(mode):
    source = pillow.fromarray(SMOOTH).convert(mode)

    image = compressed_to_rgb(message_of(encoded(source), 'png'))

    np.testing.assert_array_equal(image, np.array(source.convert('RGB')))


def test_alpha_is_left_out_and_not_blended():
    transparent = np.dstack([SMOOTH, np.zeros(SMOOTH.shape[:2], np.uint8)])

    image = compressed_to_rgb(message_of(encoded(transparent), 'png'))

    np.testing.assert_array_equal(image, SMOOTH)


def test_a_palette_becomes_its_colours():
    palette = pillow.fromarray(SMOOTH).quantize(16)

    image = compressed_to_rgb(message_of(encoded(palette), 'png'))

    np.testing.assert_array_equal(image, np.array(palette.convert('RGB')))


def test_of_sixteen_bit_colours_the_upper_byte_is_taken():
    row = b'\x00' + bytes([10, 99, 20, 99, 30, 99])

    image = compressed_to_rgb(message_of(png_of(1, 1, 16, 2, row), 'rgb16; png compressed'))

    assert image.tolist() == [[[10, 20, 30]]]


def test_the_image_can_be_written_to_as_torch_expects():
    assert compressed_to_rgb(message_of(encoded(SMOOTH), 'png')).flags.writeable


def test_sixteen_bit_grey_keeps_its_upper_byte():
    deep = pillow.fromarray(SMOOTH[..., 0].astype(np.uint16) * 257)

    image = compressed_to_rgb(message_of(encoded(deep), 'mono16; png compressed mono16'))

    np.testing.assert_array_equal(image, np.repeat(SMOOTH[..., :1], 3, axis=2))


def test_print_colours_become_rgb():
    source = pillow.fromarray(SMOOTH).convert('CMYK')

    image = compressed_to_rgb(message_of(encoded(source, 'JPEG', quality=95), 'jpeg'))

    assert np.abs(image.astype(int) - SMOOTH).mean() < 6


def test_the_pattern_of_a_colour_sensor_is_interpolated():
    mosaic = np.empty(SMOOTH.shape[:2], np.uint8)
    for place, channel in enumerate((1, 0, 2, 1)):
        row, column = divmod(place, 2)
        mosaic[row::2, column::2] = SMOOTH[row::2, column::2, channel]

    image = compressed_to_rgb(message_of(encoded(mosaic), 'bayer_grbg8; png compressed'))

    assert np.abs(image.astype(int) - SMOOTH).max() <= 4


@pytest.mark.parametrize('text', [
    '', 'mjpeg', 'MJPG', 'bgr8', 'webp', 'rgb8; tiff compressed', '\x00\ud7ff\n', 'x' * 10**6])
@pytest.mark.parametrize('codec', ['JPEG', 'PNG', 'WEBP', 'TIFF', 'BMP'])
def test_an_image_is_judged_by_its_bytes_whatever_the_format_says(codec, text):
    image = compressed_to_rgb(message_of(encoded(SMOOTH, codec), text))

    assert image.shape == SMOOTH.shape and np.abs(image.astype(int) - SMOOTH).mean() < 6


@pytest.mark.parametrize('text', ['', 'webp', '\x00\ud7ff\n', 'x' * 10**6])
def test_bytes_that_are_no_image_are_refused_with_what_is_read(text):
    with pytest.raises(FrameError, match='JPEG, PNG, WEBP, TIFF, BMP are read') as caught:
        compressed_to_rgb(message_of(b'no image', text))

    assert repr(text[:20])[:-1] in str(caught.value) and len(str(caught.value)) < 500
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(('data', 'text'), [
    (b'\0\0\0\1\x67 of a stream', 'jpeg'), (b'anything', 'h264'), (b'anything', 'video/hevc')])
def test_a_packet_of_a_video_is_refused_as_what_it_is(data, text):
    with pytest.raises(FrameError, match='one packet of a video.*republish the images'):
        compressed_to_rgb(message_of(data, text))


def test_the_hint_fits_who_reads():
    depth = message_of(encoded(SMOOTH), '16UC1; compressedDepth png')

    with pytest.raises(FrameError, match='remap the image to the colour topic'):
        compressed_to_rgb(depth)
    with pytest.raises(FrameError, match='choose the colour topic with --image-topic'):
        compressed_to_rgb(depth, hints=BAG_HINTS)
    with pytest.raises(FrameError, match='48x64 pixels .*more than the 9 that are read; record'):
        compressed_to_rgb(message_of(encoded(SMOOTH)), 9, BAG_HINTS)


def test_compressed_depth_is_known_by_its_bytes():
    with pytest.raises(FrameError, match='holds depth'):
        compressed_to_rgb(message_of(bytes(12) + encoded(SMOOTH), 'png'))


@pytest.mark.parametrize('text', ['16UC1; png compressed', '32FC1; compressedDepth png'])
def test_compressed_depth_is_refused_as_what_it_is(text):
    with pytest.raises(FrameError, match='holds depth, not colours'):
        compressed_to_rgb(message_of(encoded(SMOOTH), text))


@pytest.mark.parametrize('codec', ['JPEG', 'PNG'])
@pytest.mark.parametrize('keep', [0, 1, 20, 0.5, 0.8])
def test_a_truncated_image_is_refused_not_filled_up(codec, keep):
    data = encoded(SMOOTH, codec)

    cut = data[:keep if isinstance(keep, int) else int(len(data) * keep)]

    with pytest.raises(FrameError, match=f'{len(cut)} bytes cannot be decoded'):
        compressed_to_rgb(message_of(cut))


def test_another_kind_of_file_is_refused_whatever_the_format_says():
    with pytest.raises(FrameError, match='cannot be decoded'):
        compressed_to_rgb(message_of(encoded(SMOOTH, 'GIF'), 'png'))


@pytest.mark.parametrize('codec', ['JPEG', 'PNG'])
def test_an_image_above_max_pixels_is_refused_with_its_size(codec):
    with pytest.raises(FrameError, match='has 48x64 pixels .*more than the 3071 .*max_pixels'):
        compressed_to_rgb(message_of(encoded(SMOOTH, codec)), max_pixels=64 * 48 - 1)

    assert compressed_to_rgb(message_of(encoded(SMOOTH, codec)), 64 * 48).shape == SMOOTH.shape


@pytest.mark.filterwarnings('ignore:Image size')
@pytest.mark.parametrize('side', [5_000, 12_000, 60_000, 2**31 - 1])
def test_the_size_is_refused_from_the_header_alone(side):
    """Without any pixels: whoever decoded before looking would find the data cut short."""
    with pytest.raises(FrameError, match='max_pixels|exceeds limit'):
        compressed_to_rgb(message_of(png_of(side, side, 8, 2, b''), 'png'))


def test_a_jpeg_with_thousands_of_scans_is_refused_before_it_takes_minutes():
    data = encoded(SMOOTH, 'JPEG', progressive=True)
    scan = data[data.rindex(b'\xff\xda'):-2]

    with pytest.raises(FrameError, match='scans, at most 100'):
        compressed_to_rgb(message_of(data[:-2] + scan * 2000 + data[-2:]))


LARGE = np.kron(SMOOTH, np.ones((16, 16, 1), np.uint8))
"""A (768, 1024, 3) image, of which a network of (48, 64) sees every sixteenth pixel."""


@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK'])
def test_a_jpeg_far_larger_than_the_input_is_decoded_smaller_and_seen_alike(mode):
    source = pillow.fromarray(LARGE).convert(mode)
    message = message_of(encoded(source, 'JPEG', quality=95))
    framing = frame_to_cover((768, 1024), (48, 64))

    picture = read_compressed(message, (48, 64))

    assert picture.size == (768, 1024) and picture.rgb().shape == (96, 128, 3)
    difference = np.abs(picture.fit(framing).astype(int) - fit_image(
        compressed_to_rgb(message), framing))
    assert difference.mean() < 1 and np.percentile(difference, 99) <= 10


@pytest.mark.parametrize(('codec', 'shape'), [
    ('PNG', (768, 1024)), ('JPEG', (767, 1023)), ('JPEG', (150, 200))])
def test_an_image_that_cannot_be_decoded_smaller_exactly_is_decoded_whole(codec, shape):
    message = message_of(encoded(LARGE[:shape[0], :shape[1]].copy(), codec))

    np.testing.assert_array_equal(
        read_compressed(message, (48, 64)), compressed_to_rgb(message))


def test_a_jpeg_that_is_to_be_turned_is_turned():
    exif = pillow.Exif()
    exif[0x0112] = 6
    message = message_of(encoded(LARGE, 'JPEG', exif=exif, quality=95))

    image = read_compressed(message, (48, 64))

    assert np.abs(image.astype(int) - np.rot90(LARGE, -1)).mean() < 3


def test_a_damaged_jpeg_is_refused_when_it_is_read_smaller_too():
    data = encoded(LARGE, 'JPEG')

    with pytest.raises(FrameError, match='cannot be decoded'):
        read_compressed(message_of(data[:len(data) // 2]), (48, 64))


@pytest.fixture
def pillow_not_loaded_yet():
    image_files.load_pillow.cache_clear()
    yield
    image_files.load_pillow.cache_clear()


def test_warnings_do_not_come_for_every_image(pillow_not_loaded_yet):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter('always')
        with pytest.raises(FrameError, match='max_pixels'):
            compressed_to_rgb(message_of(png_of(12_000, 12_000, 8, 0, b''), 'png'))

    assert not told


def test_without_pillow_the_extra_is_named(pillow_not_loaded_yet, monkeypatch):
    monkeypatch.setitem(sys.modules, 'PIL.Image', None)

    with pytest.raises(MissingExtraError, match=r'image_transport: compressed needs Pillow.*'
                       r'pip install "mtshare_ros\[compressed\]"'):
        require_decoder()
