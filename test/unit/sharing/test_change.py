"""What really changed is scored, against the last transmission and beyond the noise."""

from camera_images import as_image, GRID, noisy, patches, room_clip, slope
import pytest
import torch
from torch.nn import functional

from mtshare_ros.sharing.change import ChangeDetector, NOTICED
from mtshare_ros.sharing.gates import CHANGE_THRESHOLD

CPU = torch.device('cpu')
VISIBLE = 4.0


def started(image):
    """Return a detector and its state after a first frame that was transmitted."""
    detector = ChangeDetector(CPU, 16)
    state = detector.allocate(GRID)
    detector.observe(state, image)
    detector.transmit_all(state)
    return detector, state


def fired_and_visible(noise):
    """Return for each frame of a still camera what fired and what visibly changed, (T, N) bool."""
    images, clean = room_clip('static', noise), room_clip('static', 0.0)
    detector, state = started(images[0])
    fired, visible = [], []
    for frame in range(1, len(images)):
        mask = detector.observe(state, images[frame]) > CHANGE_THRESHOLD
        detector.transmit(state, mask.nonzero()[:, 0])
        fired.append(mask)
        change = patches(clean[frame]) - patches(clean[frame - 1])
        visible.append(change.abs().mean(dim=1) > VISIBLE)
    return torch.stack(fired), torch.stack(visible)


def with_patch(scene, row, column, change):
    """Return a scene with one patch made brighter."""
    changed = scene.copy()
    changed[16 * row:16 * row + 16, 16 * column:16 * column + 16] += change
    return changed


def test_everything_is_new_in_the_first_frame():
    detector = ChangeDetector(CPU, 16)

    scores = detector.observe(detector.allocate(GRID), as_image(slope()))

    assert scores.shape == (300,) and scores.dtype == torch.float32 and scores.isinf().all()


def test_a_still_scene_without_noise_has_no_score():
    detector, state = started(as_image(slope()))

    assert not detector.observe(state, as_image(slope())).any()


def test_a_change_is_scored_in_the_patch_where_it_is():
    detector, state = started(as_image(slope()))

    scores = detector.observe(state, as_image(with_patch(slope(), 7, 13, 20.0)))

    assert (scores > 0).nonzero()[:, 0].tolist() == [7 * GRID[1] + 13]


def test_a_score_of_one_is_the_change_that_counts():
    detector, state = started(as_image(slope()))

    # a whole number: images are rounded to grey levels
    change = 14.0
    scores = detector.observe(state, as_image(slope() + change))

    assert torch.allclose(scores, torch.full((300,), change / NOTICED), rtol=0.01)


def test_a_slow_change_adds_up_since_the_last_transmission():
    detector, state = started(as_image(slope()))

    scores = [detector.observe(state, as_image(slope() + step)) for step in range(1, 9)]

    assert scores[1].max() < 1 < scores[-1].min()


def test_only_rows_that_were_transmitted_are_forgotten():
    detector, state = started(as_image(slope()))
    detector.observe(state, as_image(slope() + 20))

    detector.transmit(state, torch.tensor([0, 5]))

    scores = detector.observe(state, as_image(slope() + 20))
    assert (scores == 0).nonzero()[:, 0].tolist() == [0, 5]


@pytest.mark.parametrize('memory_format', [torch.channels_last, torch.contiguous_format])
def test_patches_are_pooled_in_raster_order(memory_format):
    image = noisy(slope(), 30.0, 1)[0].contiguous(memory_format=memory_format)
    _, state = started(image)

    pooled = functional.avg_pool2d(image.float(), 4)[0].unflatten(1, (15, 4)).unflatten(3, (20, 4))
    expected = pooled.permute(1, 3, 2, 4, 0).reshape(300, 48)
    assert torch.allclose(state.current, expected, atol=1e-3)


def test_lower_precision_around_it_does_not_change_the_scores():
    first, second = noisy(slope(), 6.0, 2)
    detector, state = started(first)
    expected = detector.observe(state, second)
    detector, state = started(first)

    with torch.autocast('cpu', torch.bfloat16):
        scores = detector.observe(state, second)

    assert torch.equal(scores, expected)


@pytest.mark.parametrize('deviation', [2.5, 5.0, 10.0, 14.0])
def test_noise_alone_does_not_fire(deviation):
    images = noisy(slope(), deviation, 30)
    detector, state = started(images[0])

    fired = [detector.observe(state, image) > CHANGE_THRESHOLD for image in images[1:]]

    assert torch.stack(fired[4:]).float().mean() < 1e-3


@pytest.mark.parametrize('noise', [0.0, 1.0, 2.0])
def test_a_room_fires_where_it_visibly_changes(noise):
    fired, visible = fired_and_visible(noise)

    assert (visible & ~fired).sum() < 0.04 * visible.sum()
    assert fired.float().mean() < 1.5 * visible.float().mean()


def test_the_noise_of_a_room_does_not_change_what_fires():
    quiet, loud = fired_and_visible(0.0)[0], fired_and_visible(2.0)[0]

    assert (quiet != loud).float().mean() < 0.02
