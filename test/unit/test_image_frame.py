"""Preprocessing geometry: what the maps show, and the intrinsics that go with them."""

import numpy as np
import pytest

from mtshare_ros.errors import FrameError
from mtshare_ros.image_frame import check_image, fit_image, frame_to_cover

SIZES = [(480, 640), (720, 1280), (1080, 1920), (481, 641), (100, 90), (240, 320), (376, 1241)]


@pytest.mark.parametrize('source', SIZES)
def test_every_source_covers_the_input(source):
    image = np.random.default_rng(0).integers(0, 255, (*source, 3), dtype=np.uint8)
    assert fit_image(image, frame_to_cover(source, (240, 320))).shape == (240, 320, 3)


def test_an_image_of_the_input_size_passes_untouched():
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    assert np.array_equal(fit_image(image, frame_to_cover((240, 320), (240, 320))), image)


@pytest.mark.parametrize('source', SIZES)
def test_a_bright_spot_lies_where_the_scaled_intrinsics_say(source):
    # a camera whose principal point is the spot: in the maps the spot must be at the scaled one
    row, column = source[0] * 0.45, source[1] * 0.55
    rows, columns = np.mgrid[:source[0], :source[1]]
    spread = max(source) / 40
    spot = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * spread ** 2))
    image = np.repeat((spot * 255).astype(np.uint8)[..., None], 3, axis=2)
    framing = frame_to_cover(source, (240, 320))
    seen = fit_image(image, framing)[..., 0].astype(float)
    found = [np.average(axis, weights=seen) for axis in np.mgrid[:240, :320]]
    matrix = framing.scale_intrinsics(
        np.array([[500.0, 0, column], [0, 500.0, row], [0, 0, 1]]))
    assert found == pytest.approx([matrix[1, 2], matrix[0, 2]], abs=0.15)


def test_the_focal_length_scales_with_the_image():
    framing = frame_to_cover((480, 640), (240, 320))
    matrix = framing.scale_intrinsics(np.array([[600.0, 0, 320], [0, 610.0, 240], [0, 0, 1]]))
    assert (matrix[0, 0], matrix[1, 1]) == (300.0, 305.0)


def test_the_projection_matrix_scales_like_the_camera_matrix():
    framing = frame_to_cover((481, 641), (240, 320))
    matrix = np.array([[600.0, 0, 320], [0, 610.0, 240], [0, 0, 1]])
    projection = np.hstack([matrix, np.zeros((3, 1))])
    assert np.allclose(framing.scale_intrinsics(projection)[:, :3],
                       framing.scale_intrinsics(matrix))


@pytest.mark.parametrize('source', [(1, 1), (0, 0), (15, 640)])
def test_an_image_too_small_is_refused_with_its_size(source):
    with pytest.raises(FrameError, match=f'{source[0]}x{source[1]}'):
        frame_to_cover(source, (240, 320))


@pytest.mark.parametrize('image', [
    np.zeros((32, 32), np.uint8), np.zeros((32, 32, 4), np.uint8), np.zeros((32, 32, 3))])
def test_an_array_that_is_no_rgb_image_is_refused(image):
    with pytest.raises(FrameError, match='uint8 RGB'):
        check_image(image)


def test_classes_and_depths_lie_where_the_image_is_and_are_not_mixed():
    depth = np.where(np.arange(200) < 100, 1.0, 5.0) * np.ones((100, 1))

    picked = frame_to_cover((100, 200), (50, 60)).pick(depth)

    assert picked.shape == (50, 60)
    assert (picked[:, :30] == 1.0).all() and (picked[:, 30:] == 5.0).all()


@pytest.mark.parametrize('source', SIZES)
def test_what_is_picked_of_an_image_is_what_it_shows_there(source):
    rows, columns = np.mgrid[:source[0], :source[1]]
    smooth = (120 + 100 * np.sin(6 * rows / source[0]) * np.cos(6 * columns / source[1]))
    image = np.repeat(smooth.astype(np.uint8)[..., None], 3, axis=2)
    framing = frame_to_cover(source, (240, 320))

    difference = framing.pick(image).astype(int) - fit_image(image, framing)

    assert np.abs(difference).max() <= 10 and np.abs(difference).mean() < 1.5
