"""Linear layers prepared once, and one product for several tasks."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from mtshare_ros.sharing.linear import GroupedLinear, PackedLinear, rounded_up, widened
from mtshare_ros.sharing.memory import PACKED, PLAIN

INPUTS, OUTPUTS = 16, 24

pytestmark = pytest.mark.usefixtures('no_gradients')


def layer(bias=True):
    torch.manual_seed(0)
    return nn.Linear(INPUTS, OUTPUTS, bias=bias)


def draw(count):
    return torch.randn(count, INPUTS, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize('count', [0, 1, 7, 300])
@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('layout', [PACKED, PLAIN])
def test_a_packed_layer_computes_what_the_layer_does(count, bias, layout):
    module = layer(bias)
    ours = PackedLinear(module.weight, module.bias, dtype=torch.float32, layout=layout)
    assert torch.allclose(ours(draw(count)), module(draw(count)), atol=1e-6)


def test_products_have_few_sizes_that_are_little_larger_than_asked():
    asked = range(1, 5000)
    sizes = [rounded_up(count) for count in asked]

    assert all(count <= size < count + max(16, 0.13 * count)
               for count, size in zip(asked, sizes))
    assert len(set(sizes)) < 80


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason='oneDNN is not built in')
def test_rows_that_were_added_for_the_kernel_do_not_come_out():
    module = layer()
    ours = PackedLinear(module.weight, module.bias, dtype=torch.float32, layout=PACKED)
    for count in (15, 16, 17):
        assert ours(draw(count)).shape == (count, OUTPUTS)


@pytest.mark.parametrize('layout', [PACKED, PLAIN])
def test_a_product_is_added_to_sums_in_place(layout):
    module = layer(bias=False)
    ours = PackedLinear(module.weight, None, dtype=torch.float32, layout=layout)
    sums = torch.ones(9, OUTPUTS)
    assert ours.add_to(sums, draw(9)) is sums
    assert torch.allclose(sums, 1 + module(draw(9)), atol=1e-6)


def test_rows_of_any_precision_are_added_to_sums_of_the_layers():
    module = layer(bias=False)
    ours = PackedLinear(module.weight, None, dtype=torch.bfloat16, layout=PLAIN)
    sums = torch.ones(9, OUTPUTS, dtype=torch.bfloat16)
    ours.add_to(sums, draw(9))
    assert torch.allclose(sums.float(), 1 + module(draw(9)), atol=0.05)


@pytest.mark.parametrize('layout', [PACKED, PLAIN])
def test_the_activation_follows_the_product(layout):
    module = layer()
    ours = PackedLinear(module.weight, module.bias, dtype=torch.float32, activation='gelu',
                        layout=layout)
    assert torch.allclose(ours(draw(9)), functional.gelu(module(draw(9))), atol=1e-6)


def test_rows_of_any_precision_come_out_in_that_of_the_layer():
    module = layer()
    ours = PackedLinear(module.weight, module.bias, dtype=torch.bfloat16)
    result = ours(draw(5))
    assert result.dtype == torch.bfloat16
    assert torch.allclose(result.float(), module(draw(5)), atol=0.03)


def with_other_features(base, count):
    """Return a copy of a layer in which ``count`` output features differ."""
    other = copy.deepcopy(base)
    other.weight[torch.randperm(OUTPUTS)[:count]] += 0.5
    return other


def encoders(*changed):
    base = layer()
    return [base, *(with_other_features(base, count) for count in changed)]


@pytest.mark.parametrize('changed', [(0,), (3,), (OUTPUTS,), (0, 3, OUTPUTS), (OUTPUTS, 3, 3)])
@pytest.mark.parametrize('activation', ['none', 'gelu'])
def test_every_encoder_gets_its_own_layer(changed, activation):
    layers = encoders(*changed)
    counts = (4, 2, 5, 3)[:len(layers)]
    grouped = GroupedLinear(layers, dtype=torch.float32, activation=activation)
    rows = draw(sum(counts))
    expected = torch.cat([module(part) for module, part in zip(layers, rows.split(counts))])
    if activation == 'gelu':
        expected = functional.gelu(expected)
    assert torch.allclose(grouped(rows, counts), expected, atol=1e-6)


@pytest.mark.parametrize('counts', [(0, 5, 0, 2), (0, 0, 0, 4), (3, 0, 0, 0), (0, 0, 0, 0)])
def test_encoders_may_have_no_rows(counts):
    layers = encoders(3, OUTPUTS, 0)
    rows = draw(sum(counts))
    expected = torch.cat([module(part) for module, part in zip(layers, rows.split(counts))])
    grouped = GroupedLinear(layers, dtype=torch.float32)
    assert torch.allclose(grouped(rows, counts), expected, atol=1e-6)


@pytest.mark.parametrize('changed', [(3, 2), (3, OUTPUTS), (OUTPUTS, OUTPUTS)])
def test_of_spare_rows_nothing_comes_into_the_others(changed):
    layers, counts = encoders(*changed), (4, 0, 5)
    grouped = GroupedLinear(layers, dtype=torch.float32)
    rows = draw(9)
    spared = grouped(widened(rows, 7), counts)
    assert spared.shape[0] == 16
    assert torch.allclose(spared[:9], grouped(rows, counts), atol=1e-6)


def test_a_bias_alone_makes_a_feature_a_encoders_own():
    layers = encoders(0)
    layers[1].bias[4] += 1.0
    grouped = GroupedLinear(layers, dtype=torch.float32)
    assert torch.allclose(grouped(draw(4), (0, 4)), layers[1](draw(4)), atol=1e-6)


def test_few_features_of_their_own_cost_every_row_what_they_weigh():
    whole = INPUTS * OUTPUTS
    grouped = GroupedLinear(encoders(0, 3, 2), dtype=torch.float32)
    assert grouped.macs_per_row == (whole + 5 * INPUTS,) * 4


def test_a_matrix_of_its_own_costs_a_encoder_one_matrix():
    grouped = GroupedLinear(encoders(0, OUTPUTS), dtype=torch.float32)
    assert grouped.macs_per_row == (INPUTS * OUTPUTS,) * 3
    assert grouped.plain_macs_per_row == INPUTS * OUTPUTS
