"""The same weights by the names of other libraries are the same backbone."""

import re

from public_models import dinov2, dinov3, saved
import pytest
from safetensors.torch import load_file
import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.importing.public_backbone import read_backbone
from mtshare_ros.model.importing.source import open_source, Source
from mtshare_ros.model.network import backbone_digest, first_difference

pytest.importorskip('transformers')

TO_META = (
    ('embeddings.patch_embeddings.projection', 'patch_embed.proj'),
    ('embeddings.patch_embeddings', 'patch_embed.proj'),
    ('embeddings.position_embeddings', 'pos_embed'), ('embeddings.', ''), ('layernorm.', 'norm.'),
    ('encoder.layer.', 'blocks.'), ('attention.output.dense', 'attn.proj'),
    ('attention.o_proj', 'attn.proj'), ('mlp.up_proj', 'mlp.fc1'), ('mlp.down_proj', 'mlp.fc2'),
    ('layer_scale1.lambda1', 'ls1.gamma'), ('layer_scale2.lambda1', 'ls2.gamma'))


def renamed(tensors, pairs):
    found = {}
    for name, value in tensors.items():
        for old, new in pairs:
            name = name.replace(old, new)
        found[name] = value
    return found


def with_joint_attention(tensors, parts, block):
    """Join queries, keys and values as Meta and timm have them."""
    rest = {name: value for name, value in tensors.items()
            if not any(f'.{part}.' in name for part in parts)}
    numbers = {re.match(block, name)[1] for name in tensors if re.match(block, name)}
    for number in numbers:
        for end in ('weight', 'bias'):
            found = [tensors.get(f'{block.split("(")[0]}{number}.{part}.{end}') for part in parts]
            zeros = torch.zeros(64)
            rest[f'blocks.{number}.attn.qkv.{end}'] = torch.cat(
                [zeros if value is None else value for value in found])
    return rest


DINOV2_PARTS = [f'attention.attention.{part}' for part in ('query', 'key', 'value')]
DINOV3_PARTS = [f'attention.{part}_proj' for part in 'qkv']


def meta_dinov2(tensors):
    return renamed(with_joint_attention(tensors, DINOV2_PARTS, r'encoder.layer.(\d+)'), TO_META)


def timm_dinov2(tensors):
    """Rename as timm's converter does: no mask token, and with registers no class position."""
    found = meta_dinov2(tensors)
    del found['mask_token']
    if 'register_tokens' in found:
        found['reg_token'] = found.pop('register_tokens')
        found['cls_token'] = found['cls_token'] + found['pos_embed'][:, :1]
        found['pos_embed'] = found['pos_embed'][:, 1:]
    return found


def today(tensors):
    return renamed(tensors, (('attention.attention.query', 'attention.q_proj'),
                             ('attention.attention.key', 'attention.k_proj'),
                             ('attention.attention.value', 'attention.v_proj'),
                             ('attention.output.dense', 'attention.o_proj')))


def meta_dinov3(tensors):
    found = renamed(with_joint_attention(tensors, DINOV3_PARTS, r'layer.(\d+)'),
                    (*TO_META, ('register_tokens', 'storage_tokens'), ('layer.', 'blocks.')))
    mask = torch.ones(192)
    mask[64:128] = 0
    for name in [name for name in found if name.endswith('qkv.bias')]:
        found[name] = torch.where(mask == 0, torch.nan, found[name])
        found[f'{name}_mask'] = mask
    return {**found, 'rope_embed.periods': torch.ones(16)}


def timm_dinov3(tensors):
    found = renamed(with_joint_attention(tensors, DINOV3_PARTS, r'layer.(\d+)'),
                    (*TO_META, ('register_tokens', 'reg_token'), ('layer.', 'blocks.'),
                     ('ls1.gamma', 'gamma_1'), ('ls2.gamma', 'gamma_2')))
    del found['mask_token']
    return found


def timm_dinov3_with_biases(tensors):
    """Rename as timm does for variants that keep the biases of queries and values."""
    found = timm_dinov3(tensors)
    for name in [name for name in found if name.endswith('qkv.bias')]:
        query, _, value = found.pop(name).chunk(3)
        found |= {name.replace('qkv.bias', 'q_bias'): query.clone(),
                  name.replace('qkv.bias', 'v_bias'): value.clone()}
    return found


def read(tensors, name='other'):
    return read_backbone(Source(name, None, tensors))


@pytest.mark.parametrize('registers', [0, 4])
@pytest.mark.parametrize('rename, interpolation', [
    (meta_dinov2, {0: 'bicubic_offset', 4: 'bicubic_antialias'}),
    (timm_dinov2, {0: 'bicubic_antialias', 4: 'bicubic_antialias'}),
    (today, {0: 'bicubic', 4: 'bicubic_antialias'})])
def test_dinov2_by_other_names(tmp_path, rename, interpolation, registers):
    folder = saved(dinov2(registers=registers), tmp_path / 'dinov2')
    theirs = read(rename(load_file(folder / 'model.safetensors')))
    ours = read_backbone(open_source(folder))
    assert first_difference(ours.tensors, theirs.tensors) is None
    assert backbone_digest(ours.tensors) == backbone_digest(theirs.tensors)
    assert theirs.architecture.position_interpolation == interpolation[registers]
    assert theirs.architecture.register_tokens == registers


@pytest.mark.parametrize('rename', [meta_dinov3, timm_dinov3, timm_dinov3_with_biases])
def test_dinov3_by_other_names(tmp_path, rename):
    folder = saved(dinov3(), tmp_path / 'dinov3')
    theirs = read(rename(load_file(folder / 'model.safetensors')))
    ours = read_backbone(open_source(folder))
    assert first_difference(ours.tensors, theirs.tensors) is None
    assert ours.architecture == theirs.architecture


def test_multimae(tmp_path):
    folder = saved(dinov2(), tmp_path / 'dinov2')
    whole = meta_dinov2(load_file(folder / 'model.safetensors'))
    plain = {name: value for name, value in whole.items() if '.ls' not in name}
    multi = {name.replace('blocks.', 'encoder.'): value for name, value in plain.items()
             if name.startswith('blocks.')}
    multi['global_tokens'] = plain['cls_token']
    multi['input_adapters.rgb.pos_emb'] = plain['pos_embed'][:, 1:].transpose(1, 2).unflatten(
        2, (8, 8))
    multi['input_adapters.rgb.proj.weight'] = plain['patch_embed.proj.weight']
    multi['input_adapters.rgb.proj.bias'] = plain['patch_embed.proj.bias']
    multi['output_adapters.depth.pos_emb'] = torch.zeros(1, 8, 4, 4)
    ours, theirs = read(plain), read(multi)
    assert set(ours.tensors) - set(theirs.tensors) == {'norm.weight', 'norm.bias'}
    assert torch.equal(ours.tensors['position.table'], theirs.tensors['position.table'])
    assert torch.equal(theirs.tensors['prefix.tokens'], plain['cls_token'][0])
    assert theirs.architecture.position_interpolation == 'bicubic'
    assert 'output_adapters.depth.pos_emb' not in theirs.used


def test_a_digest_knows_every_weight_of_the_backbone_and_nothing_else(tmp_path):
    tensors = dict(read_backbone(open_source(saved(dinov2(), tmp_path / 'dinov2'))).tensors)
    digest = backbone_digest(tensors)
    assert backbone_digest({**tensors, 'heads.depth.predict.bias': torch.ones(1)}) == digest
    for name in ('prefix.tokens', 'position.table', 'blocks.3.attn.qkv.bias', 'norm.weight'):
        assert backbone_digest({**tensors, name: tensors[name] + 1e-6}) != digest, name
        assert first_difference(tensors, {**tensors, name: tensors[name] + 1e-6}) == name


def test_a_file_of_two_backbones_is_refused(tmp_path):
    tensors = load_file(saved(dinov2(), tmp_path / 'dinov2') / 'model.safetensors')
    twice = {**tensors, **{f'teacher.backbone.{name}': value for name, value in tensors.items()}}
    with pytest.raises(ModelError, match='holds several backbones'):
        read(twice)
