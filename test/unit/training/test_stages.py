"""What each stage goes on from, what it trains, and what it leaves as it is."""

from dataclasses import replace
import json

import pytest
import torch
from torch import nn
from toys import (
    clip_plan,
    image_plan,
    LABELS,
    make_trainer,
    toy_frame,
    toy_recipe,
    toy_run,
    train,
)

from mtshare_ros.errors import ModelError, TrainingError
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.model.deltas import delta_density
from mtshare_ros.training.initial_network import prepare_network, set_modes
from mtshare_ros.training.recipe import runs_of
from mtshare_ros.training.run_directory import Family
from mtshare_ros.training.stage_config import DeltaConfig
from mtshare_ros.training.trainer import Recorder, run_training

DELTAS = DeltaConfig(density=0.3, anneal=0.2, initial_log_alpha=0.5, gate_learning_rate=0.3)
PLANS = {
    'base': image_plan(steps=4), 'base-temporal': clip_plan(steps=2),
    'delta-weights': image_plan(steps=12, delta=DELTAS), 'delta-tune': image_plan(steps=4),
    'delta-activations': clip_plan(steps=2), 'single-task': image_plan(steps=2),
    'multi-task': image_plan(steps=2),
}


@pytest.fixture(scope='module')
def family(tmp_path_factory):
    """Return a family of which every stage is trained."""
    recipe = toy_recipe(**{name.replace('-', '_'): plan for name, plan in PLANS.items()})
    family = Family(recipe, tmp_path_factory.mktemp('family'))
    for run in runs_of(recipe, 'all'):
        train(make_trainer(family.directory(run).path, run, start=family.start_of(run)))
        family.directory(run).finish()
    return family


def trained(family, stage):
    """Return the network that a stage ended with."""
    return load_checkpoint(family.directory(runs_of(family.recipe, stage)[0]).model).network


def changed_parts(before, after):
    """Return the names of the tensors that two networks have in common and differ in."""
    old, new = before.state_dict(), after.state_dict()
    return {name for name in old if name in new and old[name].is_floating_point()
            and not torch.equal(old[name], new[name])}


def test_the_base_trains_everything_even_its_statistics(family):
    run = runs_of(family.recipe, 'base')[0]
    torch.manual_seed(run.recipe.seed)
    start = prepare_network(run, len(LABELS), None).network

    changed = changed_parts(start, trained(family, 'base'))

    assert {name.split('.')[0] for name in changed} == {'stem', 'blocks', 'norm', 'heads'}
    assert any('running_mean' in name for name in changed)


def test_base_temporal_trains_all_but_the_stem_and_no_statistics(family):
    changed = changed_parts(trained(family, 'base'), trained(family, 'base-temporal'))

    assert {name.split('.')[0] for name in changed} == {'blocks', 'norm', 'heads'}
    assert not any('running' in name for name in changed)


@pytest.mark.parametrize('stage', ['delta-weights', 'delta-tune', 'delta-activations'])
def test_a_sub_task_leaves_the_base_as_it_is_bit_for_bit(family, stage):
    base = trained(family, 'base-temporal')

    assert not changed_parts(base, trained(family, stage))


@pytest.mark.parametrize('before, stage', [
    ('delta-weights', 'delta-tune'), ('delta-tune', 'delta-activations')])
def test_a_sub_task_learns_in_linear_layers_of_its_branch_and_in_its_head(family, before, stage):
    changed = changed_parts(trained(family, before), trained(family, stage))

    assert {name.split('.')[0] for name in changed} == {'branches', 'heads'}
    assert all('.attn.' in name or '.mlp.' in name
               for name in changed if name.startswith('branches'))
    assert all('depth' in name for name in changed)


def test_the_statistics_of_a_sub_tasks_head_learn_on_images_and_stay_on_clips(family):
    weights, tune, activations = (
        trained(family, stage) for stage in ('delta-weights', 'delta-tune', 'delta-activations'))

    assert any('running' in name for name in changed_parts(weights, tune))
    assert not any('running' in name for name in changed_parts(tune, activations))


def test_delta_weights_become_sparse_row_by_row(family):
    densities = delta_density(trained(family, 'delta-weights'), 'depth')

    assert all(0 < density.rows < 0.9 for density in densities)


@pytest.mark.parametrize('stage', ['delta-tune', 'delta-activations'])
def test_outside_the_support_no_weight_ever_differs(family, stage):
    learnt, after = trained(family, 'delta-weights'), trained(family, stage)
    moved = 0
    for name, base_name in learnt.counterparts().items():
        base = learnt.get_parameter(base_name)
        support = learnt.get_parameter(name) != base
        found = after.get_parameter(name)
        assert torch.equal(found[~support], base[~support]), name
        moved += int((found != learnt.get_parameter(name)).sum())
    assert moved > 0


def test_all_stages_make_one_model_of_all_tasks(family):
    assert family.is_complete()

    whole = family.assembled()

    assert whole.network.tasks == family.recipe.tasks
    depth = trained(family, 'delta-activations').state_dict()
    for name, value in whole.network.state_dict().items():
        if name.startswith(('branches.depth', 'heads.depth')):
            assert torch.equal(value, depth[name]), name
    assert not changed_parts(trained(family, 'base-temporal'), whole.network)


def test_baselines_have_no_branches(family):
    single, multi = trained(family, 'single-task'), trained(family, 'multi-task')

    assert single.tasks == ('depth',) and multi.tasks == ('semseg', 'depth')
    assert not single.branches and not multi.branches


def test_a_stage_before_which_another_is_missing_says_what_to_train(tmp_path):
    family = Family(toy_recipe(base=image_plan(), delta_weights=image_plan()), tmp_path)
    run = runs_of(family.recipe, 'delta-weights')[0]

    with pytest.raises(TrainingError, match='semseg/base: the stage base of semseg, which '
                                            'delta-weights continues, is not finished; '
                                            r'.*--stage base --task semseg\)'):
        family.start_of(run)
    assert not family.is_complete()
    with pytest.raises(TrainingError, match='the last base stage of semseg is not finished'):
        family.assembled()


def test_a_base_alone_is_no_family():
    assert not Family(toy_recipe(tasks=('semseg',), base=image_plan()), None).is_complete()


def test_a_source_that_is_no_model_is_refused_by_name(tmp_path):
    with pytest.raises(ModelError, match='nothing.safetensors'):
        make_trainer(tmp_path, toy_run('delta-tune', image_plan()),
                     start=tmp_path / 'nothing.safetensors')


@pytest.mark.parametrize('stage, training', [
    ('base', {'stem', 'heads'}), ('base-temporal', set()), ('delta-weights', {'heads'}),
    ('delta-tune', {'heads'}), ('delta-activations', set()), ('single-task', {'stem', 'heads'}),
    ('multi-task', {'stem', 'heads'}),
])
def test_what_does_not_learn_keeps_the_statistics_it_will_run_with(stage, training):
    run = toy_run(stage, PLANS[stage])
    network = prepare_network(run, len(LABELS), None).network

    set_modes(network, run)

    norms = {name for name, module in network.named_modules()
             if isinstance(module, nn.BatchNorm2d) and module.training}
    assert {name.split('.')[0] for name in norms} == training
    assert stage != 'delta-weights' or not any(name.startswith('heads.semseg') for name in norms)


class Listener:
    """An observer that remembers."""

    def __init__(self):
        self.steps, self.validations = [], []

    def step(self, report):
        self.steps.append(report.step)

    def validation(self, step, metrics):
        self.validations.append((step, metrics))


def test_a_session_validates_now_and_then_and_at_the_end(tmp_path):
    pytest.importorskip('tensorboard', reason='the log needs the extra [train]')
    run = toy_run('multi-task', image_plan(steps=5))
    run = replace(run, recipe=replace(run.recipe, validate_every_steps=2))
    trainer, listener = make_trainer(tmp_path, run), Listener()
    recorder = Recorder(trainer.directory)

    metrics = run_training(trainer, lambda: [toy_frame()], [listener, recorder])
    recorder.close()

    assert listener.steps == [0, 1, 2, 3, 4]
    assert [step for step, _ in listener.validations] == [2, 4, 5]
    assert trainer.directory.finished and not (tmp_path / 'state.pt').exists()
    assert json.loads((tmp_path / 'metrics.json').read_text()) == {'step': 5, 'metrics': metrics}
    assert list((tmp_path / 'log').glob('events*'))
