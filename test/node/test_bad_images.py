"""A bad image is named and dropped; the next good one is processed as if nothing had been."""

import pytest
from ros_harness import Observer, open_stage
from ros_messages import camera_image


def short_image():
    message = camera_image()
    del message.data[100:]
    return message


def image_of(width, height):
    return camera_image(height, width)


BAD = {
    'an unknown encoding': (lambda: camera_image(encoding='plaid8'), "'plaid8'"),
    'a short buffer': (short_image, '100 bytes'),
    'no pixels': (lambda: image_of(0, 0), 'has 0x0'),
    'a single pixel': (lambda: image_of(1, 1), 'has 1x1'),
    'an odd width': (lambda: camera_image(96, 127, 'uyvy', 2), 'even width'),
    'too many pixels': (lambda: image_of(640, 480), 'max_pixels'),
}


@pytest.fixture(scope='module')
def guarded(tmp_path_factory, tiny_model):
    """Start a node that accepts images up to 320x240."""
    with open_stage(tmp_path_factory.mktemp('guarded')) as made:
        made.start_perception(tiny_model, max_pixels=320 * 240)
        yield made


@pytest.mark.fault(9)
@pytest.mark.parametrize('fault', BAD)
def test_a_bad_image_is_named_once_and_the_next_good_one_is_processed(guarded, fault):
    make_image, words = BAD[fault]
    with Observer(guarded.domain, 'camera') as observer:
        observer.listen('semantic/mask')
        camera = observer.camera()

        observer.send_until(
            camera, make_image(), lambda: words in observer.newest_figure('last_error', ''), words)
        observer.received['semantic/mask'].clear()
        observer.send_until(
            camera, camera_image(), lambda: observer.received['semantic/mask'], 'a mask')

    assert guarded.perception.count_lines('WARN', words) == 1
    assert guarded.perception.count_lines('Traceback') == 0


@pytest.mark.parametrize(('encoding', 'channels'), [
    ('bgr8', 3), ('rgba8', 4), ('bgra8', 4), ('mono8', 1), ('yuv422_yuy2', 2), ('uyvy', 2),
    ('yuyv', 2), ('nv24', 3), ('mono16', 2), ('rgb16', 6), ('bayer_grbg8', 1), ('8UC3', 3),
])
def test_every_encoding_of_the_table_is_processed(guarded, encoding, channels):
    with Observer(guarded.domain, 'camera') as observer:
        observer.listen('edges/image')
        camera = observer.camera()
        image = camera_image(encoding=encoding, channels=channels, frame_id=encoding)

        observer.send_until(
            camera, image, lambda: observer.received['edges/image'], 'an edge map')

        assert observer.received['edges/image'][-1].header.frame_id == encoding


def test_a_resolution_that_changes_is_followed(guarded):
    with Observer(guarded.domain, 'camera') as observer:
        observer.listen('depth/image')
        camera = observer.camera()
        for height, width in ((96, 128), (240, 320), (64, 300)):
            observer.received['depth/image'].clear()

            observer.send_until(
                camera, camera_image(height, width),
                lambda: observer.received['depth/image'], 'a depth map')

            assert observer.received['depth/image'][-1].width == 128
