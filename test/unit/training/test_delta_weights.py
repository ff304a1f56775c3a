"""Delta weights while they are learnt: each gate switches its unit, and the base stays."""

import pytest
import torch
from torch import nn
from toys import LABELS, SHAPE, TASKS

from mtshare_ros.model.deltas import add_random_deltas, delta_density
from mtshare_ros.model.network import build_model
from mtshare_ros.training.delta_weights import (
    attach_gates,
    attach_support,
    HardConcrete,
    merged,
    TILE,
)
from mtshare_ros.training.stage_config import DeltaConfig


def make_network():
    torch.manual_seed(0)
    return build_model(SHAPE, TASKS, len(LABELS)).eval()


@pytest.fixture
def gated():
    """Return a function that makes a network with gates and a delta of 1 everywhere."""
    def make(granularity='row', **config):
        network = make_network()
        gates = attach_gates(network, 'depth', DeltaConfig(granularity, **config))
        for layer in linears(network):
            for chain in layer.parametrizations.values():
                nn.init.ones_(chain.original)
        return network, gates
    return make


def linears(network, task='depth'):
    return [module for block in network.own_blocks(task) for module in block.modules()
            if isinstance(module, nn.Linear)]


def delta_of(network, name='weight'):
    """Return W_s - W_b of the first layer, with 1 wherever a gate is open."""
    own, base = (linears(network, task)[0] for task in ('depth', 'semseg'))
    return (getattr(own, name) - getattr(base, name)).detach()


def test_new_gates_change_nothing():
    network, plain = make_network(), make_network()
    attach_gates(network, 'depth', DeltaConfig())
    image = torch.rand(1, 3, 48, 64) * 255

    torch.testing.assert_close(network(image)['depth'], plain(image)['depth'])


@pytest.mark.parametrize('granularity, place, unit', [
    ('element', (5, 9), (slice(5, 6), slice(9, 10))),
    ('row', (5,), (slice(5, 6), slice(None))),
    ('block', (2, 1), (slice(2 * TILE, 3 * TILE), slice(TILE, 2 * TILE))),
])
def test_a_shut_gate_switches_off_exactly_its_unit(gated, granularity, place, unit):
    network, _ = gated(granularity)
    gate = linears(network)[0].parametrizations.weight[0].gate
    with torch.no_grad():
        gate.log_alpha[place] = 0.0

    expected = torch.ones(3 * SHAPE.embed_dim, SHAPE.embed_dim)
    expected[unit] = 0
    torch.testing.assert_close(delta_of(network), expected)


def test_blocks_at_the_border_of_a_layer_are_cut_off():
    layer, base = nn.Linear(20, 40), nn.Linear(20, 40)
    network = nn.Module()
    network.own_blocks = lambda task: [layer if task == 'depth' else base]
    network.base_task = 'semseg'

    attach_gates(network, 'depth', DeltaConfig('block'))

    chain = layer.parametrizations.weight
    assert chain[0].gate.log_alpha.shape == (3, 2)
    assert layer.weight.shape == (40, 20)


def test_the_bias_goes_with_its_row(gated):
    network, _ = gated('row')
    with torch.no_grad():
        linears(network)[0].parametrizations.weight[0].gate.log_alpha[5] = -1.0

    assert delta_of(network, 'bias').nonzero()[:, 0].tolist() == [
        row for row in range(3 * SHAPE.embed_dim) if row != 5]


@pytest.mark.parametrize('granularity', ['element', 'block'])
def test_the_bias_has_gates_of_its_own_where_rows_have_none(gated, granularity):
    network, _ = gated(granularity)
    layer = linears(network)[0]
    with torch.no_grad():
        layer.parametrizations.weight[0].gate.log_alpha.fill_(-1.0)

    assert not delta_of(network).any()
    assert delta_of(network, 'bias').all()


@pytest.mark.parametrize('other', [(7, 13), (8, 12)])
def test_a_step_draws_the_same_gates_everywhere_and_another_one_others(gated, other):
    (first, gates), (second, others) = gated(initial_log_alpha=0.0), gated(initial_log_alpha=0.0)
    first.train(), second.train()
    gates.draw(7, 12)
    others.draw(7, 12)
    assert torch.equal(delta_of(first), delta_of(second))
    assert 0 < (delta_of(first) > 1e-3).float().mean() < 1

    others.draw(*other)

    assert not torch.equal(delta_of(first), delta_of(second))


def test_layers_do_not_share_their_chance(gated):
    network, gates = gated(initial_log_alpha=0.0)
    network.train()
    gates.draw(0, 0)

    values = [layer.parametrizations.weight[0].gate.values()[:32] for layer in linears(network)]

    assert not torch.equal(values[0], values[1])


def test_merging_gives_the_same_function_in_plain_weights(gated):
    network, gates = gated(initial_log_alpha=0.3)
    gates.draw(0, 0)  # what was drawn for a step is no part of the result
    with torch.no_grad():
        for layer in linears(network):
            layer.parametrizations.weight[0].gate.log_alpha[::2] = -1.0

    plain = merged(network)

    image = torch.rand(1, 3, 48, 64) * 255
    torch.testing.assert_close(plain(image), network(image))
    assert all('parametrizations' not in name for name in plain.state_dict())
    assert all(density.rows == pytest.approx(0.5) for density in delta_density(plain, 'depth'))


def test_merging_leaves_the_gates_on_the_network(gated):
    network, _ = gated()

    merged(network)

    assert all(hasattr(layer, 'parametrizations') for layer in linears(network))


@pytest.mark.parametrize('granularity', ['row', 'block'])
def test_the_penalty_brings_every_block_down_to_the_density(gated, granularity):
    network, gates = gated(granularity, density=0.1, anneal=0.5, initial_log_alpha=2.0)
    alphas = [parameter for name, parameter in network.named_parameters()
              if name.endswith('log_alpha')]
    optimizer = torch.optim.AdamW(alphas, lr=0.1, betas=(0.9, 0.98), weight_decay=0.0)
    for layer in linears(network):
        nn.init.normal_(layer.parametrizations.weight.original)

    for step in range(100):
        optimizer.zero_grad()
        # as if the task liked every gate a little
        liked = sum(alpha.sigmoid().sum() for alpha in alphas)
        (gates.penalty(step / 100) - 1e-6 * liked).backward()
        optimizer.step()

    densities = [density.item() for density in gates.densities()]
    assert all(0.05 < density < 0.15 for density in densities)
    # what is counted is what differs in the end
    assert densities == pytest.approx(
        [density.elements for density in delta_density(merged(network), 'depth')], abs=2e-3)


@pytest.mark.parametrize('granularity, large', [
    ('element', slice(16, 32)), ('row', slice(16, 32)), ('block', slice(1, 2))])
def test_the_gates_of_the_largest_deltas_do_not_pay(gated, granularity, large):
    network, gates = gated(granularity, density=0.25)
    with torch.no_grad():
        for layer in linears(network):
            layer.parametrizations.weight.original[16:32] *= 3

    gates.penalty(1.0).backward()

    pays = linears(network)[0].parametrizations.weight[0].gate.log_alpha.grad != 0
    assert not pays[large].any() and pays.float().mean() > 0.5


def test_what_is_allowed_falls_from_everything_to_the_density(gated):
    _, gates = gated(density=0.01, anneal=0.6)

    penalties = [gates.penalty(progress).item() for progress in (0.0, 0.2, 0.3, 0.4, 0.6, 1.0)]

    assert penalties[:2] == pytest.approx([0.0, 0.0], abs=1e-3)
    assert penalties == sorted(penalties)
    # all of the block but the density, each as open as it is expected to be
    assert penalties[4:] == pytest.approx([0.99 * 0.9933071] * 2, abs=0.01)


@pytest.mark.parametrize('granularity', ['element', 'row', 'block'])
def test_a_constant_penalty_weighs_the_expected_number_of_weights(gated, granularity):
    network, gates = gated(granularity, penalty=2e-6, initial_log_alpha=0.0)
    count = sum(layer.weight.numel() for layer in linears(network))

    penalty = gates.penalty(0.3).item()

    assert penalty == pytest.approx(2e-6 * 0.5 * 0.9933071 * count, rel=1e-4)
    assert gates.penalty(0.9).item() == penalty


def test_outside_its_support_a_delta_neither_acts_nor_learns():
    network = make_network()
    add_random_deltas(network, density=0.2, granularity='element')
    own, base = linears(network)[1], linears(network, 'semseg')[1]
    before, support = own.weight.detach().clone(), (own.weight != base.weight).detach()
    attach_support(network, 'depth')
    torch.testing.assert_close(own.weight, before)

    own.weight.square().sum().backward()
    delta = own.parametrizations.weight.original
    with torch.no_grad():
        delta += 1.0

    assert not delta.grad[~support].any() and delta.grad[support].all()
    assert torch.equal(own.weight != base.weight, support)
    assert torch.equal(own.weight[~support], base.weight[~support])


def make_gates(*log_alphas):
    gates = HardConcrete((len(log_alphas),), 0.0)
    with torch.no_grad():
        gates.log_alpha.copy_(torch.tensor(log_alphas))
    return gates


def drawn(gates, seed):
    gates.draw(torch.Generator().manual_seed(seed))
    return gates.values()


def test_without_chance_a_gate_is_shut_where_alpha_is_not_positive():
    values = make_gates(-5.0, -0.1, 0.0, 0.1, 5.0).eval().values()

    assert (values[:3] == 0).all() and (values[3:] > 0).all()
    assert values[4] == 1 and values[3] < 0.1


def test_nothing_is_random_before_something_was_drawn():
    gates = make_gates(0.2, 5.0).train()

    assert torch.equal(gates.values(), make_gates(0.2, 5.0).eval().values())


def test_a_drawn_gate_of_alpha_zero_is_shut_as_often_as_it_is_open():
    values = drawn(make_gates(*[0.0] * 4000).train(), seed=1)

    assert (values > 0).float().mean() == pytest.approx(0.5, abs=0.03)
    assert 0 <= values.min() and values.max() <= 1


def test_a_seed_means_the_same_gates_and_another_one_others():
    first, second = (make_gates(*[0.0] * 50).train() for _ in range(2))

    assert torch.equal(drawn(first, seed=3), drawn(second, seed=3))
    assert not torch.equal(drawn(first, seed=3), drawn(second, seed=4))


def test_evaluation_ignores_what_was_drawn():
    gates = make_gates(0.2, 5.0).train()
    drawn(gates, seed=1)

    assert torch.equal(gates.eval().values(), make_gates(0.2, 5.0).eval().values())


def test_one_gate_shuts_all_others():
    gates = make_gates(5.0, 5.0).eval()
    with torch.no_grad():
        gates.log_alpha_all.fill_(-0.1)

    assert not gates.values().any()
    assert not gates.is_open().any()


def test_a_gate_counts_as_open_where_it_lets_something_through_without_chance():
    gates = make_gates(-1.0, 0.0, 1e-3, 3.0).eval()

    assert torch.equal(gates.is_open(), gates.values() > 0)


def test_the_expected_count_is_the_sum_of_the_chances():
    # a chance of 1/2 and one of 3/4, times that of the gate of all
    gates = make_gates(0.0, 1.0986123)

    assert gates.expected_count().item() == pytest.approx(1.25 * 0.9933071, rel=1e-5)
