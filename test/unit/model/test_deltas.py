"""The shared prefix, the branches above it and their delta weights."""

from dataclasses import replace

import pytest
from tiny import TINY
import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mtshare_ros.model.deltas import add_random_deltas, branch_out, delta_density
from mtshare_ros.model.network import build_model, fuse_batch_norm
from mtshare_ros.tasks import DEFAULT_TASKS

DEEP = replace(TINY, depth=4)
IMAGE_SIZE = (1, 3, 96, 128)


def build(config=DEEP, tasks=DEFAULT_TASKS):
    torch.manual_seed(0)
    return build_model(config, tasks, 40).eval()


def branched(prefix=2, **deltas):
    network = branch_out(build(), prefix)
    if deltas:
        add_random_deltas(network, **deltas)
    return network


def image():
    return torch.rand(IMAGE_SIZE, generator=torch.Generator().manual_seed(1)) * 255


def outputs_equal(first, second):
    return {name: torch.equal(value, second[name]) for name, value in first.items()}


@pytest.mark.parametrize('shared_blocks, prefix', [(-1, 4), (0, 0), (3, 3), (4, 4)])
def test_the_prefix_counts_the_shared_blocks(shared_blocks, prefix):
    assert replace(DEEP, shared_blocks=shared_blocks).shared_depth == prefix


@pytest.mark.parametrize('shared_blocks', [-2, 5])
def test_more_shared_blocks_than_there_are_is_refused(shared_blocks):
    with pytest.raises(ConfigError, match='shared_blocks is .*-1 .all blocks. or 0 to depth = 4'):
        replace(DEEP, shared_blocks=shared_blocks)


def test_shared_blocks_are_all_by_default():
    assert ArchitectureConfig().shared_depth == ArchitectureConfig().depth


def test_without_own_blocks_there_are_no_branches():
    network = build()
    assert not network.branches
    assert network.own_blocks('depth') == []
    assert network.final_norm('depth') is network.norm


def test_a_network_without_tasks_is_refused():
    with pytest.raises(ConfigError, match='tasks is .*at least one of semseg'):
        build(tasks=())


@pytest.mark.parametrize('tasks, base', [
    (('edge', 'semseg'), 'semseg'), (('edge', 'depth'), 'depth')])
def test_the_base_task_is_the_first_the_network_has(tasks, base):
    assert build(tasks=tasks).base_task == base


def test_the_base_task_keeps_its_names_and_sub_tasks_have_branches():
    network = build(replace(DEEP, shared_blocks=3))
    names = set(network.state_dict())
    assert 'blocks.3.attn.qkv.weight' in names
    assert 'branches.depth.blocks.0.attn.qkv.weight' in names
    assert 'branches.depth.norm.weight' in names
    assert not any(name.startswith('branches.semseg') for name in names)
    assert not any(name.startswith('branches.depth.blocks.1') for name in names)


@pytest.mark.parametrize('prefix', [0, 2, 3, 4])
def test_branching_out_keeps_the_function(prefix):
    network = build()
    assert all(outputs_equal(network(image()), branch_out(network, prefix)(image())).values())


def test_branching_out_again_keeps_the_deltas():
    network = branched(3, density=0.5)
    again = branch_out(network, 1)
    assert all(outputs_equal(network(image()), again(image())).values())
    assert [entry.rows for entry in delta_density(again, 'depth')] == [
        0, 0, delta_density(network, 'depth')[0].rows]


def test_a_branched_network_shares_no_weights_with_the_first():
    network = build()
    other = branch_out(network, 2)
    with torch.no_grad():
        other.blocks[0].mlp.fc1.weight.zero_()
        other.branches['depth'].blocks[0].mlp.fc1.weight.zero_()
    assert network.blocks[0].mlp.fc1.weight.abs().sum() > 0
    assert network.blocks[2].mlp.fc1.weight.abs().sum() > 0


def test_separate_blocks_cannot_be_shared_again():
    with pytest.raises(ConfigError, match='prefix is 3; allowed is 0 to 2'):
        branch_out(branched(2), 3)


def test_branching_out_keeps_the_mode_of_the_network():
    assert branch_out(build().train(), 2).branches['depth'].training
    assert not branch_out(build(), 2).branches['depth'].training


def test_deltas_change_the_sub_tasks_and_not_the_base_task():
    plain, changed = branched(), branched(density=0.1)
    equal = outputs_equal(plain(image()), changed(image()))
    assert equal == {'semseg': True, 'depth': False, 'normals': False, 'edge': False}


def test_a_single_task_comes_out_as_among_all():
    network = branched(density=0.3)
    together = network(image())
    for task in network.tasks:
        alone = network(image(), [task])[task]
        assert torch.allclose(alone, together[task], atol=1e-6)


def test_every_task_runs_the_shared_blocks_once():
    network = branched()
    calls = []
    for block in network.blocks:
        block.register_forward_hook(lambda module, *_: calls.append(module))
    network(image(), ['depth', 'edge'])
    assert calls == list(network.blocks)[:2]


@pytest.mark.parametrize('density', [0.0, 0.25, 1.0])
def test_row_deltas_have_the_asked_density(density):
    for entry in delta_density(branched(density=density), 'normals'):
        assert entry.rows == pytest.approx(density, abs=0.01)
        assert entry.elements == pytest.approx(density, abs=0.01)


def test_element_deltas_touch_every_row_at_a_density_of_a_quarter():
    for entry in delta_density(branched(density=0.25, granularity='element'), 'edge'):
        assert entry.elements == pytest.approx(0.25, abs=0.01)
        assert entry.rows > 0.99


def test_the_base_task_has_no_deltas():
    network = branched(density=0.5)
    assert [entry.elements for entry in delta_density(network, 'semseg')] == [0, 0]


def test_deltas_leave_biases_and_norms_alone():
    plain, changed = branched(), branched(density=1.0)
    before = dict(plain.named_parameters())
    different = {name for name, value in changed.named_parameters()
                 if not torch.equal(value, before[name])}
    assert different
    linear = ('qkv.weight', 'proj.weight', 'fc1.weight', 'fc2.weight')
    assert all(name.startswith('branches.') and name.endswith(linear) for name in different)


def test_deltas_are_relative_to_the_spread_of_the_weight():
    plain, changed = branched(), branched(density=1.0, scale=0.5)
    before = plain.branches['depth'].blocks[0].mlp.fc1.weight
    after = changed.branches['depth'].blocks[0].mlp.fc1.weight
    assert ((after - before).std() / before.std()).item() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize('seed, equal', [(3, True), (4, False)])
def test_the_seed_decides_the_deltas(seed, equal):
    first = branched(density=0.3, seed=3).branches['depth'].blocks[1].attn.qkv.weight
    second = branched(density=0.3, seed=seed).branches['depth'].blocks[1].attn.qkv.weight
    assert torch.equal(first, second) is equal


def test_deltas_of_two_tasks_differ():
    branches = branched(density=0.3).branches
    assert not torch.equal(branches['depth'].blocks[0].mlp.fc1.weight,
                           branches['edge'].blocks[0].mlp.fc1.weight)


def test_deltas_need_branches():
    with pytest.raises(ConfigError, match='shares all 4 blocks.*call branch_out first'):
        add_random_deltas(build(), density=0.1)


@pytest.mark.parametrize('values, text', [
    ({'density': 1.5}, 'density is 1.5; allowed is 0 to 1'),
    ({'density': 0.5, 'granularity': 'block'}, "granularity is 'block'; allowed is one of row"),
])
def test_deltas_out_of_range_are_refused(values, text):
    with pytest.raises(ConfigError, match=text):
        branched(**values)


def test_folding_batch_norm_keeps_the_branches():
    network = branched(density=0.3)
    for name, value in network(image()).items():
        assert torch.allclose(value, fuse_batch_norm(network)(image())[name], atol=1e-4)


def test_branches_come_back_from_a_file(tmp_path, tiny_description):
    network = branched(density=0.3)
    path = tmp_path / 'branched.safetensors'
    save_checkpoint(path, network, replace(tiny_description, architecture=network.config))
    loaded = load_checkpoint(path).network
    assert loaded.config.shared_depth == 2
    own = loaded.branches['depth'].blocks[1].mlp.fc2.weight
    assert torch.allclose(own, network.branches['depth'].blocks[1].mlp.fc2.weight, atol=1e-3)


def test_storing_makes_no_row_a_delta_that_was_none(tmp_path, tiny_description):
    network = branched(density=0.25)
    path = tmp_path / 'branched.safetensors'
    save_checkpoint(path, network, replace(tiny_description, architecture=network.config))
    rows = [entry.rows for entry in delta_density(load_checkpoint(path).network, 'depth')]
    assert rows == [entry.rows for entry in delta_density(network, 'depth')]
