"""Training batches: truth stays on the pixels it belongs to when they are mirrored."""

import numpy as np
import pytest
import torch

from mtshare_ros.data.batches import Batch, ClipBatch, mirror, recolor


@pytest.fixture
def batch():
    """Make two images that tell in which column a pixel lies, as their truth does."""
    columns = torch.arange(8.0).expand(2, 4, 8)
    normals = torch.tensor((0.6, 0.0, -0.8)).view(1, 3, 1, 1).expand(2, 3, 4, 8)
    return Batch(columns[:, None].expand(2, 3, 4, 8),
                 {'semseg': columns.long(), 'depth': columns + 1, 'normals': normals})


@pytest.fixture
def image():
    return torch.rand(2, 3, 6, 8, generator=torch.Generator().manual_seed(0)) * 255


def test_mirroring_turns_over_image_and_truth_of_the_chosen_ones(batch):
    mirrored = mirror(batch, torch.tensor([True, False]))

    for task in ('semseg', 'depth'):
        assert torch.equal(mirrored.truth[task][0], batch.truth[task][0].flip(-1))
        assert torch.equal(mirrored.truth[task][1], batch.truth[task][1])
    assert torch.equal(mirrored.image[0], batch.image[0].flip(-1))
    assert torch.equal(mirrored.image[1], batch.image[1])


def test_mirroring_turns_over_the_x_of_normals(batch):
    normals = mirror(batch, torch.tensor([True, False])).truth['normals']

    torch.testing.assert_close(normals[0, :, 0, 0], torch.tensor((-0.6, 0.0, -0.8)))
    torch.testing.assert_close(normals[1], batch.truth['normals'][1])


def test_mirroring_twice_gives_back_the_batch(batch):
    chosen = torch.tensor([True, True])
    twice = mirror(mirror(batch, chosen), chosen)

    assert torch.equal(twice.image, batch.image)
    assert all(torch.equal(value, batch.truth[task]) for task, value in twice.truth.items())


def test_a_truth_without_normals_can_be_mirrored(batch):
    depth_only = Batch(batch.image, {'depth': batch.truth['depth']})

    mirrored = mirror(depth_only, torch.tensor([True, False]))

    assert list(mirrored.truth) == ['depth']


def test_recoloured_images_stay_images_and_keep_their_edges(image):
    recoloured = recolor(image, np.random.default_rng(0))

    assert recoloured.shape == image.shape and recoloured.dtype == torch.float32
    assert recoloured.min() >= 0 and recoloured.max() <= 255
    # one gain and one offset for each channel of each image
    for before, after in zip(image.flatten(2).flatten(0, 1), recoloured.flatten(2).flatten(0, 1)):
        inside = (after > 0) & (after < 255)
        slope = np.polyfit(before[inside], after[inside], 1)
        np.testing.assert_allclose(np.polyval(slope, before[inside]), after[inside], atol=0.05)


def test_every_image_gets_colours_of_its_own(image):
    same = image[:1].expand(2, -1, -1, -1)

    recoloured = recolor(same, np.random.default_rng(0))

    assert (recoloured[0] - recoloured[1]).abs().mean() > 1


def test_a_seed_means_the_same_colours(image):
    assert torch.equal(*(recolor(image, np.random.default_rng(5)) for _ in range(2)))


def test_a_batch_moves_with_all_its_truth(batch):
    moved = ClipBatch(batch.image[:, None], batch).to(torch.device('meta'))

    assert moved.frames.is_meta and moved.last.image.is_meta
    assert all(value.is_meta for value in moved.last.truth.values())
