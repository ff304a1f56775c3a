"""A shipped model computes here what it computed where it was made."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.reference import check_reference, reference_path, write_references
from mtshare_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mtshare_ros.model.manifest import find_model, load_manifest

LARGEST_BYTES = 50_000


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine.load(str(tiny_model), device='cpu', precision='fp32')


@pytest.fixture
def path(tmp_path, engine):
    """Write the references of the tiny model for the image of the shipped file."""
    made = tmp_path / 'reference.npz'
    with np.load(reference_path()) as arrays:
        np.savez(made, image=arrays['image'])
    write_references([engine], made)
    return made


@pytest.mark.fault(28)
@pytest.mark.parametrize('name', list(load_manifest().models))
def test_every_shipped_model_computes_its_reference(name):
    file = find_model(name)
    with np.load(reference_path()) as arrays:
        known = {key.split('/')[0] for key in arrays}

    assert file.sha256 in known, 'run: mtshare models reference'
    assert check_reference(Engine(load_checkpoint(file.path), device='cpu', file=file)) == ''


@pytest.mark.parametrize('name', list(load_manifest().heads))
def test_shipped_heads_have_a_reference_for_the_whole_model(name):
    with np.load(reference_path()) as arrays:
        known = {key.split('/')[1] for key in arrays
                 if key.startswith(load_manifest().heads[name].sha256)}

    assert known == set(load_manifest().heads[name].tasks)


def test_a_model_made_of_heads_is_compared_with_what_ships_for_them(tiny_model, path, engine):
    with np.load(path) as arrays:
        renamed = {key.replace(engine.file.sha256, 'h' * 64): arrays[key] + 1 for key in arrays}
        renamed['image'] = arrays['image']
    np.savez(path, **renamed)
    file = replace(engine.file, sha256='0' * 64, heads_sha256='h' * 64)
    made = Engine(load_checkpoint(tiny_model), device='cpu', precision='fp32', file=file)

    assert 'gives other outputs than it should' in check_reference(made, path)
    assert check_reference(engine, path) == ''


def test_references_of_models_that_are_not_here_can_be_kept(path, engine):
    sha256 = engine.file.sha256
    write_references([], path, keep=[sha256])
    assert check_reference(engine, path) == ''

    write_references([], path)
    with np.load(path) as arrays:
        assert set(arrays) == {'image'}


def test_the_file_stays_small():
    assert reference_path().stat().st_size < LARGEST_BYTES


def test_a_model_that_computes_the_same_agrees(engine, path):
    assert check_reference(engine, path) == ''


def test_another_input_size_is_checked_at_that_of_the_training(engine, path):
    assert check_reference(engine.with_input_size((64, 96)), path) == ''


def test_coarser_arithmetic_may_differ_more(tiny_model, path):
    coarser = Engine.load(str(tiny_model), device='cpu', precision='bf16')

    assert check_reference(coarser, path) == ''


@pytest.mark.fault(28)
@pytest.mark.parametrize('value', [0.3, np.nan])
def test_a_model_that_computes_something_else_is_told_by_task_device_and_arithmetic(
    tiny_model, engine, path, tmp_path, value
):
    loaded = load_checkpoint(tiny_model)
    network = copy.deepcopy(loaded.network)
    with torch.no_grad():
        network.heads['depth'].predict.bias.add_(value)
    wrong = Engine(replace(loaded, network=network), device='cpu', file=engine.file)

    text = check_reference(wrong, path)

    assert 'depth by' in text and 'normals by' not in text
    assert 'cpu in float32' in text and 'precision' in text


def test_a_model_that_does_not_ship_has_no_reference(tiny_model, tmp_path):
    loaded = load_checkpoint(tiny_model)
    other = tmp_path / 'other.safetensors'
    save_checkpoint(other, loaded.network, replace(loaded.description, trained_on='else'))

    assert check_reference(Engine.load(str(other), device='cpu')) == ''
    assert check_reference(Engine(loaded, device='cpu')) == ''


@pytest.mark.parametrize('content', [None, b'', b'PK\x03\x04 broken', b'\x80\x04pickle'])
def test_a_damaged_file_is_told_with_its_path(engine, tmp_path, content):
    damaged = tmp_path / 'reference.npz'
    if content is not None:
        damaged.write_bytes(content)

    text = check_reference(engine, damaged)

    assert str(damaged) in text and 'cannot be read' in text
