"""Raw outputs become maps in physical units."""

import numpy as np
import torch

from mtshare_ros.inference.postprocess import decode
from mtshare_ros.sharing.enlargement import enlarge
from mtshare_ros.tasks import UNLABELLED


def four_times(raw):
    return raw.shape[2] * 4, raw.shape[3] * 4


def decode_whole(task, raw):
    return decode(task, raw, four_times(raw))


def random_logits():
    return torch.randn(1, 40, 12, 16, generator=torch.Generator().manual_seed(0)) * 4


def test_the_mask_is_the_class_of_the_largest_enlarged_logit():
    logits = random_logits()
    expected = enlarge(logits, four_times(logits))[0].max(dim=0).indices
    assert np.array_equal(decode_whole('semseg', logits)['mask'], expected.numpy())


def test_the_confidence_is_the_probability_of_the_class():
    logits = random_logits()
    expected = (enlarge(logits, four_times(logits))[0].softmax(dim=0).amax(dim=0) * 255).round()
    found = decode_whole('semseg', logits)['confidence'].astype(int)
    assert np.abs(found - expected.numpy()).max() <= 1


def test_logits_that_hardly_differ_are_told_apart():
    logits = torch.zeros(1, 40, 4, 4)
    logits[:, 23] = 1e-30
    assert (decode_whole('semseg', logits)['mask'] == 23).all()


def test_the_first_of_equal_classes_is_taken():
    logits = torch.zeros(1, 40, 4, 4)
    logits[:, 11] = logits[:, 30] = 5
    assert (decode_whole('semseg', logits)['mask'] == 11).all()


def test_logits_far_apart_are_certain():
    logits = torch.full((1, 40, 4, 4), -3e38)
    logits[:, 39] = 0
    maps = decode_whole('semseg', logits)
    assert (maps['mask'] == 39).all() and (maps['confidence'] == 255).all()


def test_a_pixel_without_a_number_is_unlabelled():
    logits = random_logits()
    logits[0, 5, 0, 0] = torch.nan
    maps = decode_whole('semseg', logits)
    assert maps['mask'][0, 0] == UNLABELLED and maps['confidence'][0, 0] == 0
    assert (maps['mask'][8:, 8:] < 40).all()


def test_a_depth_beyond_all_numbers_is_invalid():
    log_metres = torch.zeros(1, 1, 4, 4)
    log_metres[0, 0, 0, 0] = 1e4
    depth = decode_whole('depth', log_metres)['depth']
    assert np.isnan(depth[0, 0]) and depth[-1, -1] == 1


def test_normals_have_length_one():
    directions = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    normals = decode_whole('normals', directions)['normals']
    assert normals.shape == (16, 16, 3)
    assert np.allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-5)


def test_an_edge_logit_of_zero_is_half_certain():
    assert (decode_whole('edge', torch.zeros(1, 1, 4, 4))['edges'] == 128).all()


def test_parts_of_people_are_classes_without_a_confidence():
    logits = random_logits()[:, :7]
    maps = decode_whole('human_parts', logits)
    assert list(maps) == ['human_parts']
    assert np.array_equal(maps['human_parts'], decode_whole('semseg', logits)['mask'])


def test_saliency_is_a_probability():
    logit = torch.full((1, 1, 4, 4), float(np.log(3)))
    maps = decode_whole('saliency', logit)
    assert list(maps) == ['saliency']
    assert maps['saliency'].dtype == np.uint8 and (maps['saliency'] == round(0.75 * 255)).all()
