"""Images of any kind come out as the 8-bit RGB that a person sees, in every command alike."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest

Image = pytest.importorskip('PIL.Image', reason='Pillow is not installed: pip install ".[cli]"')

from mtshare_ros import image_files  # noqa: E402
from mtshare_ros.data.images import read_rgb  # noqa: E402
from mtshare_ros.errors import DatasetError, DatasetWarning, FrameError  # noqa: E402
from mtshare_ros.image_files import read_image_file  # noqa: E402

GREY = np.add.outer(np.arange(0, 160, 10), np.arange(0, 96, 4)).astype(np.uint8)
GREY[-1, -1] = 255
RGB = np.dstack([GREY, GREY[::-1], np.full_like(GREY, 90)])
ORIENTATION = 0x0112

DEEP = {
    'uint16.png': GREY.astype(np.uint16) << 8,
    'uint16.tif': GREY.astype(np.uint16) * 257,
    'twelve_bits.png': GREY.astype(np.uint16) << 4,
    'eight_in_sixteen.png': GREY.astype(np.uint16),
    'int32.tif': GREY.astype(np.int32) << 8,
    'eight_in_int32.tif': GREY.astype(np.int32),
    'fractions.tif': GREY.astype(np.float32) / 255,
    'float_levels.tif': GREY.astype(np.float32),
    'float_of_sixteen.tif': GREY.astype(np.float32) * 257,
}


@pytest.mark.parametrize('name', DEEP)
def test_grey_of_more_than_8_bits_keeps_its_levels(tmp_path, name):
    Image.fromarray(DEEP[name]).save(tmp_path / name)

    image = read_image_file(tmp_path / name).pixels

    np.testing.assert_array_equal(image, np.repeat(GREY[..., None], 3, axis=2))


@pytest.mark.parametrize('name', DEEP)
def test_a_data_set_reads_what_run_reads(tmp_path, name):
    Image.fromarray(DEEP[name]).save(tmp_path / name)

    np.testing.assert_array_equal(
        read_rgb(tmp_path / name), read_image_file(tmp_path / name).pixels)


@pytest.mark.parametrize(('values', 'complaint'), [
    (np.full((16, 16), np.nan, np.float32), 'NaN or infinity'),
    (np.linspace(0, 9, 256, dtype=np.float32).reshape(16, 16), 'metres as well as brightness'),
    (np.full((16, 16), -1, np.int32), 'from -1 to -1'),
    (np.full((16, 16), 1e6, np.float32), 'from 1e.06 to 1e.06'),
])
def test_numbers_that_are_no_picture_are_refused_by_name(tmp_path, values, complaint):
    Image.fromarray(values).save(tmp_path / 'a.tif')

    with pytest.raises(FrameError, match=f'a.tif: cannot be read as an image: .*{complaint}'):
        read_image_file(tmp_path / 'a.tif')
    with pytest.raises(DatasetError, match=f'a.tif should hold an RGB image, but .*{complaint}'):
        read_rgb(tmp_path / 'a.tif')


def write_deep_colors(path, colors):
    """Write (H, W, 3) uint16 as a PNG, which Pillow does not."""
    height, width, _ = colors.shape
    rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in colors)
    header = struct.pack('>IIBBBBB', width, height, 16, 2, 0, 0, 0)
    chunks = ((b'IHDR', header), (b'IDAT', zlib.compress(rows)), (b'IEND', b''))
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        for name, data in chunks))


def test_colours_of_sixteen_bits_keep_their_levels(tmp_path):
    write_deep_colors(tmp_path / 'a.png', RGB.astype(np.uint16) * 257)

    np.testing.assert_array_equal(read_image_file(tmp_path / 'a.png').pixels, RGB)


def test_colours_of_twelve_bits_are_doubted_aloud(tmp_path):
    write_deep_colors(tmp_path / 'a.png', RGB.astype(np.uint16) * 16)

    with pytest.warns(DatasetWarning, match='a.png: it is nearly black.*above 4095'):
        read_rgb(tmp_path / 'a.png')


@pytest.mark.parametrize(('mode', 'ending'), [
    ('RGBA', 'png'), ('LA', 'png'), ('P', 'gif'), ('1', 'png'), ('CMYK', 'tif'), ('YCbCr', 'tif'),
    ('RGB', 'bmp'), ('RGB', 'ppm'), ('RGB', 'tga'),
])
def test_every_kind_of_8_bit_pixel_becomes_rgb(tmp_path, mode, ending):
    source = Image.fromarray(RGB).convert(mode)
    source.save(tmp_path / f'a.{ending}')

    image = read_image_file(tmp_path / f'a.{ending}').pixels

    np.testing.assert_array_equal(image, np.array(source.convert('RGB')))


@pytest.mark.parametrize('ending', ['jpg', 'png', 'tif', 'webp'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_an_image_is_turned_as_its_camera_was_held(tmp_path, ending, orientation):
    """Pillow's own turning is what the other eight are compared with."""
    from PIL import ImageOps
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f'a.{ending}'
    Image.fromarray(RGB).save(path, exif=exif)
    with Image.open(path) as source:
        expected = np.array(ImageOps.exif_transpose(source).convert('RGB'))

    np.testing.assert_array_equal(read_image_file(path).upright(), expected)


@pytest.mark.filterwarnings('ignore:Corrupt EXIF')
def test_damaged_exif_beside_whole_pixels_means_upright(tmp_path):
    Image.fromarray(RGB).save(tmp_path / 'a.jpg', exif=b'Exif\0\0MM\0*\xff\xff\xff\xff')

    assert read_image_file(tmp_path / 'a.jpg').orientation == 1


def test_only_the_first_picture_of_several_is_read_and_that_is_said(tmp_path):
    first, second = Image.fromarray(RGB), Image.fromarray(RGB[::-1])
    first.save(tmp_path / 'a.tif', save_all=True, append_images=[second])

    stored = read_image_file(tmp_path / 'a.tif')

    assert stored.doubts == ('only the first of its 2 pictures is used',)
    np.testing.assert_array_equal(stored.pixels, RGB)


@pytest.mark.parametrize('data', [b'', b'no picture', None])
def test_whatever_a_decoder_meets_is_said_of_the_file(tmp_path, data):
    if data is None:
        buffer = io.BytesIO()
        Image.fromarray(RGB).save(buffer, 'png')
        data = buffer.getvalue()[:-40]
    (tmp_path / 'a.png').write_bytes(data)

    with pytest.raises(FrameError, match='a.png: cannot be read as an image'):
        read_image_file(tmp_path / 'a.png')


def test_an_image_above_the_limit_of_the_decoder_is_refused_and_no_warning_leaks(
        tmp_path, monkeypatch):
    Image.fromarray(RGB).save(tmp_path / 'a.png')
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter('always')
        image_files.load_pillow.cache_clear()
        monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', RGB.shape[0] * RGB.shape[1] - 1)
        read_image_file(tmp_path / 'a.png')
        monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)
        with pytest.raises(FrameError, match='a.png: .*exceeds limit.*Make it smaller'):
            read_image_file(tmp_path / 'a.png')
        with pytest.raises(DatasetError, match='a.png should hold .*exceeds limit'):
            read_rgb(tmp_path / 'a.png')
    image_files.load_pillow.cache_clear()

    assert not told


def write_turned(folder, orientation):
    """Write an image that asks to be turned."""
    folder.mkdir(exist_ok=True)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(RGB).save(folder / 'a.png', exif=exif)
    return folder / 'a.png'


def test_truth_of_the_upright_size_belongs_to_the_upright_image(tmp_path):
    path = write_turned(tmp_path / 'upright', 6)

    image = read_rgb(path, lambda: (24, 16))

    np.testing.assert_array_equal(image, np.rot90(RGB, -1))


def test_truth_of_the_stored_size_keeps_the_image_as_it_is_stored_and_says_so(tmp_path):
    path = write_turned(tmp_path / 'stored', 6)

    with pytest.warns(DatasetWarning, match='has the size of the pixels as they are stored'):
        image = read_rgb(path, lambda: (16, 24))

    np.testing.assert_array_equal(image, RGB)


def test_where_sizes_cannot_tell_the_image_is_turned_and_that_is_said(tmp_path):
    path = write_turned(tmp_path / 'half_a_turn', 3)

    with pytest.warns(DatasetWarning, match='does not tell whether its truth'):
        image = read_rgb(path, lambda: (16, 24))

    np.testing.assert_array_equal(image, RGB[::-1, ::-1])
