"""The trainer: it learns, resumes exactly, and stops with a reason."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from toys import (
    clip_plan,
    FULL_SIZE,
    image_plan,
    make_trainer,
    SIZE,
    toy_rooms,
    toy_run,
    train,
    weights,
)

from mtshare_ros.errors import ConfigError, TrainingError
from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.tasks import DEFAULT_TASKS
from mtshare_ros.training.delta_weights import merged
from mtshare_ros.training.optimizer import AveragedNetwork
from mtshare_ros.training.processes import Processes
from mtshare_ros.training.stage_config import DeltaConfig, OptimizerConfig, Phase, StagePlan

TWO_SIZES = StagePlan((Phase(SIZE, 4, 24, 2), Phase(FULL_SIZE, 2, 6)),
                      OptimizerConfig(warmup_steps=2))
GATED = image_plan(delta=DeltaConfig(initial_log_alpha=0.5))
RESUMABLE = {
    'images of two sizes': ('multi-task', TWO_SIZES),
    'clips': ('base-temporal', clip_plan(steps=8)),
    'delta weights': ('delta-weights', GATED),
    'clips of a sub-task': ('delta-activations', clip_plan(steps=8)),
}


def test_the_losses_fall_and_the_result_loads(tmp_path):
    plan = image_plan(steps=40, learning_rate=5e-3)
    trainer = make_trainer(tmp_path, toy_run('multi-task', plan, tasks=DEFAULT_TASKS,
                                             save_every_steps=100))

    reports = train(trainer)

    for task in DEFAULT_TASKS:
        assert reports[-1].losses[task] < 0.8 * reports[0].losses[task]
    engine = Engine(load_checkpoint(tmp_path / 'model.safetensors'), device='cpu')
    depth = engine.infer(toy_rooms().image[3]).depth
    left, _, _, right = np.array_split(depth, 4, axis=1)
    assert right.mean() > 1.5 * left.mean()


@pytest.mark.parametrize('name', RESUMABLE)
def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path, name):
    run = toy_run(*RESUMABLE[name])
    whole = make_trainer(tmp_path / 'whole', run)
    train(whole)
    first = make_trainer(tmp_path / 'killed', run)
    # step 7 is lost: the last save was at 6
    with pytest.raises(KeyboardInterrupt):
        first.train(run.plan.steps, _interrupt_at(7))

    second = make_trainer(tmp_path / 'killed', run)

    assert second.step == 6
    train(second)
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(second)[name]), name


def _interrupt_at(step):
    def report(done):
        if done.step == step:
            raise KeyboardInterrupt
    return report


def test_making_batches_ahead_changes_nothing(tmp_path):
    # 8 steps of 4 are three epochs of 10: the threads are often in another one than the loop
    run = toy_run('multi-task', image_plan())
    plain, ahead = (make_trainer(tmp_path / name, run) for name in ('plain', 'ahead'))
    ahead._batches._ahead = 3

    losses = [[report.losses for report in train(trainer)] for trainer in (plain, ahead)]
    ahead.close()

    assert losses[0] == losses[1]


def test_another_configuration_is_kept_out_of_a_run(tmp_path):
    run = toy_run('multi-task', TWO_SIZES)
    make_trainer(tmp_path, run)
    other = replace(run, recipe=replace(run.recipe, seed=1))

    with pytest.raises(TrainingError, match='another configuration'):
        make_trainer(tmp_path, other)


def test_a_stage_added_to_the_recipe_later_does_not_stop_a_run(tmp_path):
    run = toy_run('multi-task', TWO_SIZES)
    make_trainer(tmp_path, run)
    stages = {**run.recipe.stages, 'single-task': TWO_SIZES}

    make_trainer(tmp_path, replace(run, recipe=replace(run.recipe, stages=stages)))


def test_a_damaged_state_is_refused_by_name(tmp_path):
    run = toy_run('multi-task', TWO_SIZES)
    make_trainer(tmp_path, run).save()
    state = tmp_path / 'state.pt'
    state.write_bytes(state.read_bytes()[:1000])

    with pytest.raises(TrainingError, match='state.pt'):
        make_trainer(tmp_path, run)


def test_a_loss_that_is_not_finite_names_the_items(tmp_path):
    rooms = toy_rooms()
    rooms.depth[:] = np.inf
    trainer = make_trainer(tmp_path, toy_run('multi-task', TWO_SIZES), rooms=rooms)

    with pytest.raises(TrainingError, match=r'step 0: the loss of depth is inf on the items '
                                            r'\[\d+, \d+, \d+, \d+\] of the toy rooms'):
        train(trainer)


def test_a_gradient_that_is_not_finite_stops_before_it_reaches_the_weights(tmp_path):
    trainer = make_trainer(tmp_path, toy_run('multi-task', TWO_SIZES))
    weight = trainer._network.heads['depth'].predict.weight
    weight.register_hook(lambda gradient: gradient * torch.nan)
    before = weight.detach().clone()

    with pytest.raises(TrainingError, match='step 0: the gradient is nan on the items'):
        train(trainer)

    assert torch.equal(weight, before)


def test_a_batch_that_the_processes_cannot_share_is_refused_before_the_first_step(tmp_path):
    # the second phase comes after hours of the first
    plan = StagePlan((Phase(SIZE, 4, 24, 2), Phase(FULL_SIZE, 3, 6)))

    with pytest.raises(ConfigError, match='batch_size is 3; allowed is a multiple of the 2 proc'):
        make_trainer(tmp_path, toy_run('multi-task', plan), processes=Processes(0, 2))


def test_bfloat16_learns_as_well(tmp_path):
    run = toy_run('multi-task', image_plan())
    run = replace(run, recipe=replace(run.recipe, precision='bf16'))

    reports = train(make_trainer(tmp_path, run))

    assert sum(reports[-1].losses.values()) < sum(reports[0].losses.values())


def test_the_average_follows_the_network_slowly_and_forgets_its_start():
    network = nn.BatchNorm2d(1)
    averaged = AveragedNetwork(network, decay=0.5)
    with torch.no_grad():
        network.weight.fill_(3.0)
        network.num_batches_tracked.fill_(7)

    averaged.update(network, 0)
    first = averaged.network.weight.item()
    averaged.update(network, 100)

    # from 1 towards 3: the decay is 2/11 at the first step, 0.5 in the end
    assert first == pytest.approx(3 - 2 * 2 / 11)
    assert averaged.network.weight.item() == pytest.approx(3 - (3 - first) / 2)
    assert averaged.network.num_batches_tracked == 7


def test_the_average_follows_a_gate_of_weight_and_bias_as_slowly_as_the_rest(tmp_path):
    trainer = make_trainer(tmp_path, toy_run('delta-weights', GATED))
    networks = trainer._network, trainer._averaged.network
    with torch.no_grad():
        for parameter in networks[0].parameters():
            parameter += 1.0

    trainer._averaged.update(trainer._network, 0)

    moved = [own - average for own, average in zip(*(net.parameters() for net in networks))]
    assert all(torch.allclose(value, torch.full_like(value, 2 / 11)) for value in moved)


def test_what_is_saved_is_the_averaged_network_without_gates(tmp_path):
    trainer = make_trainer(tmp_path, toy_run('delta-weights', GATED))
    train(trainer)

    saved = load_checkpoint(tmp_path / 'model.safetensors').network

    image = torch.from_numpy(toy_rooms().image[:1]).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = trainer._averaged.network(image)['depth']
        torch.testing.assert_close(merged(trainer._averaged.network)(image)['depth'], expected)
        # the file holds matrices as float16
        torch.testing.assert_close(saved(image)['depth'], expected, rtol=1e-2, atol=1e-2)
