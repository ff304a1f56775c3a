"""Images become smaller gray images, however they are stored."""

import numpy as np
import pytest
import torch

from mtshare_ros.motion.alignment_points import gray_levels, level_count


@pytest.fixture
def image():
    """Return a random image of bytes (50, 71, 3)."""
    return torch.randint(0, 256, (50, 71, 3), generator=torch.Generator().manual_seed(0),
                         dtype=torch.uint8)


def test_each_level_is_half_as_large_rounded_down(image):
    assert [level.shape for level in gray_levels(image, 3)] == [(25, 35), (12, 17), (6, 8)]


def test_floats_and_planes_give_the_same_levels_as_bytes(image):
    planes = image.float().permute(2, 0, 1).contiguous().permute(1, 2, 0)
    expected = gray_levels(image, 3)

    for other in (image.float(), planes):
        for level, same in zip(gray_levels(other, 3), expected):
            np.testing.assert_allclose(level, same, rtol=1e-6)


def test_a_white_image_stays_white():
    white = torch.full((48, 64, 3), 255, dtype=torch.uint8)

    for level in gray_levels(white, 3):
        np.testing.assert_allclose(level, 255)


def test_a_pattern_too_fine_for_a_level_fades_without_aliasing():
    stripes = 128 + 60 * torch.sin(torch.arange(160.0) * 2 * torch.pi / 3)

    half = gray_levels(stripes[None, :, None].expand(96, -1, 3), 1)[0]

    assert half[:, 2:-2].std() < 0.15 * stripes.std()


@pytest.mark.parametrize('size, count', [
    ((240, 320), 3), ((480, 640), 4), ((336, 448), 3), ((64, 64), 1), ((20, 20), 1)])
def test_images_are_halved_until_little_would_be_left(size, count):
    assert level_count(*size) == count
