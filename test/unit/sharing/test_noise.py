"""The noise of a camera is found, and nothing that moves is taken for it."""

from camera_images import as_image, GRID, noisy, room_clip, slope, texture
import numpy as np
import pytest
import torch

from mtshare_ros.sharing.change import ChangeDetector, NoiseEstimator
from mtshare_ros.sharing.noise_statistics import LEAST_PIXEL_NOISE, MOST_PIXEL_NOISE, Pooling

CPU = torch.device('cpu')
MOTIONS = ('pan', 'drive')


def watch(images, noise=None):
    """Show a detector some frames and return its state."""
    detector = ChangeDetector(CPU, 16)
    state = detector.allocate(GRID, noise)
    for image in images:
        detector.observe(state, image)
    return state


def deviations(state):
    """Return the estimated deviation of pixels (N,) of the last frame's patches."""
    pooling = Pooling.of(16)
    estimator = NoiseEstimator(CPU, pooling)
    weights = estimator.weights(state.current.mean(dim=1))
    return pooling.shrinkage * estimator.variance(state.noise, weights).sqrt()


def estimate(images, noise=None):
    return float(deviations(watch(images, noise)).median())


def true_noise(motion, noise):
    """Return the deviation of a room's sensor, from the same frames without noise."""
    pairs = zip(room_clip(motion, noise), room_clip(motion, 0.0))
    squares = [(first.float() - second.float()).square().median() for first, second in pairs]
    return float(torch.stack(squares).mean().sqrt()) / 0.6745


@pytest.mark.parametrize('deviation', [2.0, 5.0, 10.0])
def test_white_noise_is_measured(deviation):
    assert estimate(noisy(slope(), deviation, 16)) == pytest.approx(deviation, rel=0.08)


@pytest.mark.parametrize('noise', [1.0, 2.0])
def test_the_noise_of_a_room_is_measured_behind_its_movers(noise):
    found = estimate(room_clip('static', noise))

    assert found == pytest.approx(true_noise('static', noise), rel=0.15)


@pytest.mark.parametrize('motion', MOTIONS)
def test_a_camera_that_moves_is_not_taken_for_noise(motion):
    found = estimate(room_clip(motion, 1.0))

    assert found < 1.25 * true_noise(motion, 1.0)


@pytest.mark.parametrize('motion', MOTIONS)
def test_a_moving_camera_without_noise_leaves_the_estimate_low(motion):
    assert estimate(room_clip(motion, 0.0)) < 1.5


@pytest.mark.parametrize('step', [1, 2])
def test_a_carpet_that_passes_is_not_taken_for_noise(step):
    carpet = texture()
    images = [as_image(carpet[:, step * frame:step * frame + 320]) for frame in range(40)]

    change = (images[1].float() - images[0].float()).square().mean().sqrt()
    assert estimate(images) <= 2.6 < float(change)


def test_a_drifting_exposure_is_not_taken_for_noise():
    random = np.random.default_rng(3)
    images = [as_image(slope() * (1 + 0.04 * (frame % 4)) + 3.0 * random.standard_normal(
        (240, 320, 3))) for frame in range(24)]

    assert estimate(images) == pytest.approx(3.0, rel=0.2)


def test_an_image_without_noise_leaves_what_rounding_hides():
    assert estimate([as_image(slope())] * 40) == pytest.approx(LEAST_PIXEL_NOISE)


def test_no_texture_is_taken_for_more_than_a_camera_can_have():
    random = np.random.default_rng(4)
    images = [as_image(128 + 50 * random.standard_normal((240, 320, 3))) for _ in range(12)]

    assert estimate(images) <= MOST_PIXEL_NOISE * 1.001


def test_black_borders_do_not_hide_the_noise():
    scene = noisy(slope(), 4.0, 16)
    for image in scene:
        image[:, :, :48] = 0
        image[:, :, -48:] = 0

    assert estimate(scene) == pytest.approx(4.0, rel=0.1)


def test_darker_parts_may_be_noisier():
    random = np.random.default_rng(5)
    level = np.where(slope() < 128, 6.0, 4.0)
    images = [as_image(slope() + level * random.standard_normal(level.shape)) for _ in range(16)]

    found = deviations(watch(4 * images)).reshape(GRID)
    assert float(found[:, :5].median()) == pytest.approx(6.0, rel=0.1)
    assert float(found[:, 12:].median()) == pytest.approx(4.0, rel=0.1)


def test_a_brightness_that_only_movers_have_stays_bounded():
    images = noisy(slope(), 3.0, 16)
    random = np.random.default_rng(6)
    for image in images:
        image[0, :, :, :16] = torch.from_numpy(random.integers(0, 40, (3, 240, 16)))

    found = deviations(watch(8 * images)).reshape(GRID)
    assert float(found[:, 0].median()) < 2.2 * 3.0


def test_noise_that_grows_is_followed():
    images = 10 * noisy(slope(), 2.0, 8) + 12 * noisy(slope(), 6.0, 8)

    assert estimate(images) == pytest.approx(6.0, rel=0.1)


def test_noise_that_falls_is_followed():
    images = 10 * noisy(slope(), 6.0, 8) + 12 * noisy(slope(), 2.0, 8)

    assert estimate(images) == pytest.approx(2.0, rel=0.1)


def test_what_is_known_outlives_a_new_scene():
    known = watch(noisy(slope(), 7.0, 16)).noise

    assert estimate(noisy(slope()[:, ::-1], 7.0, 2), known) == pytest.approx(7.0, rel=0.15)
