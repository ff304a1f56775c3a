"""The shapes of the family: patch sizes, prefix tokens, positions, taps, the image's levels."""

from dataclasses import replace
import math

import pytest
from tiny import TINY
import torch
from torch.nn import functional

from mtshare_ros.config import from_values, to_values
from mtshare_ros.errors import ConfigError
from mtshare_ros.model.architecture import ArchitectureConfig, HeadConfig
from mtshare_ros.model.backbone import AbsolutePosition, rotary_table
from mtshare_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mtshare_ros.model.description import WeightSource
from mtshare_ros.model.network import build_model
from mtshare_ros.tasks import DEFAULT_TASKS

VIT = replace(TINY, stem='patch', position='absolute', patch_size=14, class_token=True,
              register_tokens=2, position_grid=(5, 5), input_size=(56, 84), depth=3,
              heads={'semseg': HeadConfig(taps=(1, 3), hidden=24),
                     'depth': HeadConfig(taps=(2,), normed=False, channels=8)})
CPU = torch.device('cpu')


def build(config=VIT, tasks=DEFAULT_TASKS):
    torch.manual_seed(0)
    return build_model(config, tasks, 40).eval()


@pytest.mark.parametrize('size', [(56, 84), (70, 70), (14, 28)])
def test_patches_of_14_pixels_give_16_pixels_of_raw_output_each(size):
    raw = build()(torch.zeros(1, 3, *size, dtype=torch.uint8))
    assert {tuple(value.shape[2:]) for value in raw.values()} == {
        (size[0] // 14 * 4, size[1] // 14 * 4)}


def test_prefix_tokens_stand_after_the_cells_and_take_part_in_attention():
    network = build()
    image = torch.rand(1, 3, 56, 84) * 255
    before = network(image)['edge']
    embedded = network.embed(network.stem(network.normalize(image)).tokens)
    assert torch.equal(embedded[0, 24:], network.prefix.tokens)
    with torch.no_grad():
        network.prefix.tokens[0] = torch.randn(TINY.embed_dim)
    assert (network(image)['edge'] - before).abs().max() > 1e-4


def test_a_head_reads_the_blocks_it_taps():
    network = build()
    image = torch.rand(1, 3, 56, 84) * 255
    before = network(image)
    with torch.no_grad():
        network.blocks[2].mlp.fc2.bias += 1.0
        network.norm.weight *= 2.0
    changed = {task: not torch.equal(value, before[task])
               for task, value in network(image).items()}
    assert changed == {'semseg': True, 'depth': False, 'normals': True, 'edge': True}


def test_prefix_tokens_do_not_turn():
    table = rotary_table(2, 3, 16, CPU, prefix_tokens=2)
    values = torch.randn(1, 1, 8, 16)
    turned = table.rotate(values)
    assert torch.equal(turned[:, :, 6:], values[:, :, 6:])
    assert not torch.equal(turned[:, :, 1:6], values[:, :, 1:6])


def test_centred_positions_are_those_of_patch_centres_on_a_circle():
    table = rotary_table(4, 1, 4, CPU, centred=True)
    angles = torch.tensor([2 * math.pi * (2 * (row + 0.5) / 4 - 1) for row in range(4)])
    assert torch.allclose(table.cosine[:, 0], angles.cos(), atol=1e-6)


@pytest.mark.parametrize(('name', 'arguments'), [
    ('bicubic', {'mode': 'bicubic'}),
    ('bicubic_antialias', {'mode': 'bicubic', 'antialias': True}),
    ('bilinear_antialias', {'mode': 'bilinear', 'antialias': True}),
])
def test_positions_are_interpolated_as_the_source_of_the_weights_does(name, arguments):
    position = AbsolutePosition((5, 5), 8, name)
    planes = position.table.unflatten(1, (5, 5)).permute(0, 3, 1, 2)
    expected = functional.interpolate(planes, (3, 4), align_corners=False, **arguments)
    assert torch.equal(position((3, 4)), expected.flatten(2).transpose(1, 2))


def test_positions_with_the_offset_are_sampled_by_the_factors():
    position = AbsolutePosition((5, 5), 8, 'bicubic_offset')
    plain = AbsolutePosition((5, 5), 8, 'bicubic')
    plain.load_state_dict(position.state_dict())
    assert position((7, 9)).shape == (1, 63, 8)
    assert 1e-4 < (position((7, 9)) - plain((7, 9))).abs().max() < 0.1


def test_the_image_is_normalised_as_the_configuration_says():
    network = build(replace(VIT, image_mean=(0.0,) * 3, image_std=(255.0,) * 3))
    assert torch.allclose(network.normalize(torch.full((1, 3, 2, 2), 255)), torch.ones(1))


def test_every_layer_norm_has_the_epsilon_of_the_configuration():
    network = build(replace(VIT, norm_eps=1e-5))
    norms = [module.eps for module in network.modules() if isinstance(module, torch.nn.LayerNorm)]
    assert set(norms) == {1e-5}
    assert len(norms) == 7


def test_a_task_worked_out_from_another_has_no_head(tiny_description):
    config = replace(VIT, heads={'normals': HeadConfig(kind='geometry')})
    assert build(config, ('depth', 'normals')).tasks == ('depth',)
    with pytest.raises(ConfigError, match='with a head of its own'):
        build(config, ('normals',))


def test_a_file_brings_shape_heads_sources_and_exact_weights_back(tmp_path, tiny_description):
    description = replace(
        tiny_description, architecture=VIT, storage='float32', backbone_sha256='ab' * 32,
        sources=(WeightSource('dinov2', 'cd' * 32, 'Apache-2.0', ('backbone',)),))
    network = build()
    save_checkpoint(tmp_path / 'a.safetensors', network, description)
    loaded = load_checkpoint(tmp_path / 'a.safetensors')
    assert loaded.description == description
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], value), name


def test_a_configuration_survives_as_plain_values():
    assert from_values(ArchitectureConfig, to_values(VIT), 'here') == VIT


@pytest.mark.parametrize(('change', 'text'), [
    ({'patch_size': 15}, 'patch_size is 15; allowed is one of 14, 16'),
    ({'patch_size': 14, 'stem': 'conv'}, '16 with a convolutional stem'),
    ({'input_size': (64, 64)}, 'multiples of the patch size 14'),
    ({'register_tokens': -1}, 'register_tokens is -1'),
    ({'position_grid': (5,)}, r'position_grid is \[5\]'),
    ({'position_interpolation': 'nearest'}, "position_interpolation is 'nearest'"),
    ({'norm_eps': 0.0}, 'norm_eps is 0.0'),
    ({'image_std': (0.0, 1.0, 1.0)}, 'image_std'),
    ({'image_mean': (math.nan, 1.0, 1.0)}, 'image_mean'),
    ({'heads': {'depth': HeadConfig(taps=(4,))}}, r'heads.depth.taps is \[4\]'),
    ({'class_token': False, 'heads': {'depth': HeadConfig(kind='linear', class_token=True)}},
     'false in a network without a class token'),
])
def test_what_no_network_can_be_built_from_is_refused(change, text):
    with pytest.raises(ConfigError, match=text):
        replace(VIT, **change)


@pytest.mark.parametrize(('values', 'text'), [
    ({'kind': 'mlp'}, "kind is 'mlp'"),
    ({'taps': (3, 1)}, 'ascending'),
    ({'side': 5}, 'side is 5; allowed is one of 4 for a head of kind local'),
    ({'channels': 0}, 'channels is 0'),
    ({'hidden': -1}, 'hidden is -1'),
    ({'encoding': 'feet'}, "encoding is 'feet'"),
    ({'bins': 4}, 'bins is 4; allowed is 0 unless the encoding is metres'),
    ({'encoding': 'metres', 'depth_range': (0.0, 10.0)}, 'for heads of kind linear or dpt'),
    ({'kind': 'linear', 'encoding': 'metres', 'depth_range': (3.0, 1.0)}, 'depth_range'),
    ({'kind': 'dpt'}, 'four blocks'),
    ({'kind': 'dpt', 'taps': (1, 2, 3, 4), 'pyramid': (8, 8)}, 'four widths'),
])
def test_what_no_head_can_be_built_from_is_refused(values, text):
    with pytest.raises(ConfigError, match=text):
        HeadConfig(**values)
