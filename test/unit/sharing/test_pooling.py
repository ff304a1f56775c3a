"""Patches whose size no whole areas fill: change and noise are found as in others."""

from camera_images import as_image, noisy, room_clip, slope
import pytest
import torch
from torch.nn import functional

from mtshare_ros.sharing.change import ChangeDetector, NoiseEstimator, NOTICED
from mtshare_ros.sharing.gates import CHANGE_THRESHOLD
from mtshare_ros.sharing.noise_statistics import Pooling

CPU = torch.device('cpu')
GRID = (17, 22)
HEIGHT, WIDTH = GRID[0] * 14, GRID[1] * 14


def cut(images):
    """Return images cut to whole patches of 14 pixels."""
    return [image[:, :, :HEIGHT, :WIDTH] for image in images]


def watch(images):
    """Show a detector some frames, all transmitted; return it, its state and the last scores."""
    detector = ChangeDetector(CPU, 14)
    state = detector.allocate(GRID)
    for image in images:
        scores = detector.observe(state, image)
        detector.transmit_all(state)
    return detector, state, scores


def estimate(images):
    """Return the median of the estimated deviations of pixels."""
    _, state, _ = watch(images)
    pooling = Pooling.of(14)
    estimator = NoiseEstimator(CPU, pooling)
    variance = estimator.variance(state.noise, estimator.weights(state.current.mean(dim=1)))
    return float(pooling.shrinkage * variance.sqrt().median())


@pytest.mark.parametrize('patch_size', [14, 16])
def test_patches_are_pooled_as_by_area(patch_size):
    detector = ChangeDetector(CPU, patch_size)
    image = torch.randint(0, 256, (1, 3, 3 * patch_size, 5 * patch_size), dtype=torch.uint8,
                          generator=torch.Generator().manual_seed(0))
    state = detector.allocate((3, 5))
    detector.observe(state, image)
    fine = image.float().repeat_interleave(4, 2).repeat_interleave(4, 3)
    areas = functional.avg_pool2d(fine, patch_size)[0]
    expected = areas.unflatten(1, (3, 4)).unflatten(3, (5, 4)).permute(1, 3, 2, 4, 0)
    torch.testing.assert_close(state.current, expected.reshape(15, 48))


def test_areas_of_whole_pixels_are_independent():
    pooling = Pooling.of(16)
    assert (pooling.shrinkage, pooling.freedom, pooling.independent) == (4.0, 45.0, 48.0)


def test_what_becomes_of_white_noise_is_known():
    noise = torch.randn(20000, 3, 14, 14, generator=torch.Generator().manual_seed(0))
    pooling = Pooling.of(14)
    along = pooling.weights.float() / 3.5
    values = (along @ noise @ along.t()).flatten(2)
    assert float(values.std()) * pooling.shrinkage == pytest.approx(1, rel=0.01)
    around = values - values.mean(dim=2, keepdim=True)
    squares = around.square().flatten(1).sum(dim=1)
    assert float(squares.mean() / values.var()) == pytest.approx(pooling.freedom, rel=0.01)
    mean_squares = values.square().flatten(1).mean(dim=1)
    spread = float(mean_squares.std() / mean_squares.mean())
    assert spread == pytest.approx((2 / pooling.independent) ** 0.5, rel=0.03)


@pytest.mark.parametrize('deviation', [2.0, 5.0, 10.0])
def test_white_noise_is_measured(deviation):
    images = cut(noisy(slope(), deviation, 16))
    assert estimate(images) == pytest.approx(deviation, rel=0.08)


@pytest.mark.parametrize('noise', [0.0, 1.0])
def test_a_camera_that_moves_is_not_taken_for_noise(noise):
    still = estimate(cut(room_clip('static', noise)))
    assert estimate(cut(room_clip('pan', noise))) < max(1.5, 1.3 * still)


@pytest.mark.parametrize('deviation', [2.5, 5.0, 10.0])
def test_noise_alone_does_not_fire(deviation):
    detector, state, _ = watch(cut(noisy(slope(), deviation, 24)))
    fired = [(detector.observe(state, image) > CHANGE_THRESHOLD).float().mean()
             for image in cut(noisy(slope(), deviation, 8, seed=2))]
    assert float(torch.stack(fired).mean()) < 0.002


def test_a_change_is_scored_in_the_patch_where_it_is():
    detector, state, _ = watch(cut([as_image(slope())]))
    changed = slope()
    changed[14 * 7:14 * 8, 14 * 13:14 * 14] += 20.0
    scores = detector.observe(state, cut([as_image(changed)])[0])
    assert (scores > 0).nonzero()[:, 0].tolist() == [7 * GRID[1] + 13]
    assert float(scores.max()) == pytest.approx(20.0 / NOTICED, rel=0.02)
