"""The rules of gates and of taking over, as the engine and training follow them."""

from branched import branched_network
import pytest
import torch
from torch import nn

from mtshare_ros.sharing.block import BlockWeights
from mtshare_ros.sharing.gates import delta_share, distance, effective, passes, spread_of
from mtshare_ros.training.delta_weights import attach_gates, merged
from mtshare_ros.training.stage_config import DeltaConfig


def pair(network):
    return network.own_blocks('depth')[0], network.own_blocks('semseg')[0]


@pytest.fixture
def equal_tasks():
    return branched_network(density=0)


def test_a_token_at_its_bound_stays_and_one_beyond_it_passes():
    found = passes(torch.tensor([1.0, 1.01]), torch.tensor(1.0), None)

    assert found.tolist() == [False, True]


def test_forced_tokens_and_tokens_that_are_no_numbers_pass():
    found = passes(torch.tensor([0.0, 0.0, torch.nan]), torch.tensor(1.0),
                   torch.tensor([True, False, False]))

    assert found.tolist() == [True, False, True]


def test_a_limit_of_zero_lets_even_equal_tokens_pass():
    rows = torch.ones(3, 4)

    assert passes(distance(rows, rows), torch.tensor(effective(0.0)), None).all()
    assert effective(0.3) == 0.3


def test_the_distance_of_equal_tokens_has_a_gradient_of_zero():
    rows = torch.ones(3, 4, requires_grad=True)
    distance(rows, torch.ones(3, 4)).sum().backward()

    assert not rows.grad.any()


def test_the_spread_of_images_is_that_of_each():
    images = torch.randn(2, 48, 16)

    assert torch.equal(spread_of(images), torch.stack([spread_of(rows) for rows in images]))
    assert torch.allclose(spread_of(images + 7), spread_of(images), rtol=1e-4)


@pytest.mark.parametrize('vectors', [False, True])
def test_matrices_and_vectors_each_count_for_the_share_of_the_deltas(equal_tasks, vectors):
    own, base = pair(equal_tasks)
    assert delta_share(own, base).item() == 0
    with torch.no_grad():
        for value in own.parameters():
            if (value.ndim == 1) is vectors:
                value.mul_(1.5)

    assert delta_share(own, base).item() == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize('kind', ['weight', 'bias'])
def test_deltas_that_are_being_learnt_have_the_share_that_the_engine_will_see(equal_tasks, kind):
    attach_gates(equal_tasks, 'depth', DeltaConfig())
    own, base = pair(equal_tasks)
    with torch.no_grad():
        for module in own.modules():
            if isinstance(module, nn.Linear):
                getattr(module.parametrizations, kind).original.normal_()
    learning = delta_share(own, base)
    learning.backward()
    deltas = [module.parametrizations[kind].original.grad for module in own.modules()
              if isinstance(module, nn.Linear)]

    assert learning > 0.1
    assert torch.equal(learning, delta_share(*pair(merged(equal_tasks))))
    assert all(delta.isfinite().all() and delta.any() for delta in deltas)


def test_deltas_of_nothing_have_a_gradient_that_is_a_number(equal_tasks):
    attach_gates(equal_tasks, 'depth', DeltaConfig())
    own, base = pair(equal_tasks)
    delta_share(own, base).backward()

    assert not own.attn.qkv.parametrizations.weight.original.grad.any()


def test_the_blocks_of_the_engine_have_the_share_of_the_rule(equal_tasks):
    own, base = pair(equal_tasks)
    with torch.no_grad():
        own.norm1.bias.add_(1.0)

    found = BlockWeights([base, own], torch.float32).delta_share
    assert found.tolist() == [0, delta_share(own, base).item()] and found[1] > 0
