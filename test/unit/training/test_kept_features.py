"""Heads on a frozen backbone: its features are computed once, and only the heads learn."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import TINY
import torch
from toys import LABELS, toy_rooms, train

from mtshare_ros.data.rooms.room_batches import RoomsTrainingSet
from mtshare_ros.errors import ConfigError, DatasetError, TrainingError
from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.network import backbone_digest, build_model, is_backbone
from mtshare_ros.training.kept_features import open_features, PhaseImages
from mtshare_ros.training.objectives import HeadObjective, ImageObjective
from mtshare_ros.training.recipe import Recipe, StageRun
from mtshare_ros.training.run_directory import RunDirectory
from mtshare_ros.training.stage_config import OptimizerConfig, Phase, StagePlan, STAGES
from mtshare_ros.training.trainer import Trainer

TASKS = ('semseg', 'depth', 'normals', 'edge')
HEAD = HeadConfig(taps=(1, 2), channels=8, depth=1, hidden=16)
SHAPE = replace(TINY, stem='patch', patch_size=14, position='absolute', position_grid=(5, 5),
                class_token=True, register_tokens=2, input_size=(42, 56),
                heads={**dict.fromkeys(TASKS, HEAD), 'edge': replace(HEAD, normed=False)})
SMALL, LARGE = Phase((42, 56), 4, 8), Phase((70, 84), 2, 4)
PLAN = StagePlan((SMALL, LARGE), OptimizerConfig(5e-3, warmup_steps=2), rounds=10)


def write_backbone(path, seed=5, **changes):
    """Write a model with the backbone of ``SHAPE`` and a head of its own."""
    shape = replace(SHAPE, heads={}, **changes)
    torch.manual_seed(seed)
    network = build_model(shape, ('depth',), len(LABELS)).eval()
    save_checkpoint(path, network, ModelDescription(
        shape, ('depth',), LABELS, 50.0, (0.3, 8.0), storage='float32'))
    return path


@pytest.fixture(scope='module')
def backbone(tmp_path_factory):
    return write_backbone(tmp_path_factory.mktemp('backbone') / 'tiny.safetensors')


def heads_run(backbone, **values):
    recipe = Recipe(**{'stages': {'heads': PLAN}, 'architecture': SHAPE, 'tasks': TASKS,
                       'initial': str(backbone), 'precision': 'fp32', 'save_every_steps': 9,
                       **values})
    return StageRun(recipe, STAGES['heads'], 'semseg')


class CountedRooms(RoomsTrainingSet):
    """Rooms that count how often they are asked for, and that may break."""

    def __init__(self, broken_from=None):
        super().__init__(toy_rooms())
        self.asked, self._broken_from = 0, broken_from

    def batch(self, *arguments):
        self.asked += 1
        if self._broken_from is not None and self.asked > self._broken_from:
            raise KeyboardInterrupt
        return super().batch(*arguments)


def open_toys(run, folder, rooms=None, factor=1.0):
    images = PhaseImages(rooms or CountedRooms(), factor)
    return open_features(run, folder, lambda phase: images, device='cpu',
                         progress=lambda *told: None)


def describe(run):
    return ModelDescription(run.recipe.architecture, run.tasks, LABELS, 50.0, (0.3, 8.0),
                            storage='float32', depth_scaling='view')


@pytest.fixture(scope='module')
def trained(backbone, tmp_path_factory):
    folder = tmp_path_factory.mktemp('heads')
    run = heads_run(backbone)
    trainer = Trainer(run, describe(run), open_toys(run, folder / 'features'),
                      RunDirectory(folder), device='cpu')
    return train(trainer), trainer, load_checkpoint(folder / 'model.safetensors')


def test_the_heads_learn(trained):
    reports, _, _ = trained

    first, last = reports[:6], reports[-6:]
    for task in TASKS:
        before, after = (np.mean([step.losses[task] for step in steps])
                         for steps in (first, last))
        assert after < 0.8 * before, task


def test_the_backbone_stays_bit_for_bit_and_the_model_names_it(trained, backbone):
    weights, initial = trained[2].network.state_dict(), load_checkpoint(backbone).network

    for name, value in initial.state_dict().items():
        assert torch.equal(weights[name], value) or not is_backbone(name), name
    assert trained[2].description.backbone_sha256 == backbone_digest(initial.state_dict())


def test_what_is_learnt_from_kept_features_is_what_the_images_would_teach(trained, backbone):
    network, rooms = trained[2].network, CountedRooms()
    source = open_toys(trained[1].run, trained[1].directory.path / 'features')
    step = trained[1]._plan.step(0)
    network.requires_grad_(False)
    from_features = HeadObjective(network, TASKS, {}, torch.float32)(
        source.batch(step, list(enumerate(step.indices))), 0.0)

    images = [PhaseImages(rooms, 1.0).one(step.phase, 0, index) for index in step.indices]
    for task in TASKS:
        parts = [ImageObjective(network, (task,), {}, None, torch.float32)(image, 0.0).losses[task]
                 for image in images]
        expected = sum(part.total for part in parts) / sum(part.count for part in parts)
        found = from_features.losses[task]
        assert float(found.total / found.count) == pytest.approx(float(expected), rel=5e-3)


def test_features_are_computed_once_and_what_a_kill_left_stays(backbone, tmp_path):
    run = heads_run(backbone)
    with pytest.raises(KeyboardInterrupt):
        # one look at the first image tells the sizes, then five are kept
        open_toys(run, tmp_path, CountedRooms(broken_from=6))

    rest, again = CountedRooms(), CountedRooms()
    resumed = open_toys(run, tmp_path, rest)
    open_toys(run, tmp_path, again)

    assert rest.asked == 2 + (8 - 5) + 4
    assert again.asked == 2
    whole = open_toys(run, tmp_path / 'whole')
    for phase in PLAN.phases:
        for name, values in whole.sets[phase].arrays.items():
            assert np.array_equal(values, resumed.sets[phase].arrays[name]), name


def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(trained, tmp_path):
    whole, run = trained[1], trained[1].run
    features = whole.directory.path / 'features'

    def part(until):
        trainer = Trainer(run, describe(run), open_toys(run, features), RunDirectory(tmp_path),
                          device='cpu')
        trainer.train(until, lambda report: None)
        return trainer.checkpoint().network.state_dict()

    part(13)
    resumed = part(run.plan.steps)

    for name, value in whole.checkpoint().network.state_dict().items():
        assert torch.equal(value, resumed[name]), name


def test_features_of_another_backbone_are_not_mixed_in(backbone, tmp_path):
    open_toys(heads_run(backbone), tmp_path / 'features')
    other = write_backbone(tmp_path / 'other.safetensors', seed=6)

    with pytest.raises(DatasetError, match='origin .*backbone'):
        open_toys(heads_run(other), tmp_path / 'features')


def test_depths_are_brought_to_the_focal_length_of_the_model(backbone, tmp_path):
    run = heads_run(backbone)
    plain, doubled = (open_toys(run, tmp_path / str(factor), factor=factor).sets[SMALL].arrays
                      for factor in (1.0, 2.0))

    assert np.array_equal(doubled['depth'], 2 * plain['depth'])
    assert np.array_equal(doubled['outputs'], plain['outputs'])


def test_a_backbone_that_the_file_does_not_hold_is_refused(tmp_path):
    shallow = write_backbone(tmp_path / 'shallow.safetensors', depth=1)

    with pytest.raises(TrainingError, match=r'has nothing for blocks\.1\..* and 11 more tensors'):
        open_toys(heads_run(shallow), tmp_path / 'features')


@pytest.mark.parametrize('values, message', [
    ({'initial': ''}, 'initial is .*allowed is the weights of a backbone'),
    ({'architecture': TINY}, 'architecture.stem is .conv.*patch with the stage heads'),
    ({'stages': {'heads': replace(PLAN, phases=(replace(SMALL, downscale=2),))}},
     r'heads: downscale is \[2\]'),
    ({'stages': {'heads': replace(PLAN, phases=(SMALL, SMALL))}}, 'phases that differ'),
    ({'stages': {'multi-task': PLAN}}, 'multi-task: rounds is 10; allowed is 1'),
])
def test_a_recipe_that_cannot_work_is_refused(backbone, values, message):
    with pytest.raises(ConfigError, match=message):
        heads_run(backbone, **values)
