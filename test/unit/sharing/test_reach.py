"""How far changes spread is worked out from the kernels."""

from fractions import Fraction

import pytest
import torch
from torch import nn

from mtshare_ros.sharing.reach import Reach


def measured_reach(layers, factor=1):
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
    reach = Reach.of_cell(4).through(layers)
    origin = 16 // stride
    assert (origin + reach.first, origin + reach.last) == measured_reach(layers)


def test_convolutions_after_each_other_add_their_reach():
    layers = [nn.Conv2d(1, 1, 3, 1, 1), nn.Conv2d(1, 1, 5, 2, 2), nn.Conv2d(1, 1, 3, 1, 1)]
    reach = Reach.of_cell(4).through(layers)
    assert (8 + reach.first, 8 + reach.last) == measured_reach(layers)


@pytest.mark.parametrize('factor', [1, 2, 4, 14, Fraction(7, 2), Fraction(7, 4)])
def test_bilinear_enlargement_is_part_of_the_reach(factor):
    layers = [nn.Conv2d(1, 1, 3, 1, 1)]
    reach = Reach.of_cell(4).through(layers).enlarged(Fraction(factor))
    origin = 16 * factor
    assert (origin + reach.first, origin + reach.last) == measured_reach(layers, factor)


def test_a_border_is_counted_from_the_edge_of_the_cell():
    assert Reach(-2, 5).border(4) == 2
    assert Reach(0, 4).border(4) == 1


def test_pixels_beyond_a_cell_lie_in_the_next_one():
    assert Reach(-1, 4).in_cells(4) == Reach(-1, 1)
    assert Reach(0, 3).in_cells(4) == Reach(0, 0)
    assert Reach(-5, 8).in_cells(4) == Reach(-2, 2)


def test_a_mask_spreads_to_the_side_the_reach_points_to():
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[1, 1] = True
    expected = torch.zeros(4, 5, dtype=torch.bool)
    expected[1:3, 1:3] = True
    assert torch.equal(Reach(0, 1).spread(mask), expected)


def test_a_mask_spreads_no_further_than_its_edge():
    mask = torch.zeros(2, 3, dtype=torch.bool)
    mask[0, 2] = True
    expected = torch.tensor([[False, True, True], [False, True, True]])
    assert torch.equal(Reach(-1, 1).spread(mask), expected)
    assert Reach(-9, 9).spread(mask).all()


def test_spreading_leaves_the_mask_itself_alone():
    mask = torch.zeros(3, 3, dtype=torch.bool)
    mask[1, 1] = True
    Reach(-1, 1).spread(mask)
    assert mask.sum() == 1
