"""How much each patch differs from what it should look like."""

import pytest
import torch
import torch.nn.functional as F

from mtshare_ros.sharing.residual import ResidualDetector

GRID = (6, 8)


def detector(patch_size=16, **settings):
    return ResidualDetector(GRID, patch_size, torch.device('cpu'), **settings)


def textured(patch_size=16, seed=0):
    """Return an image (H, W, 3) of soft blobs."""
    random = torch.Generator().manual_seed(seed)
    small = torch.rand(1, 3, GRID[0] * 2, GRID[1] * 2, generator=random)
    size = GRID[0] * patch_size, GRID[1] * patch_size
    return F.interpolate(small, size, mode='bicubic')[0].permute(1, 2, 0).mul(200).clamp(0, 255)


def noisy(image, deviation, seed):
    random = torch.Generator().manual_seed(seed)
    return (image + deviation * torch.randn(image.shape, generator=random)).clamp(0, 255).byte()


def test_an_image_that_looks_as_expected_has_no_residual():
    image = textured().byte()
    found = detector().compare(image, image, learn=False)

    assert found.scores.shape == (48,) and float(found.scores.max()) == 0
    assert found.areas.shape == (24, 32) and float(found.areas.max()) == 0


@pytest.mark.parametrize('patch_size', [16, 14, 8])
def test_the_patch_that_another_thing_came_into_stands_out(patch_size):
    expected = textured(patch_size)
    image = expected.clone()
    image[2 * patch_size:3 * patch_size, 5 * patch_size:6 * patch_size] += 20
    scores = detector(patch_size).compare(expected, image, learn=False).scores.view(GRID)

    assert scores[2, 5] > 3
    others = scores.clone()
    others[2, 5] = 0
    # areas of patches of 14 pixels share some with their neighbours, no whole ones
    assert float(others.max()) < 0.5


def test_an_image_half_a_pixel_beside_its_place_is_as_expected():
    expected = textured()
    beside = (expected + expected.roll(1, dims=1)) / 2
    strict = detector(slack=0.0).compare(expected, beside, learn=False).scores.view(GRID)
    found = detector().compare(expected, beside, learn=False).scores.view(GRID)

    # the first column of pixels came from the other side
    assert (strict[:, 1:] > 1).float().mean() > 0.5
    assert (found[:, 1:] > 1).float().mean() < 0.05


def test_the_noise_of_a_sensor_is_learnt_and_counts_for_nothing():
    expected, compared = textured(), detector(slack=0.0)
    first = compared.compare(noisy(expected, 11, 0), noisy(expected, 11, 1), learn=False).scores
    for seed in range(2, 60, 2):
        found = compared.compare(
            noisy(expected, 11, seed), noisy(expected, 11, seed + 1), learn=True).scores

    assert float((first > 1).float().mean()) > 0.5
    assert float((found > 1).float().mean()) < 0.05


def test_what_differs_everywhere_is_no_noise():
    compared = detector()
    for seed in range(20):
        scores = compared.compare(textured(seed=seed), textured(seed=seed + 1), learn=True).scores

    assert float(scores.median()) > 3
