"""Training batches: truth stays on the pixels it belongs to."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mtshare_ros.data.batches import _mirror, augment, load_batch


@pytest.fixture
def frames():
    """Make frames whose image, class and depth all say in which column a pixel lies."""
    columns = np.broadcast_to(np.arange(128), (4, 96, 128))
    image = np.repeat(columns[..., None] * 2, 3, axis=-1).astype(np.uint8)
    normals = np.zeros((4, 96, 128, 3), np.int8)
    normals[..., 0] = 127
    edges = np.zeros((4, 96, 128), np.uint8)
    edges[:, :, 64] = 1
    return SimpleNamespace(image=image, labels=columns.astype(np.uint8), normals=normals,
                           depth=(columns + 1).astype(np.float16), edges=edges)


@pytest.mark.parametrize('downscale', [1, 2])
def test_truth_has_half_the_resolution_and_no_bias(frames, downscale):
    shifts = []
    for seed in range(40):
        batch = load_batch(frames, [0, 1], downscale, np.random.default_rng(seed))
        assert batch.image.shape == (2, 3, 96 // downscale, 128 // downscale)
        assert batch.labels.shape == (2, 48 // downscale, 64 // downscale)
        pooled = torch.nn.functional.avg_pool2d(batch.image, 2)[:, 0] / 2
        shifts.append((batch.labels - pooled).mean().item())
    assert max(map(abs, shifts)) <= 0.5
    assert abs(np.mean(shifts)) < 0.2


@pytest.mark.parametrize('seed', range(5))
def test_cropping_keeps_truth_aligned_with_the_image(frames, seed):
    random = np.random.default_rng(seed)
    batch = augment(load_batch(frames, [0], 1, random), (64, 96), random)
    assert batch.image.shape == (1, 3, 64, 96) and batch.labels.shape == (1, 32, 48)
    assert torch.equal(batch.labels[0] + 1, batch.depth[0].long())


def test_mirroring_turns_over_the_image_the_truth_and_the_x_of_normals(frames):
    batch = load_batch(frames, [0, 1], 1, np.random.default_rng(0))
    mirrored = _mirror(batch, torch.tensor([True, False]))
    assert torch.equal(mirrored.labels[0], batch.labels[0].flip(-1))
    assert torch.equal(mirrored.image[0], batch.image[0].flip(-1))
    assert (mirrored.normals[0, 0] == -1).all() and (mirrored.normals[1, 0] == 1).all()
    assert torch.equal(mirrored.labels[1], batch.labels[1])


def test_an_edge_survives_shrinking(frames):
    batch = load_batch(frames, [0], 2, np.random.default_rng(0))
    assert (batch.edges.sum(dim=-1) == 1).all()
