"""Training that starts from weights in a file."""

from dataclasses import replace

from branching import branched, build, DEEP, save
import pytest
from safetensors.torch import save_file
from tiny import TINY
import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.file_paths import share_directory
from mtshare_ros.model.deltas import branch_out, delta_density
from mtshare_ros.training.initial_network import explain, load_initial_weights
from mtshare_ros.training.recipe import load_recipe


def elements(network, task):
    return [entry.elements for entry in delta_density(network, task)]


def weights(network, name):
    return network.state_dict()[name]


def rounded(network, name):
    return weights(network, name).half().float()


PIXELS = {'patch_embed.proj.weight': torch.zeros(32, 3, 16, 16),
          'patch_embed.proj.bias': torch.zeros(32), 'pos_embed': torch.zeros(1, 49, 32)}
"""The way from pixels to tokens in public files, which a convolutional stem is not."""


def test_timm_weights_fill_what_matches_and_list_what_does_not(tmp_path):
    network = build(('depth',), TINY)
    tensors = {name: torch.full_like(value, 0.5) for name, value in network.state_dict().items()
               if name.startswith(('blocks.', 'norm.'))}
    tensors |= {'cls_token': torch.zeros(1, 1, 32), 'head.weight': torch.zeros(10, 32), **PIXELS}
    path = tmp_path / 'timm.safetensors'
    save_file(tensors, path, metadata={'format': 'pt'})
    report = load_initial_weights(network, path)
    assert set(report.left_out) == {
        'stem.proj.weight', 'stem.proj.bias', 'position.table', 'prefix.tokens', 'head.weight'}
    assert (network.blocks[1].mlp.fc1.weight == 0.5).all()


def test_a_timm_file_of_another_width_is_refused(tmp_path):
    path = tmp_path / 'wide.safetensors'
    save_file({'norm.weight': torch.zeros(999)}, path)
    with pytest.raises(ModelError, match='none of its 1 tensors fits'):
        load_initial_weights(build(('depth',), TINY), path)


def test_timm_weights_start_every_branch_with_the_base_tasks_blocks(tmp_path):
    source, path = build(), tmp_path / 'timm.safetensors'
    save_file({**PIXELS, **{name: value for name, value in source.state_dict().items()
                             if name.startswith(('blocks.', 'norm.'))}}, path)
    network = branched(2, density=0.3)
    load_initial_weights(network, path)
    assert torch.equal(network.blocks[3].attn.qkv.weight, source.blocks[3].attn.qkv.weight)
    assert elements(network, 'depth') == [0, 0]


def test_a_checkpoint_gives_the_tasks_that_the_network_has(tmp_path):
    source = branched(2, density=0.3)
    path = save(tmp_path / 'model.safetensors', source)
    network = branch_out(build(('semseg', 'edge'), seed=5), 2)
    report = load_initial_weights(network, path)
    for name in ('stem.proj.weight', 'blocks.3.attn.qkv.weight', 'heads.edge.predict.weight',
                 'branches.edge.blocks.1.mlp.fc1.weight'):
        assert torch.equal(weights(network, name), rounded(source, name)), name
    assert len(report.loaded) == sum(
        value.is_floating_point() for value in network.state_dict().values())
    assert {name.split('.')[1] for name in report.left_out} == {'depth', 'normals'}


def test_a_sub_task_the_checkpoint_lacks_begins_equal_to_the_base(tmp_path):
    path = save(tmp_path / 'base.safetensors', build(('semseg',)))
    network = branch_out(build(('semseg', 'depth'), seed=5), 1)
    report = load_initial_weights(network, path)
    assert elements(network, 'depth') == [0, 0, 0]
    assert report.left_out == ()


@pytest.mark.parametrize('prefix, shares', [(0, [0, 0, 0.3, 0.3]), (2, [0.3, 0.3]), (3, [0.3])])
def test_blocks_of_a_sub_task_find_their_number(tmp_path, prefix, shares):
    source = branched(2, density=0.3)
    network = branch_out(build(seed=5), prefix)
    report = load_initial_weights(network, save(tmp_path / 'model.safetensors', source))
    assert elements(network, 'depth') == pytest.approx(shares, abs=0.02)
    last = f'branches.depth.blocks.{3 - prefix}.mlp.fc1.weight'
    assert torch.equal(weights(network, last),
                       rounded(source, 'branches.depth.blocks.1.mlp.fc1.weight'))
    assert any(name.startswith('branches.depth.blocks.0.') for name in report.left_out) is (
        prefix == 3)


def test_a_network_that_shares_every_block_leaves_all_branches_out(tmp_path):
    path = save(tmp_path / 'model.safetensors', branched(2, density=0.3))
    report = load_initial_weights(build(seed=5), path)
    assert report.left_out and all(name.startswith('branches.') for name in report.left_out)


def test_a_single_task_starts_from_the_base_tasks_encoder(tmp_path):
    source = branched(2, density=0.3)
    network = build(('depth',), DEEP, seed=5)
    load_initial_weights(network, save(tmp_path / 'model.safetensors', source))
    name = 'blocks.3.mlp.fc1.weight'
    assert torch.equal(weights(network, name), rounded(source, name))


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / 'bad.safetensors'
    path.write_bytes(b'x' * 100)
    with pytest.raises(ModelError, match='bad.safetensors: not a readable safetensors file'):
        load_initial_weights(build(), path)


def test_what_a_timm_file_is_read_for_and_what_is_left_out_is_said_with_what_it_means(tmp_path):
    network = build(('semseg',), replace(TINY, stem='patch', num_heads=1))
    tensors = {name.replace('stem.', 'patch_embed.'): value.clone()
               for name, value in network.state_dict().items()
               if name.startswith(('blocks.', 'norm.', 'stem.'))}
    path, read = tmp_path / 'timm.safetensors', len(tensors)
    save_file({**tensors, 'pos_embed': torch.zeros(1, 50, 32), 'cls_token': torch.zeros(1, 1, 32),
               'mask_token': torch.zeros(1, 32), 'blocks.0.attn.q_norm.weight': torch.zeros(32),
               'head.weight': torch.zeros(10, 32)}, path)

    lines = explain(load_initial_weights(network, path), 'timm.safetensors').splitlines()

    assert lines[0] == f'timm.safetensors: {read} of {read + 5} tensors were read'
    for expected in ('position.table: learnt positions', 'prefix.tokens: class and register',
                     'mask_token: the token of hidden patches', 'head.weight: the classifier',
                     'blocks.0.attn.q_norm.weight: norms of queries'):
        assert sum(line.startswith(f'  left out: {expected}') for line in lines) == 1, expected
    assert lines[-2:] == [
        '  starts from random weights: heads.semseg',
        '  differs: architecture.position is rope, that of the source absolute']


def test_a_file_that_fills_the_network_is_said_to(tmp_path):
    network = build(('semseg',))
    report = load_initial_weights(network, save(tmp_path / 'base.safetensors', network))
    assert explain(report, 'base').endswith('tensors were read, which is all of the network')


@pytest.mark.parametrize(('name', 'width', 'positions'), [
    ('nyud', 768, 14), ('pascal', 768, 14), ('nyud_dinov2', 384, 37)])
def test_the_recipes_of_the_literature_read_all_of_the_encoder_they_start_from(
        tmp_path, name, width, positions):
    recipe = load_recipe(share_directory() / f'config/train/{name}.yaml')
    config = replace(recipe.architecture, depth=1, shared_blocks=0, heads={})
    network = build(recipe.tasks, config)
    tensors = {key.replace('stem.', 'patch_embed.'): torch.rand_like(value)
               for key, value in network.state_dict().items()
               if key.startswith(('blocks.', 'norm.', 'stem.'))}
    save_file({**tensors, 'pos_embed': torch.rand(1, 1 + positions ** 2, width),
               'cls_token': torch.rand(1, 1, width), 'mask_token': torch.zeros(1, 1, width)},
              tmp_path / 'vit.safetensors')

    report = load_initial_weights(network, tmp_path / 'vit.safetensors')

    assert report.left_out == ('mask_token',) and not report.notes
    assert all(key.startswith('heads.') for key in report.random)
