"""Batches of samples: truth stays on its pixels, and what is padded is not scored."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mtshare_ros.data.augmentation import (
    distort_colors,
    HUE_DEGREES,
    PADDING_COLOR,
    resize,
    shift_saturation_and_hue,
)
from mtshare_ros.data.sample import Sample
from mtshare_ros.data.transforms import (
    fit_for_evaluation,
    random_crop,
    SampleClipSet,
    SampleTrainingSet,
)
from mtshare_ros.errors import DatasetError
from mtshare_ros.model.backbone import IMAGE_MEAN

HEIGHT, WIDTH = 96, 128
SIZE = (64, 80)


class Samples(list):
    """Samples in memory, as a SampleSet."""

    name = 'made up'
    tasks = ('semseg', 'depth', 'normals', 'edge', 'human_parts', 'saliency')


@pytest.fixture
def sample():
    """Make a sample, brighter to the right, whose maps all tell in which column a pixel lies."""
    columns = np.broadcast_to(np.arange(WIDTH), (HEIGHT, WIDTH))
    edges = np.zeros((HEIGHT, WIDTH), np.uint8)
    edges[:, 65] = 1
    return Sample(
        image=np.repeat(columns[..., None] * 2, 3, axis=-1).astype(np.uint8),
        labels=columns.astype(np.uint8), depth=(columns + 1).astype(np.float32),
        normals=np.full((HEIGHT, WIDTH, 3), (0.6, 0.0, -0.8), np.float32), edges=edges,
        human_parts=(columns // 32).astype(np.uint8), saliency=(columns > 63).astype(np.uint8),
        regions=(columns > 63).astype(np.int32), name='ramp')


def make_batch(sample, seed=0, count=2, size=SIZE, downscale=1):
    """Return a batch of one sample several times."""
    training_set = SampleTrainingSet(Samples([sample]))
    return training_set.batch([0] * count, size, downscale, np.random.default_rng(seed))


class Film(SimpleNamespace):
    """A SampleClip in memory."""

    name, tasks = 'c', ('semseg',)

    def image(self, index):
        return self.images[index]

    def __getitem__(self, index):
        return self.frames[index]


def make_film(count, labelled):
    """Make a clip; frame ``n`` has the class ``n``, and each row a grey value of its own."""
    rows = np.arange(HEIGHT, dtype=np.uint8)[:, None, None]
    images = [np.tile(rows + np.uint8(10 * number), (1, WIDTH, 3)) for number in range(count)]
    frames = {number: Sample(images[number], labels=np.full((HEIGHT, WIDTH), number, np.uint8),
                             name=f'c/{number}') for number in labelled}
    return Film(images=images, frames=frames, labelled=labelled)


@pytest.mark.parametrize('downscale', [1, 2])
def test_a_batch_has_the_promised_shapes_and_types(sample, downscale):
    batch = make_batch(sample, downscale=downscale)

    assert batch.image.shape == (2, 3, *SIZE) and batch.image.dtype == torch.float32
    assert {task: (tuple(value.shape), value.dtype) for task, value in batch.truth.items()} == {
        'semseg': ((2, *SIZE), torch.int64), 'human_parts': ((2, *SIZE), torch.int64),
        'depth': ((2, *SIZE), torch.float32), 'normals': ((2, 3, *SIZE), torch.float32),
        'edge': ((2, *SIZE), torch.float32), 'saliency': ((2, *SIZE), torch.float32),
    }


@pytest.mark.parametrize('seed', range(6))
def test_all_truth_of_a_pixel_comes_from_the_same_pixel(sample, seed):
    truth = make_batch(sample, seed, count=1).truth
    known = truth['semseg'] != 255
    column = truth['semseg'][known]

    assert known.any()
    assert torch.equal(truth['human_parts'][known], column // 32)
    assert torch.equal(truth['saliency'][known], (column > 63).float())
    assert torch.equal(truth['edge'][known] == 1, column == 65)
    ratio = truth['depth'][known] / (column + 1)
    assert torch.allclose(ratio, ratio[0]) and 0.5 <= ratio[0] <= 2


@pytest.mark.parametrize('seed', range(6))
def test_truth_stays_on_the_pixels_of_the_image(sample, seed, monkeypatch):
    monkeypatch.setattr('mtshare_ros.data.transforms.distort_colors', lambda image, random: image)

    batch = make_batch(sample, seed, count=1)

    known = batch.truth['semseg'][0] != 255
    apart = batch.image[0, 0][known] / 2 - batch.truth['semseg'][0][known]
    assert apart.abs().max() <= 1.5 and abs(apart.mean()) < 0.3


def test_the_x_of_normals_turns_over_in_mirrored_images(sample):
    batch = make_batch(sample, count=16, size=(32, 32))

    labels = batch.truth['semseg']
    mirrored = labels[:, 16, 16] > labels[:, 16, 20]
    assert 0 < mirrored.sum() < 16
    expected = torch.where(mirrored, -0.6, 0.6)
    assert torch.allclose(batch.truth['normals'][:, 0, 16, 16], expected)


def test_padding_is_the_mean_color_and_void_truth(sample):
    batch = make_batch(sample, size=(HEIGHT * 3, WIDTH * 3))

    truth = {task: value[:, ..., 0, 0] for task, value in batch.truth.items()}
    assert torch.equal(batch.image[0, :, 0, 0], torch.tensor(PADDING_COLOR).float())
    for task in ('semseg', 'human_parts', 'edge', 'saliency'):
        assert (truth[task] == 255).all()
    assert not truth['depth'].any() and not truth['normals'].any()


def test_the_padding_is_what_normalisation_turns_into_zero():
    assert np.allclose(PADDING_COLOR, IMAGE_MEAN, atol=0.5)


def test_the_same_random_state_gives_the_same_batch(sample):
    first, again, other = (make_batch(sample, seed) for seed in (3, 3, 4))

    assert torch.equal(first.image, again.image)
    assert all(torch.equal(first.truth[task], again.truth[task]) for task in first.truth)
    assert not torch.equal(first.image, other.image)


def test_only_the_asked_tasks_are_in_a_batch(sample):
    training_set = SampleTrainingSet(Samples([sample]), tasks=('depth',))

    batch = training_set.batch([0], SIZE, 1, np.random.default_rng(0))

    assert set(batch.truth) == {'depth'}


def test_magnifying_brings_things_nearer_but_downscaling_does_not(sample):
    flat = replace(sample, depth=np.full((HEIGHT, WIDTH), 4, np.float32))

    assert (resize(flat, 2.0).depth == 2).all() and resize(flat, 2.0).size == (192, 256)
    assert (resize(flat, 1.0, 2).depth == 4).all() and resize(flat, 1.0, 2).size == (48, 64)


def test_an_edge_survives_downscaling(sample):
    assert (resize(sample, 1.0, 2).edges.sum(axis=1) == 1).all()


def test_crops_avoid_a_class_that_covers_nearly_everything():
    labels = np.zeros((64, 256), np.uint8)
    labels[:, 128:] = np.arange(128) // 16 + 1
    sample = Sample(np.zeros((64, 256, 3), np.uint8), labels=labels)

    crops = [random_crop(sample, (64, 64), np.random.default_rng(seed)) for seed in range(40)]

    uniform = [np.bincount(crop.labels.ravel()).max() >= 0.75 * 64 * 64 for crop in crops]
    assert sum(uniform) < 4  # chance alone would leave half of them


def test_evaluation_sees_the_image_centred_and_unscaled(sample):
    fitted = fit_for_evaluation(sample, (100, 132))

    assert np.array_equal(fitted.image[2:98, 2:130], sample.image)
    assert np.array_equal(fitted.labels[2:98, 2:130], sample.labels)
    inside = np.zeros((100, 132), bool)
    inside[2:98, 2:130] = True
    for values in (fitted.labels, fitted.edges, fitted.human_parts, fitted.saliency):
        assert ((values == 255) == ~inside).all()
    assert not fitted.depth[~inside].any() and not fitted.normals[~inside].any()


def test_padding_makes_no_outline_of_regions(sample):
    regions = fit_for_evaluation(sample, (200, 200)).regions

    assert (regions[:, :36] == 0).all() and (regions[:, -36:] == 1).all()
    assert (np.diff(regions, axis=0) == 0).all()


def test_an_image_larger_than_the_input_says_what_to_do(sample):
    with pytest.raises(DatasetError, match='ramp: the image is 96x128 .*input 96x112; evaluate'):
        fit_for_evaluation(sample, (96, 112))


def test_a_film_ends_at_a_labelled_frame(sample):
    clips = SampleClipSet([make_film(6, (0, 3, 5))], length=3)

    batch = clips.clip_batch([0, 1], SIZE, np.random.default_rng(0))

    assert len(clips) == 2  # frame 0 has nothing before it
    assert batch.frames.shape == (2, 3, 3, *SIZE) and batch.frames.dtype == torch.uint8
    assert [int(value) for value in batch.last.truth['semseg'][:, 0, 0]] == [3, 5]
    assert torch.equal(batch.last.image, batch.frames[:, -1].float())


def test_all_frames_of_a_film_are_cut_alike():
    batch = SampleClipSet([make_film(6, (5,))], length=3).clip_batch(
        [0] * 4, SIZE, np.random.default_rng(1))

    steps = batch.frames[:, 1:].int() - batch.frames[:, :-1].int()
    assert (steps == 10).all()
    assert len(set(batch.frames[:, 0, 0, 0, 0].tolist())) > 1


def test_films_are_mirrored_as_a_whole(sample):
    film = make_film(2, (1,))
    film.images = [sample.image, sample.image]
    film.frames[1] = Sample(sample.image, labels=sample.labels)

    batch = SampleClipSet([film], length=2).clip_batch([0] * 8, SIZE, np.random.default_rng(0))

    columns = batch.frames[:, 0, 0] // 2
    assert torch.equal(columns.long(), batch.last.truth['semseg'])
    mirrored = columns[:, 0, 0] > columns[:, 0, 1]
    assert 0 < mirrored.sum() < 8


def test_a_film_smaller_than_the_input_is_padded():
    batch = SampleClipSet([make_film(3, (2,))], length=3).clip_batch(
        [0], (HEIGHT + 20, WIDTH), np.random.default_rng(0))

    assert (batch.frames[0, :, :, 0, 0] == torch.tensor(PADDING_COLOR)).all()
    assert (batch.last.truth['semseg'][0, :10] == 255).all()


def test_clips_too_short_for_a_film_are_refused():
    with pytest.raises(DatasetError, match='none of 1 clips .* with 4 frames before it'):
        SampleClipSet([make_film(4, (3,))], length=5)


def test_frames_of_different_sizes_are_refused():
    film = make_film(2, (1,))
    film.images[0] = film.images[0][:-1]

    with pytest.raises(DatasetError, match='c/1: the frames before it have another size'):
        SampleClipSet([film], length=2).clip_batch([0], SIZE, np.random.default_rng(0))


def test_grey_has_no_hue_to_turn():
    grey = np.full((2, 2, 3), 90, np.float32)

    assert np.allclose(shift_saturation_and_hue(grey, 1.5, 18), grey)


@pytest.mark.parametrize('factor, degrees, expected', [
    (1, 120, (40, 200, 40)), (1, -120, (40, 40, 200)), (1, 60, (200, 200, 40)),
    (0, 0, (200, 200, 200)), (0.5, 0, (200, 120, 120)), (9, 0, (200, 0, 0)), (1, 0, (200, 40, 40)),
])
def test_saturation_and_hue_move_in_hsv(factor, degrees, expected):
    red = np.full((1, 1, 3), (200, 40, 40), np.float32)

    assert np.allclose(shift_saturation_and_hue(red, factor, degrees), expected, atol=1e-3)


def test_distorted_colors_stay_an_image_and_differ():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)

    distorted = [distort_colors(image, np.random.default_rng(seed)) for seed in range(20)]

    assert all(other.shape == image.shape and other.dtype == np.uint8 for other in distorted)
    assert len({other.tobytes() for other in distorted}) > 10


def test_hue_turns_by_eighteen_of_the_steps_that_half_a_circle_of_degrees_has():
    # a byte holds hue as 0 to 179, so each step is two degrees
    assert HUE_DEGREES == 18 * 360 / 180
