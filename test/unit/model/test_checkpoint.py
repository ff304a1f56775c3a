"""Checkpoints: what they hold, and what is refused."""

from dataclasses import replace
import json
import os
import pickle

import pytest
from safetensors.torch import load_file, save_file
from tiny import TINY
import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.checkpoint import load_checkpoint, save_checkpoint, save_described_anew
from mtshare_ros.model.file_description import read_description
from mtshare_ros.model.network import build_model


def read_header(path):
    data = path.read_bytes()
    return json.loads(data[8:8 + int.from_bytes(data[:8], 'little')])['__metadata__']


def rewrite(source, target, change):
    """Save a checkpoint again with changed tensors, its header kept."""
    tensors = load_file(source)
    change(tensors)
    save_file(tensors, target, metadata=read_header(source))


def test_a_network_comes_back_with_its_description(tiny_model, tiny_description):
    loaded = load_checkpoint(tiny_model)
    torch.manual_seed(0)
    network = build_model(TINY, tiny_description.tasks, 40).eval()
    image = torch.rand(1, 3, 96, 128) * 255
    assert loaded.description == tiny_description
    for name, value in network(image).items():
        assert torch.allclose(value, loaded.network(image)[name], atol=0.02)  # float16 weights


def test_the_header_is_readable_without_this_package(tiny_model):
    header = read_header(tiny_model)
    assert json.loads(header['architecture'])['embed_dim'] == 32
    assert json.loads(header['tasks']) == ['semseg', 'depth', 'normals', 'edge']
    assert json.loads(header['labels'])['names'][0] == 'wall'
    assert json.loads(header['depth_range']) == [0.3, 8.0]


def test_the_description_is_read_without_the_weights(tiny_model, tiny_description, tmp_path):
    path = tmp_path / 'empty.safetensors'
    save_file({}, path, metadata=read_header(tiny_model))
    assert read_description(path) == tiny_description


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match='absent.safetensors: there is no such model file'):
        load_checkpoint(tmp_path / 'absent.safetensors')


@pytest.mark.fault(2)
@pytest.mark.parametrize('keep', [0, 5, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(tiny_model, tmp_path, keep):
    data = tiny_model.read_bytes()
    path = tmp_path / 'cut.safetensors'
    path.write_bytes(data[:keep if isinstance(keep, int) else int(len(data) * keep)])
    with pytest.raises(ModelError, match='cut.safetensors'):
        load_checkpoint(path)


@pytest.mark.fault(3)
def test_a_pickle_is_refused_and_never_opened(tmp_path):
    planted = tmp_path / 'planted'

    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(planted),)

    path = tmp_path / 'evil.safetensors'
    path.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(ModelError, match='this is a pickle'):
        load_checkpoint(path)
    assert not planted.exists()


@pytest.mark.fault(3)
def test_a_torch_file_is_refused_as_a_pickle(tmp_path):
    path = tmp_path / 'weights.pt'
    torch.save({'a': torch.zeros(1)}, path)
    with pytest.raises(ModelError, match='safetensors'):
        load_checkpoint(path)


@pytest.mark.parametrize('low_bytes', [b'\x80\x04', b'PK'])
def test_a_header_whose_length_looks_like_a_pickle_is_read_all_the_same(
        tiny_model, tmp_path, low_bytes):
    data = tiny_model.read_bytes()
    length = int.from_bytes(data[:8], 'little')
    longer = length + (int.from_bytes(low_bytes, 'little') - length) % (1 << 16)
    path = tmp_path / 'longer.safetensors'
    path.write_bytes(longer.to_bytes(8, 'little') + data[8:8 + length]
                     + b' ' * (longer - length) + data[8 + length:])
    assert load_checkpoint(path).description.tasks


@pytest.mark.fault(2)
def test_weights_of_somebody_else_are_told_apart_by_their_header(tmp_path):
    path = tmp_path / 'timm.safetensors'
    save_file({'norm.weight': torch.zeros(8)}, path)
    with pytest.raises(ModelError, match='was not written by this package'):
        load_checkpoint(path)


@pytest.mark.fault(4)
def test_a_missing_and_an_unexpected_weight_are_named_with_the_configuration(
        tiny_model, tmp_path):
    def rename(tensors):
        tensors['blocks.9.norm1.weight'] = tensors.pop('blocks.1.norm1.weight')

    path = tmp_path / 'other.safetensors'
    rewrite(tiny_model, path, rename)
    with pytest.raises(ModelError) as caught:
        load_checkpoint(path)
    text = str(caught.value)
    assert 'missing: blocks.1.norm1.weight' in text
    assert 'unexpected: blocks.9.norm1.weight' in text
    assert "'embed_dim': 32" in text


@pytest.mark.fault(4)
def test_a_weight_of_another_shape_is_named(tiny_model, tmp_path):
    path = tmp_path / 'shape.safetensors'
    rewrite(tiny_model, path, lambda tensors: tensors.update({'norm.weight': torch.zeros(7)}))
    with pytest.raises(ModelError, match=r'norm.weight has the shape \(7,\)'):
        load_checkpoint(path)


def test_integer_weights_are_refused(tiny_model, tmp_path):
    path = tmp_path / 'dtype.safetensors'
    rewrite(tiny_model, path,
            lambda tensors: tensors.update({'norm.weight': torch.zeros(32, dtype=torch.int64)}))
    with pytest.raises(ModelError, match='norm.weight is I64; allowed are F16, BF16, F32'):
        load_checkpoint(path)


def test_saving_does_not_touch_the_network(tmp_path, tiny_description):
    network = build_model(TINY, tiny_description.tasks, 40)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    save_checkpoint(tmp_path / 'a.safetensors', network, tiny_description)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_new_description_keeps_every_bit_of_the_weights(tiny_model, tmp_path, tiny_description):
    path = tmp_path / 'described.safetensors'
    save_described_anew(tiny_model, path, replace(tiny_description, trained_on='something'))
    before, after = load_file(tiny_model), load_file(path)
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert load_checkpoint(path).description.trained_on == 'something'
    assert [file.name for file in tmp_path.iterdir()] == ['described.safetensors']


def test_a_model_is_never_overwritten(tiny_model, tiny_description):
    before = tiny_model.read_bytes()
    with pytest.raises(ModelError, match='a model is never overwritten; give another name'):
        save_described_anew(tiny_model, tiny_model, tiny_description)
    assert tiny_model.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(tiny_model, tmp_path, tiny_description):
    with pytest.raises(ModelError, match='there is no folder .*absent'):
        save_described_anew(tiny_model, tmp_path / 'absent/new.safetensors', tiny_description)
