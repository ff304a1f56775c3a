"""Batches of rendered rooms: truth stays on its pixels when they are shrunk and cropped."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from mtshare_ros.data.rooms.room_batches import RoomsClipSet, RoomsTrainingSet

HEIGHT, WIDTH = 96, 128
LENGTH = 3


class Rooms(SimpleNamespace):
    """Frames in memory."""

    def __len__(self):
        return len(self.labels)


@pytest.fixture
def rooms():
    """Make frames whose image, class and depth all say in which column a pixel lies."""
    columns = np.broadcast_to(np.arange(WIDTH), (4, HEIGHT, WIDTH))
    normals = np.zeros((4, HEIGHT, WIDTH, 3), np.int8)
    normals[..., 0] = 127
    edges = np.zeros((4, HEIGHT, WIDTH), np.uint8)
    edges[:, :, 64] = 1
    image = np.repeat(columns[..., None], 3, axis=-1).astype(np.uint8)
    return Rooms(image=image, labels=columns.astype(np.uint8), normals=normals,
                 depth=(columns + 1).astype(np.float16), edges=edges,
                 clip=np.stack([image + 10 * number for number in range(LENGTH)], axis=1))


@pytest.fixture
def plain(rooms, monkeypatch):
    """Return the training set, its colours left alone."""
    monkeypatch.setattr('mtshare_ros.data.rooms.room_batches.recolor', lambda image, random: image)
    return RoomsTrainingSet(rooms)


def seeded(seed):
    return np.random.default_rng(seed)


def columns_of(image):
    """Return the column of each cell of the truth, as the image (B, 3, h, w) tells it."""
    return functional.avg_pool2d(image.float(), 2)[:, 0]


@pytest.mark.parametrize('downscale', [1, 2])
def test_truth_has_half_the_resolution_and_no_bias(plain, downscale):
    size, shifts = (HEIGHT // downscale, WIDTH // downscale), []
    for seed in range(60):
        batch = plain.batch([0, 1], size, downscale, seeded(seed))
        assert batch.image.shape == (2, 3, *size)
        assert batch.truth['semseg'].shape == (2, size[0] // 2, size[1] // 2)
        # a mirrored image would turn the sign of a bias over, and so hide it
        for truth, image in zip(batch.truth['semseg'], columns_of(batch.image)):
            if image[0, 0] < image[0, -1]:
                shifts.append((truth - image).mean().item())
    assert max(map(abs, shifts)) <= 0.5
    assert abs(np.mean(shifts)) < 0.2


@pytest.mark.parametrize('downscale', [1, 2])
@pytest.mark.parametrize('seed', range(6))
def test_a_crop_and_all_its_truth_show_the_same_columns(plain, seed, downscale):
    batch = plain.batch([0, 1], (32, 48), downscale, seeded(seed))

    assert batch.image.shape == (2, 3, 32, 48)
    assert torch.equal(batch.truth['semseg'] + 1, batch.truth['depth'].long())
    assert (batch.truth['semseg'] - columns_of(batch.image)).abs().max() <= 0.5


def test_crops_and_mirrorings_differ_between_seeds(plain):
    batches = [plain.batch([0], (32, 48), 1, seeded(seed)) for seed in range(20)]

    assert len({batch.image[0, 0, 0].min().item() for batch in batches}) > 10
    mirrored = [batch.image[0, 0, 0, 0] > batch.image[0, 0, 0, -1] for batch in batches]
    assert 4 < sum(mirrored) < 16
    # the x of normals turns over with the image
    assert [batch.truth['normals'][0, 0, 0, 0] == -1 for batch in batches] == mirrored


def test_a_seed_means_the_same_batch(rooms):
    first, second = (RoomsTrainingSet(rooms).batch([2, 0], (32, 48), 1, seeded(3))
                     for _ in range(2))

    assert torch.equal(first.image, second.image)
    assert all(torch.equal(first.truth[task], second.truth[task]) for task in first.truth)


@pytest.mark.parametrize('downscale', [1, 2])
def test_an_edge_of_one_pixel_survives_shrinking(plain, downscale):
    size = (HEIGHT // downscale, WIDTH // downscale)

    edge = plain.batch([0], size, downscale, seeded(0)).truth['edge']

    assert (edge.sum(dim=-1) == 1).all()


def test_truth_comes_in_the_units_of_a_batch(rooms):
    batch = RoomsTrainingSet(rooms).batch([0], (32, 48), 1, seeded(0))

    assert batch.image.dtype == torch.float32 and batch.truth['semseg'].dtype == torch.int64
    assert torch.equal(batch.truth['normals'].norm(dim=1), torch.ones(1, 16, 24))


def test_colours_vary_with_the_seed(rooms):
    images = [RoomsTrainingSet(rooms).batch([0], (HEIGHT, WIDTH), 1, seeded(seed)).image
              for seed in range(2)]

    assert abs(images[0].mean() - images[1].mean()) > 1


@pytest.mark.parametrize('seed', range(6))
def test_all_frames_of_a_clip_are_cropped_and_mirrored_alike(rooms, seed):
    batch = RoomsClipSet(rooms).clip_batch([0, 1], (32, 48), seeded(seed))

    assert batch.frames.shape == (2, LENGTH, 3, 32, 48) and batch.frames.dtype == torch.uint8
    for number in range(LENGTH):
        assert torch.equal(batch.frames[:, number], batch.frames[:, 0] + 10 * number)


@pytest.mark.parametrize('seed', range(6))
def test_the_truth_of_a_clip_is_that_of_its_last_frame(rooms, seed):
    batch = RoomsClipSet(rooms).clip_batch([0, 1], (32, 48), seeded(seed))

    assert torch.equal(batch.last.image, batch.frames[:, -1].float())
    shown = columns_of(batch.last.image) - 10 * (LENGTH - 1)
    assert (batch.last.truth['semseg'] - shown).abs().max() <= 0.5
    assert torch.equal(batch.last.truth['semseg'] + 1, batch.last.truth['depth'].long())


def test_clips_keep_their_colours(rooms):
    batch = RoomsClipSet(rooms).clip_batch([0], (HEIGHT, WIDTH), seeded(0))

    found = batch.frames[0].sort(dim=-1).values
    assert torch.equal(found, torch.from_numpy(rooms.clip[0]).permute(0, 3, 1, 2))
