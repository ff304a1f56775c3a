"""Sub-tasks trained one by one on the same base, in one model."""

from dataclasses import replace

from branching import branched, build, DEEP, describe, save
import pytest
import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint
from mtshare_ros.model.deltas import add_random_deltas, delta_density
from mtshare_ros.model.description import default_thresholds
from mtshare_ros.tasks import LabelSet
from mtshare_ros.training.run_directory import assemble


def checkpoint(network, **values):
    return Checkpoint(network, describe(network, **values))


def base_checkpoint(**values):
    return checkpoint(build(('semseg',)), **values)


def sub_checkpoint(base, task, prefix=2, **values):
    """Return what training a sub-task on a base may leave: deltas, and a head of its own."""
    network = branched(prefix, ('semseg', task))
    network.load_state_dict(base.network.state_dict(), strict=False)
    for own, theirs in network.counterparts().items():
        network.get_parameter(own).data.copy_(network.get_parameter(theirs))
    add_random_deltas(network, density=0.1, seed=len(task))
    return checkpoint(network, **values)


def image():
    return torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1)) * 255


@pytest.fixture
def base():
    return base_checkpoint()


def test_every_task_does_what_it_did_alone(base):
    parts = {task: sub_checkpoint(base, task) for task in ('edge', 'depth')}
    together = assemble(base, parts, trained_on='rooms')
    outputs = together.network(image())
    assert torch.equal(outputs['semseg'], base.network(image())['semseg'])
    for task, part in parts.items():
        assert torch.equal(outputs[task], part.network(image())[task])
        assert delta_density(together.network, task) == delta_density(part.network, task)


def test_the_description_joins_those_of_the_parts(base):
    calibrated = {'thresholds': {'semseg': default_thresholds(DEEP)}, 'calibration': 'once'}
    parts = {'edge': sub_checkpoint(base, 'edge', depth_range=(0.2, 5.0), **calibrated),
             'depth': sub_checkpoint(base, 'depth', depth_range=(0.5, 9.0))}
    description = assemble(base, parts, trained_on='rooms').description
    assert description.tasks == ('semseg', 'depth', 'edge')
    assert description.architecture.shared_depth == 2
    assert description.depth_range == (0.2, 9.0)
    assert description.trained_on == 'rooms'
    assert description.thresholds == {} and description.calibration == ''


def test_parts_from_files_make_a_file(tmp_path, base):
    base = load_checkpoint(save(tmp_path / 'base.safetensors', base.network))
    part = sub_checkpoint(base, 'depth')
    part = load_checkpoint(save(tmp_path / 'depth.safetensors', part.network))
    together = assemble(base, {'depth': part})
    path = save(tmp_path / 'model.safetensors', together.network)
    assert torch.equal(load_checkpoint(path).network(image())['depth'],
                       part.network(image())['depth'])


@pytest.mark.parametrize('name', [
    'blocks.0.norm1.weight', 'norm.bias', 'stem.proj.weight', 'heads.semseg.predict.bias',
    'heads.semseg.norm.running_mean'])
def test_a_sub_task_of_another_base_is_refused_by_its_first_tensor(base, name):
    part = sub_checkpoint(base, 'depth')
    with torch.no_grad():
        part.network.state_dict()[name].view(-1)[-1] += 1e-6
    with pytest.raises(ModelError, match=f'depth: {name} differs from that of the base'):
        assemble(base, {'depth': part})


def test_counters_of_training_steps_do_not_matter(base):
    part = sub_checkpoint(base, 'depth')
    part.network.heads['semseg'].norm.num_batches_tracked += 5
    assert assemble(base, {'depth': part}).network.tasks == ('semseg', 'depth')


def test_sub_tasks_with_other_prefixes_are_refused(base):
    parts = {'depth': sub_checkpoint(base, 'depth', prefix=2),
             'edge': sub_checkpoint(base, 'edge', prefix=3)}
    with pytest.raises(ModelError, match='edge: the architecture.*shared_blocks=3.*the others'):
        assemble(base, parts)


@pytest.mark.parametrize('values, text', [
    ({'labels': LabelSet('other', ('a',) * 40, ((0, 0, 0),) * 40)}, 'depth: the labels'),
    ({'focal_length': 500.0}, 'depth: the focal length of its checkpoint is 500.0, .* 110.0')])
def test_other_labels_and_cameras_are_refused(base, values, text):
    with pytest.raises(ModelError, match=text):
        assemble(base, {'depth': sub_checkpoint(base, 'depth', **values)})


def test_another_width_is_refused(base):
    other = build(('semseg', 'depth'), replace(DEEP, embed_dim=64, shared_blocks=2))
    with pytest.raises(ModelError, match='depth: the architecture .*embed_dim=64'):
        assemble(base, {'depth': checkpoint(other)})


def test_a_base_of_its_own_sub_tasks_is_refused(base):
    with pytest.raises(ModelError, match='the base has the tasks semseg, depth'):
        assemble(sub_checkpoint(base, 'depth'), {'edge': sub_checkpoint(base, 'edge')})


def test_no_sub_tasks_are_refused(base):
    with pytest.raises(ModelError, match='there are 0 sub-tasks'):
        assemble(base, {})


@pytest.mark.parametrize('tasks, prefix', [
    (('semseg', 'edge'), 2), (('semseg', 'depth', 'edge'), 2), (('semseg', 'depth'), 4),
    (('depth',), 2)])
def test_a_checkpoint_of_other_tasks_or_without_a_branch_is_refused(base, tasks, prefix):
    with pytest.raises(ModelError, match='depth: its checkpoint has the tasks .*needed are'):
        assemble(base, {'depth': checkpoint(branched(prefix, tasks))})
