"""Hard-concrete gates: random while they are learnt, plain switches in the end."""

import pytest
import torch

from mtshare_ros.training.hard_concrete import HardConcrete


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
