"""How far changes spread is worked out from the kernels."""

from fractions import Fraction

import pytest
import torch
from torch import nn

from mtshare_ros.sharing.pixel_maps import ReceptiveField


def measured_field(layers, factor=1):
    """Return the first and last output pixel that a change of pixels 16..19 of 48 moves."""
    network = nn.Sequential(*layers)
    if factor > 1:
        network.append(nn.Upsample(scale_factor=float(factor), mode='bilinear'))
    for parameter in network.parameters():
        nn.init.constant_(parameter, 0.5)
    images = torch.zeros(2, 1, 48, 48)
    images[1, :, 16:20, 16:20] = 1
    with torch.no_grad():
        before, after = network(images)
    columns = (before != after)[0].any(dim=0).nonzero()[:, 0]
    return columns.min().item(), columns.max().item()


@pytest.mark.parametrize('kernel, stride, padding', [
    (3, 1, 1), (5, 1, 2), (1, 1, 0), (3, 2, 1), (4, 4, 0), (2, 1, 1), (3, 4, 1)])
def test_a_change_reaches_as_far_as_the_convolution_carries_it(kernel, stride, padding):
    layers = [nn.Conv2d(1, 1, kernel, stride, padding)]
    field = ReceptiveField.of_patch(4).through(layers)
    origin = 16 // stride
    assert (origin + field.first, origin + field.last) == measured_field(layers)


def test_convolutions_after_each_other_add_their_reach():
    layers = [nn.Conv2d(1, 1, 3, 1, 1), nn.Conv2d(1, 1, 5, 2, 2), nn.Conv2d(1, 1, 3, 1, 1)]
    field = ReceptiveField.of_patch(4).through(layers)
    assert (8 + field.first, 8 + field.last) == measured_field(layers)


@pytest.mark.parametrize('factor', [1, 2, 4, 14, Fraction(7, 2), Fraction(7, 4)])
def test_bilinear_enlargement_is_part_of_the_reach(factor):
    layers = [nn.Conv2d(1, 1, 3, 1, 1)]
    field = ReceptiveField.of_patch(4).through(layers).enlarged(Fraction(factor))
    origin = 16 * factor
    assert (origin + field.first, origin + field.last) == measured_field(layers, factor)


def test_a_border_is_counted_from_the_edge_of_the_patch():
    assert ReceptiveField(-2, 5).border(4) == 2
    assert ReceptiveField(0, 4).border(4) == 1


def test_pixels_beyond_a_patch_lie_in_the_next_one():
    assert ReceptiveField(-1, 4).in_patches(4) == ReceptiveField(-1, 1)
    assert ReceptiveField(0, 3).in_patches(4) == ReceptiveField(0, 0)
    assert ReceptiveField(-5, 8).in_patches(4) == ReceptiveField(-2, 2)


def test_a_mask_spreads_to_the_side_the_reach_points_to():
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[1, 1] = True
    expected = torch.zeros(4, 5, dtype=torch.bool)
    expected[1:3, 1:3] = True
    assert torch.equal(ReceptiveField(0, 1).spread(mask), expected)


def test_a_mask_spreads_no_further_than_its_edge():
    mask = torch.zeros(2, 3, dtype=torch.bool)
    mask[0, 2] = True
    expected = torch.tensor([[False, True, True], [False, True, True]])
    assert torch.equal(ReceptiveField(-1, 1).spread(mask), expected)
    assert ReceptiveField(-9, 9).spread(mask).all()


def test_spreading_leaves_the_mask_itself_alone():
    mask = torch.zeros(3, 3, dtype=torch.bool)
    mask[1, 1] = True
    ReceptiveField(-1, 1).spread(mask)
    assert mask.sum() == 1
