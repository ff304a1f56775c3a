"""Which weights learn how fast, how that changes, and what clipping reaches."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from toys import image_plan, LABELS, make_trainer, SHAPE, TASKS, toy_run

from mtshare_ros.errors import ConfigError
from mtshare_ros.model.network import build_model
from mtshare_ros.training.initial_network import prepare_network
from mtshare_ros.training.optimizer import build_optimizer, rate_factor, set_learning_rate
from mtshare_ros.training.stage_config import DeltaConfig, OptimizerConfig, Phase, StagePlan

CONFIG = OptimizerConfig(1e-3, warmup_steps=10, weight_decay=0.05, delta_decay=1e-6)
PLAN = StagePlan((Phase((48, 64), 1, 100),), CONFIG,
                 DeltaConfig('element', gate_learning_rate=0.2))


def choices(network, plan=PLAN):
    """Return learning rate and decay of every parameter that learns, by its name."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {names[id(parameter)]: (group['lr'], group['weight_decay'])
            for group in build_optimizer(network, plan).param_groups
            for parameter in group['params']}


@pytest.fixture
def network():
    return build_model(SHAPE, ('semseg',), len(LABELS))


@pytest.fixture
def gated():
    return prepare_network(toy_run('delta-weights', PLAN), len(LABELS), None).network


def test_every_weight_learns_in_exactly_one_group(network):
    groups = build_optimizer(network, PLAN).param_groups
    found = [id(parameter) for group in groups for parameter in group['params']]

    assert sorted(found) == sorted(id(parameter) for parameter in network.parameters())


def test_matrices_decay_and_vectors_do_not(network):
    found = choices(network)

    assert found['blocks.0.attn.qkv.weight'] == (1e-3, 0.05)
    assert found['blocks.0.attn.qkv.bias'] == found['norm.weight'] == (1e-3, 0.0)


def test_deltas_decay_in_their_own_way_and_gates_learn_faster_and_never_decay(gated):
    found = choices(gated)
    layer = 'branches.depth.blocks.0.mlp.fc1.parametrizations'

    assert found[f'{layer}.weight.original'] == (1e-3, 1e-6)
    assert found[f'{layer}.bias.original'] == (1e-3, 0.0)
    assert found[f'{layer}.weight.0.gate.log_alpha'] == (0.2, 0.0)
    assert found[f'{layer}.bias.0.gate.log_alpha_all'] == (0.2, 0.0)
    assert found['heads.depth.predict.weight'] == (1e-3, 0.05)


def test_what_is_frozen_is_in_no_group(gated):
    learning = {name for name, parameter in gated.named_parameters() if parameter.requires_grad}

    assert set(choices(gated)) == learning
    assert len(learning) < len(list(gated.parameters()))


def test_the_learning_rate_decays_from_the_heads_down(network):
    plan = replace(PLAN, optimizer=replace(CONFIG, layer_decay=0.5))

    found = {name: rate for name, (rate, _) in choices(network, plan).items()}

    assert found['heads.semseg.predict.weight'] == found['norm.weight'] == 1e-3
    assert found['blocks.1.mlp.fc2.weight'] == 0.5e-3
    assert found['blocks.0.mlp.fc2.weight'] == 0.25e-3
    assert found['stem.proj.weight'] == 0.125e-3


def test_a_branch_decays_as_the_blocks_it_stands_beside():
    plan = replace(PLAN, optimizer=replace(CONFIG, layer_decay=0.5))

    found = choices(build_model(replace(SHAPE, depth=3), TASKS, len(LABELS)), plan)

    for branch, base in ((0, 1), (1, 2)):
        assert (found[f'branches.depth.blocks.{branch}.mlp.fc2.weight']
                == found[f'blocks.{base}.mlp.fc2.weight'])


@pytest.mark.parametrize('schedule', ['cosine', 'polynomial'])
def test_the_learning_rate_warms_up_and_ends_near_zero(schedule):
    config = replace(CONFIG, schedule=schedule)
    factors = [rate_factor(config, step, 100) for step in range(100)]

    assert factors[0] == pytest.approx(0.1, rel=0.02)
    assert max(factors) <= 1 and factors.index(max(factors)) in (8, 9)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert 0 < factors[-1] < 0.05


@pytest.mark.parametrize('schedule', ['cosine', 'polynomial'])
@pytest.mark.parametrize('step', [100, 101, 1000])
def test_after_the_last_step_the_learning_rate_is_zero_and_real(schedule, step):
    factor = rate_factor(replace(CONFIG, schedule=schedule), step, 100)

    assert isinstance(factor, float) and factor == 0.0


def test_the_polynomial_has_the_published_power():
    config = replace(CONFIG, schedule='polynomial', warmup_steps=0)

    assert rate_factor(config, 25, 100) == pytest.approx(0.75 ** 0.9)


def test_weights_follow_the_schedule_and_gates_keep_their_learning_rate(gated):
    optimizer = build_optimizer(gated, PLAN)

    rate = set_learning_rate(optimizer, PLAN, 90)

    assert rate == pytest.approx(1e-3 * rate_factor(CONFIG, 90, 100)) and rate < 1e-4
    assert {group['lr'] for group in optimizer.param_groups} == {rate, 0.2}


def test_clipping_reaches_deltas_gates_and_heads(tmp_path, monkeypatch):
    reached = {}

    def clip(parameters, limit):
        reached.update((id(parameter), limit) for parameter in parameters)
        return torch.tensor(0.0)

    monkeypatch.setattr(nn.utils, 'clip_grad_norm_', clip)
    trainer = make_trainer(tmp_path, toy_run('delta-weights', image_plan(steps=1)))
    trainer.train(1, lambda report: None)

    learning = {name: parameter for name, parameter in trainer._network.named_parameters()
                if parameter.requires_grad}
    assert reached == {id(parameter): 3.0 for parameter in learning.values()}
    for part in ('parametrizations.weight.original', 'log_alpha', 'heads.depth'):
        assert any(part in name for name in learning)


def test_an_unknown_schedule_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match="schedule is 'step'; allowed is one of cosine, poly"):
        OptimizerConfig(schedule='step')
