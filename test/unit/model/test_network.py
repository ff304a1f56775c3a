"""The dense network."""

from dataclasses import replace

import pytest
from tiny import TINY
import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.model.architecture import ARCHITECTURES
from mtshare_ros.model.backbone import rotary_table
from mtshare_ros.model.heads import HeadInput
from mtshare_ros.model.network import build_model, fuse_batch_norm
from mtshare_ros.tasks import DEFAULT_TASKS


def build(config=TINY, tasks=DEFAULT_TASKS):
    torch.manual_seed(0)
    return build_model(config, tasks, 40).eval()


@pytest.mark.parametrize('stem', ['conv', 'patch'])
@pytest.mark.parametrize('position', ['rope', 'absolute'])
@pytest.mark.parametrize('size', [(96, 128), (64, 160)])
def test_every_task_comes_out_at_a_quarter_of_any_input_size(stem, position, size):
    network = build(replace(TINY, stem=stem, position=position))
    raw = network(torch.zeros(2, 3, *size, dtype=torch.uint8))
    channels = {'semseg': 40, 'depth': 1, 'normals': 3, 'edge': 1}
    assert {name: tuple(value.shape) for name, value in raw.items()} == {
        name: (2, count, size[0] // 4, size[1] // 4) for name, count in channels.items()}


def test_only_the_asked_tasks_are_computed():
    raw = build()(torch.zeros(1, 3, 96, 128), ['depth'])
    assert list(raw) == ['depth']


def test_a_task_the_model_lacks_is_refused():
    with pytest.raises(ConfigError, match="no task 'edge'"):
        build(tasks=('depth',))(torch.zeros(1, 3, 96, 128), ['edge'])


def test_an_unknown_task_lists_the_known_ones():
    with pytest.raises(ConfigError, match='semseg, depth, normals, edge'):
        build(tasks=('flow',))


def test_weights_are_named_as_in_timm():
    names = set(build().state_dict())
    assert {f'blocks.0.{name}' for name in (
        'norm1.weight', 'attn.qkv.weight', 'attn.qkv.bias', 'attn.proj.weight', 'norm2.bias',
        'mlp.fc1.weight', 'mlp.fc2.bias')} <= names
    assert {'norm.weight', 'norm.bias'} <= names


def test_folding_batch_norm_changes_nothing_but_the_time():
    network = build()
    for name, value in network.named_buffers():
        if 'running' in name:
            value.uniform_(0.5, 2.0)
    image = torch.rand(1, 3, 96, 128) * 255
    fused = fuse_batch_norm(network)
    left = [name for name, module in fused.named_modules()
            if isinstance(module, torch.nn.BatchNorm2d)]
    assert left == [f'heads.{name}.norm' for name in network.tasks]  # no convolution before it
    for name, value in network(image).items():
        assert torch.allclose(value, fused(image)[name], atol=1e-4)


def test_rotary_attention_depends_on_differences_of_positions_only():
    table = rotary_table(6, 8, 16, torch.device('cpu'))
    query, key = torch.randn(2, 16)
    turned = table.rotate(query.expand(1, 1, 48, 16))[0, 0].unflatten(0, (6, 8))
    other = table.rotate(key.expand(1, 1, 48, 16))[0, 0].unflatten(0, (6, 8))
    here = turned[1, 2] @ other[3, 5]
    moved = turned[2, 4] @ other[4, 7]
    assert torch.allclose(here, moved, atol=1e-4)
    assert not torch.allclose(here, turned[1, 2] @ other[3, 6], atol=1e-2)


def test_a_table_made_in_inference_mode_serves_training_too():
    device = torch.device('cpu')
    with torch.inference_mode():
        rotary_table(3, 5, 16, device)
    query = torch.randn(1, 1, 15, 16, requires_grad=True)
    rotary_table(3, 5, 16, device).rotate(query).sum().backward()
    assert query.grad is not None


@pytest.mark.parametrize('name, millions', [('vit_t', 6.5), ('vit_s', 23.5), ('vit_b', 90)])
def test_the_named_architectures_have_their_size(name, millions):
    count = sum(value.numel() for value in build(ARCHITECTURES[name]).parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.05)


def changed_cells(first, second):
    """Return the (rows, columns) that differ between (1, C, H, W) maps."""
    return {tuple(cell) for cell in (first != second).any(dim=1)[0].nonzero().tolist()}


def test_a_patch_of_pixels_reaches_its_own_token_and_the_next_ones_only():
    stem = build().stem
    image = torch.rand(1, 3, 96, 128)
    other = image.clone()
    other[:, :, 48:64, 64:80] += 1.0  # the patch of token (3, 4)
    cells = changed_cells(stem(image).tokens, stem(other).tokens)
    assert cells == {(row, column) for row in (3, 4) for column in (4, 5)}


def test_a_token_reaches_the_maps_of_its_neighbours_only():
    network = build()
    features = network.stem(torch.rand(1, 3, 96, 128))
    other = features.tokens.clone()
    other[:, :, 3, 4] += 1.0
    head = network.heads['depth']
    cells = changed_cells(head(HeadInput((features.tokens,), (), features)),
                          head(HeadInput((other,), (), features)))
    tokens = {(row // 4, column // 4) for row, column in cells}
    assert (3, 4) in tokens
    assert tokens <= {(row, column) for row in (2, 3, 4) for column in (3, 4, 5)}
