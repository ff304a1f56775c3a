"""Recipes: which runs they mean, and what they refuse."""

from dataclasses import replace
from pathlib import Path

import pytest
from toys import clip_plan, image_plan, SHAPE, toy_recipe
import yaml

from mtshare_ros.config import override
from mtshare_ros.errors import ConfigError
from mtshare_ros.training.recipe import load_recipe, Recipe, runs_of, StageRun
from mtshare_ros.training.stage_config import DataConfig, LossConfig, Phase, StagePlan, STAGES

SHIPPED = Path(__file__).parents[3] / 'config/train'
EVERYTHING = {'base': image_plan(), 'base_temporal': clip_plan(), 'delta_weights': image_plan(),
              'delta_tune': image_plan(), 'delta_activations': clip_plan(),
              'single_task': image_plan(), 'multi_task': image_plan()}
THREE = ('semseg', 'depth', 'edge')


def folders(*arguments):
    return [run.folder for run in runs_of(*arguments)]


@pytest.fixture
def recipe():
    return toy_recipe(tasks=THREE, **EVERYTHING)


def test_everything_is_the_base_then_each_sub_task_then_the_baselines(recipe):
    assert folders(recipe, 'all') == [
        'semseg/base', 'semseg/base-temporal',
        'depth/delta-weights', 'depth/delta-tune', 'depth/delta-activations',
        'edge/delta-weights', 'edge/delta-tune', 'edge/delta-activations',
        'depth/single-task', 'edge/single-task', 'multi-task']


def test_a_stage_means_its_runs_of_all_tasks_and_a_task_its_runs_of_all_stages(recipe):
    assert folders(recipe, 'delta-tune') == ['depth/delta-tune', 'edge/delta-tune']
    assert folders(recipe, 'delta-tune', 'edge') == ['edge/delta-tune']
    assert folders(recipe, 'all', 'semseg') == [
        'semseg/base', 'semseg/base-temporal', 'multi-task']


@pytest.mark.parametrize('stage, task, message', [
    ('warm-up', '', "stage is 'warm-up'; allowed is all or any of base, base-temporal"),
    ('base', 'normals', "task is 'normals'; allowed is any of semseg, depth, edge"),
    ('base', 'depth', "task is 'depth'; allowed is a task that the stage base trains"),
])
def test_a_run_that_does_not_exist_is_refused(recipe, stage, task, message):
    with pytest.raises(ConfigError, match=message):
        runs_of(recipe, stage, task)


def test_a_stage_goes_on_from_the_last_one_that_the_recipe_has():
    def source_of(stage, *others):
        recipe = toy_recipe(**{name: EVERYTHING[name] for name in (stage, *others)})
        return StageRun(recipe, STAGES[stage.replace('_', '-')], 'depth').source

    assert source_of('delta_weights', 'base', 'base_temporal').folder == 'semseg/base-temporal'
    assert source_of('delta_weights', 'base').folder == 'semseg/base'
    assert source_of('delta_activations', 'base', 'delta_weights').folder == 'depth/delta-weights'
    assert source_of('delta_weights') is source_of('single_task', 'base') is None


def test_images_are_counted_through_all_stages_and_clips_twice(recipe):
    activations = StageRun(recipe, STAGES['delta-activations'], 'depth')

    # 8 steps of 4 images, 4 steps of 2 clips
    assert activations.images == 16
    assert activations.images_in_all == 32 + 16 + 32 + 32 + 16


def test_what_decides_a_runs_result_is_its_own_line_of_stages(recipe):
    tune = StageRun(recipe, STAGES['delta-tune'], 'depth').described()

    assert sorted(tune.recipe.stages) == ['base', 'base-temporal', 'delta-tune', 'delta-weights']


@pytest.mark.parametrize('name', [path.name for path in SHIPPED.glob('*.yaml')])
def test_every_shipped_recipe_can_be_read(name):
    recipe = load_recipe(SHIPPED / name)

    assert runs_of(recipe, 'all')


def test_the_networks_of_the_shipped_model_are_equally_trained():
    recipe = load_recipe(SHIPPED / 'rooms.yaml')
    seen = {run.folder: run.images_in_all for run in runs_of(recipe, 'all')}

    assert seen['depth/delta-activations'] == seen['depth/single-task'] == seen['multi-task']


@pytest.mark.parametrize('values, message', [
    ({'stages': {'warm-up': image_plan()}}, "stages is 'warm-up'; allowed is any of base, "),
    ({'tasks': ('semseg', 'smell')}, "unknown task 'smell'"),
    ({'losses': {'edge': LossConfig()}}, "losses is 'edge'; allowed is any of semseg, depth"),
    ({'losses': {'depth': LossConfig('l3')}}, r"losses\.depth\.loss is 'l3'"),
    ({'precision': 'fp16'}, "precision is 'fp16'; allowed is one of auto, fp32, bf16"),
    ({'architecture': replace(SHAPE, shared_blocks=-1)},
     'shared_blocks is -1; allowed is 0 to 1 with the stage delta-tune'),
    ({'data': DataConfig(height=96, width=96)},
     r'delta-tune: input_size is \[48, 64\]; allowed is up to .* \[48, 48\] when shrunk'),
])
def test_a_recipe_that_cannot_work_is_refused_before_anything_is_made(values, message):
    with pytest.raises(ConfigError, match=message):
        replace(toy_recipe(delta_tune=image_plan()), **values)


def test_clips_are_not_shrunk():
    with pytest.raises(ConfigError, match='base-temporal: downscale is 2; allowed is 1'):
        toy_recipe(base_temporal=StagePlan((Phase((48, 64), 2, 8, 2),)))


def test_a_file_gives_what_the_dataclasses_hold(tmp_path):
    (tmp_path / 'a.yaml').write_text(yaml.safe_dump({
        'tasks': ['depth', 'semseg'], 'losses': {'depth': {'loss': 'berhu'}},
        'stages': {'base': {'phases': [{'input_size': [48, 64], 'batch_size': 2, 'images': 8}],
                            'optimizer': {'learning_rate': 1}}}}))

    recipe = load_recipe(tmp_path / 'a.yaml')

    assert recipe == Recipe(
        {'base': replace(recipe.stages['base'], phases=(Phase((48, 64), 2, 8),))},
        losses={'depth': LossConfig('berhu')}, tasks=('semseg', 'depth'))
    assert recipe.base_task == 'semseg' and recipe.stages['base'].optimizer.learning_rate == 1.0


@pytest.mark.parametrize('text, message', [
    ('epochs: 3', "unknown key 'epochs'; allowed are stages, "),
    ('stages: {base: {}}', "stages.base: the key 'phases' is missing"),
    ('stages: {base: {phases: [{input_size: [48, 60], batch_size: 2, images: 8}]}}',
     'both positive multiples of the patch size 14 or 16'),
    ('stages: {base: {phases: []}, tune: 3}', 'a.yaml: stages'),
])
def test_a_wrong_key_or_value_is_named_with_its_file(tmp_path, text, message):
    (tmp_path / 'a.yaml').write_text(text)

    with pytest.raises(ConfigError, match=message) as caught:
        load_recipe(tmp_path / 'a.yaml')

    assert str(tmp_path / 'a.yaml') in str(caught.value)


def test_a_value_of_one_stage_can_be_set(recipe):
    changed = override(recipe, ['stages.base.optimizer.learning_rate=0.05'])

    assert changed.stages['base'].optimizer.learning_rate == 0.05
    assert changed.stages['delta-tune'] == recipe.stages['delta-tune']


def test_a_stage_that_is_not_there_cannot_be_set():
    with pytest.raises(ConfigError, match="'delta-tune' holds no value to change.*base"):
        override(toy_recipe(base=image_plan()), ['stages.delta-tune.optimizer.schedule=cosine'])
