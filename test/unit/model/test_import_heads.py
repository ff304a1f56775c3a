"""Heads of public models give here what they give in the library of their authors."""

from dataclasses import replace
import re

from public_models import (
    an_image,
    depth_anything,
    dinov2,
    distance,
    IMAGENET,
    normalised,
    saved,
    SMALL_VIT,
    tips,
    UNIT,
    write_linear_head,
)
import pytest
from safetensors.torch import load_file, save_file
import torch
from torch.nn import functional

from mtshare_ros.errors import ModelError
from mtshare_ros.model.importing.combination import combine_sources, ImportOptions
from mtshare_ros.model.importing.source import open_source

pytest.importorskip('transformers')

OPTIONS = ImportOptions(input_size=(112, 112))
SMALL_TAPS = (3, 6, 9, 12)
METRIC = {'depth_estimation_type': 'metric', 'max_depth': 20}


def imported(*paths, options=OPTIONS):
    return combine_sources([open_source(path) for path in paths], options).checkpoint


@torch.no_grad()
def raw(checkpoint, image):
    return checkpoint.network(image)


@torch.no_grad()
def theirs(model, image, mean_and_std=IMAGENET):
    return model(normalised(image, mean_and_std))


@pytest.mark.parametrize('settings', [{}, METRIC])
def test_depth_anything(tmp_path, settings):
    model = depth_anything(**settings)
    checkpoint = imported(saved(model, tmp_path / 'depth'))
    for size in ((112, 112), (70, 126), (168, 98)):
        image = an_image(*size)
        expected = theirs(model, image).predicted_depth[:, None]
        assert distance(raw(checkpoint, image)['depth'], expected) < 1e-4, size


def test_depth_anything_reads_the_blocks_its_configuration_names(tmp_path):
    vit = {'hidden_size': 64, 'num_hidden_layers': 6, 'num_attention_heads': 2}
    model = depth_anything(vit, taps=(2, 3, 5, 6))
    checkpoint = imported(saved(model, tmp_path / 'depth'))
    image = an_image(84, 98)
    expected = theirs(model, image).predicted_depth[:, None]
    assert distance(raw(checkpoint, image)['depth'], expected) < 1e-4
    assert checkpoint.description.architecture.heads['depth'].taps == (2, 3, 5, 6)


TO_ORIGINAL = (
    (r'neck.reassemble_stage.layers.(\d).projection', 'depth_head.projects.{}', 0),
    (r'neck.reassemble_stage.layers.(\d).resize', 'depth_head.resize_layers.{}', 0),
    (r'neck.convs.(\d)', 'depth_head.scratch.layer{}_rn', 1),
    (r'neck.fusion_stage.layers.(\d).projection', 'depth_head.scratch.refinenet{}.out_conv', -4),
    *((rf'neck.fusion_stage.layers.(\d).residual_layer{unit}.convolution{layer}',
       f'depth_head.scratch.refinenet{{}}.resConfUnit{unit}.conv{layer}', -4)
      for unit in (1, 2) for layer in (1, 2)),
    ('head.conv(1)', 'depth_head.scratch.output_conv{}', 0),
    ('head.conv(2)', 'depth_head.scratch.output_conv2.{}', -2),
    ('head.conv(3)', 'depth_head.scratch.output_conv2.{}', -5))
"""Names of the authors' files by Hugging Face's; a negative offset counts down from there."""
TO_META = (
    ('backbone.embeddings.patch_embeddings.projection', 'pretrained.patch_embed.proj'),
    ('backbone.embeddings.position_embeddings', 'pretrained.pos_embed'),
    ('backbone.embeddings.', 'pretrained.'), ('backbone.layernorm', 'pretrained.norm'),
    ('backbone.encoder.layer', 'pretrained.blocks'), ('attention.output.dense', 'attn.proj'),
    ('layer_scale1.lambda1', 'ls1.gamma'), ('layer_scale2.lambda1', 'ls2.gamma'))


def as_published(model, folder, name):
    """Write a Depth Anything as its authors do, and return the path."""
    found = {}
    for key, value in load_file(saved(model, folder / 'hf') / 'model.safetensors').items():
        for pattern, target, offset in TO_ORIGINAL:
            match = re.match(pattern, key)
            if match:
                number = int(match[1]) + offset if offset >= 0 else -offset - int(match[1])
                key = target.format(number) + key[match.end():]
                break
        for old, new in TO_META:
            key = key.replace(old, new)
        found[key] = value
    save_file(found, folder / name)
    return folder / name


@pytest.mark.parametrize('name, taps, settings', [
    ('depth_anything_v2_vits', SMALL_TAPS, {}),
    ('depth_anything_v2_metric_hypersim_vits', SMALL_TAPS, METRIC),
    ('depth_anything_vits14', (9, 10, 11, 12), {})])
def test_depth_anything_as_its_authors_publish_it(tmp_path, name, taps, settings):
    vit = {'hidden_size': 64, 'num_hidden_layers': 12, 'num_attention_heads': 1}
    model = depth_anything(vit, taps, **settings)
    checkpoint = imported(as_published(model, tmp_path, f'{name}.safetensors'))
    shape, image = checkpoint.description.architecture, an_image(112, 112)
    expected = theirs(model, image).predicted_depth[:, None]
    assert distance(raw(checkpoint, image)['depth'], expected) < 1e-4
    assert shape.position_interpolation == 'bicubic_offset'


def test_a_depth_anything_without_its_name_is_refused(tmp_path):
    vit = {'hidden_size': 64, 'num_hidden_layers': 12, 'num_attention_heads': 1}
    path = as_published(depth_anything(vit, SMALL_TAPS), tmp_path, 'model_of_mine.safetensors')
    with pytest.raises(ModelError, match='version 1 or 2 of Depth Anything'):
        imported(path)


def tips_outputs(model, image):
    found = theirs(model, image, UNIT)
    return {'semseg': found.segmentation_logits, 'depth': found.predicted_depth[:, None],
            'normals': found.normals}


def test_tips(tmp_path):
    model = tips()
    checkpoint = imported(saved(model, tmp_path / 'tips'))
    for size in ((112, 112), (84, 140), (168, 112)):
        image = an_image(*size)
        found = raw(checkpoint, image)
        for task, expected in tips_outputs(model, image).items():
            assert distance(found[task], expected) < 1e-4, (task, size)


def test_tips_on_an_odd_number_of_cells_covers_just_these(tmp_path):
    # TIPSv2 itself rounds the coarsest level up and gives a map of one cell more
    model = tips()
    found = raw(imported(saved(model, tmp_path / 'tips')), an_image(98, 126))
    assert {tuple(value.shape[2:]) for value in found.values()} == {(7 * 8, 9 * 8)}


@torch.no_grad()
def linear_reference(model, image, head, taps, *, normed, scale=1, depth_range=None):
    """Apply one of DINOv2's linear heads as its own code does: enlarge, concatenate, project."""
    states = model(normalised(image), output_hidden_states=True).hidden_states
    grid, parts = (image.shape[2] // 14, image.shape[3] // 14), []
    for tap in taps:
        tokens = model.layernorm(states[tap]) if normed else states[tap]
        cells = tokens[:, 1:].transpose(1, 2).unflatten(2, grid)
        token = tokens[:, 0, :, None, None].expand_as(cells)
        parts += [cells] if depth_range is None else [cells, token]
    features = functional.interpolate(
        torch.cat(parts, 1), scale_factor=scale, mode='bilinear', align_corners=False)
    if depth_range is None:
        features = functional.batch_norm(
            features, head['bn.running_mean'], head['bn.running_var'], head['bn.weight'],
            head['bn.bias'])
        return functional.conv2d(features, head['conv_seg.weight'], head['conv_seg.bias'])
    shares = functional.conv2d(features, head['conv_depth.weight'], head['conv_depth.bias'])
    shares = shares.relu() + 0.1
    bins = torch.linspace(*depth_range, shares.shape[1])
    return torch.einsum('bkhw,k->bhw', shares / shares.sum(1, keepdim=True), bins)[:, None]


@pytest.mark.parametrize('count', [1, 4])
def test_linear_heads_of_semantics(tmp_path, count):
    vit = {'hidden_size': 64, 'num_hidden_layers': 12, 'num_attention_heads': 1}
    model, path = dinov2(vit), tmp_path / 'dinov2_vits14_voc2012_linear_head.safetensors'
    head = write_linear_head(path, 'semseg', 64 * count, 21)
    checkpoint = imported(saved(model, tmp_path / 'dinov2'), path)
    for size in ((112, 112), (70, 126)):
        expected = linear_reference(
            model, an_image(*size), head, (12,) if count == 1 else (9, 10, 11, 12), normed=True)
        assert distance(raw(checkpoint, an_image(*size))['semseg'], expected) < 1e-4, size
    assert checkpoint.description.labels.names[15] == 'person'


@pytest.mark.parametrize('count, taps', [(1, (12,)), (4, SMALL_TAPS)])
@pytest.mark.parametrize('data, far', [('nyu', 10.0), ('kitti', 80.0)])
def test_linear_heads_of_depth(tmp_path, count, taps, data, far):
    vit = {'hidden_size': 64, 'num_hidden_layers': 12, 'num_attention_heads': 1}
    model, path = dinov2(vit), tmp_path / f'dinov2_vits14_{data}_linear_head.safetensors'
    head = write_linear_head(path, 'depth', 2 * 64 * count, 256)
    checkpoint = imported(saved(model, tmp_path / 'dinov2'), path)
    for size in ((112, 112), (70, 126)):
        expected = linear_reference(model, an_image(*size), head, taps, normed=False, scale=4,
                                    depth_range=(0.001, far))
        assert distance(raw(checkpoint, an_image(*size))['depth'], expected) < 1e-4, size
    assert checkpoint.description.depth_range == (0.001, far)


@pytest.mark.slow
@pytest.mark.parametrize('settings', [{}, METRIC])
def test_depth_anything_of_the_small_size(tmp_path, settings):
    model = depth_anything(SMALL_VIT, SMALL_TAPS, grid=37, **settings)
    checkpoint = imported(saved(model, tmp_path / 'depth'))
    for size in ((518, 518), (238, 322)):
        expected = theirs(model, an_image(*size)).predicted_depth[:, None]
        assert distance(raw(checkpoint, an_image(*size))['depth'], expected) < 1e-4, size


@pytest.mark.slow
def test_tips_of_the_small_size(tmp_path):
    model = tips(SMALL_VIT, SMALL_TAPS, grid=32, classes=150)
    checkpoint = imported(saved(model, tmp_path / 'tips'))
    for size in ((448, 448), (252, 336)):
        found = raw(checkpoint, an_image(*size))
        for task, expected in tips_outputs(model, an_image(*size)).items():
            assert distance(found[task], expected) < 1e-4, (task, size)


@pytest.mark.slow
def test_linear_heads_of_the_small_size_together(tmp_path):
    model = dinov2(SMALL_VIT, grid=37)
    paths = tmp_path / 'ade20k.safetensors', tmp_path / 'nyu_linear4.safetensors'
    semantic = write_linear_head(paths[0], 'semseg', 384, 150)
    depth = write_linear_head(paths[1], 'depth', 8 * 384, 256)
    image, options = an_image(238, 322), replace(OPTIONS, input_size=(238, 322))
    found = raw(imported(saved(model, tmp_path / 'dinov2'), *paths, options=options), image)
    expected = linear_reference(model, image, semantic, (12,), normed=True)
    assert distance(found['semseg'], expected) < 1e-4
    expected = linear_reference(model, image, depth, SMALL_TAPS, normed=False, scale=4,
                                depth_range=(0.001, 10.0))
    assert distance(found['depth'], expected) < 1e-4
