"""What the user of a model is told of it."""

from dataclasses import replace

import pytest

from mtshare_ros.file_paths import user_models_directory
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.model_facts import gate_warnings, rooms_only_warning
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint
from mtshare_ros.model.description import default_thresholds, WeightSource
from mtshare_ros.model.manifest import find_model, load_manifest
from mtshare_ros.model.registration import describe_file, register

ROOMS = '1600 images of rooms from the weights of rooms_vit_tiny for the base task, then sub-tasks'
REAL = load_manifest().default_when_added


@pytest.mark.parametrize('name', list(load_manifest().models))
def test_every_shipped_model_is_one_of_rendered_rooms(name):
    file = find_model(name)
    warning = Engine(load_checkpoint(file.path), device='cpu', file=file).rooms_only_warning

    assert warning.startswith('this model was trained on rendered rooms and does not know real')
    assert '\n' not in warning and len(warning) < 200


@pytest.mark.parametrize('text', ['10000 frames of procedural rooms', ROOMS])
def test_a_model_that_is_trained_on_rooms_has_a_warning(tiny_description, text):
    assert rooms_only_warning(replace(tiny_description, trained_on=text))


@pytest.mark.parametrize('changes', [
    {'trained_on': ''}, {'trained_on': 'nothing'},
    {'trained_on': '5000 images of nyud from the weights of rooms_vit_tiny, stage base'},
    {'trained_on': ROOMS, 'backbone_sha256': '0' * 64},
    {'trained_on': ROOMS, 'sources': (WeightSource('vit', '0' * 64, 'MIT', ('backbone',)),)},
])
def test_a_model_that_saw_real_images_or_does_not_say_has_no_warning(tiny_description, changes):
    assert not rooms_only_warning(replace(tiny_description, **changes))


def test_where_the_real_model_was_added_it_is_named(
        tmp_path, monkeypatch, tiny_model, tiny_description):
    monkeypatch.setenv('MTSHARE_MODELS', str(tmp_path))
    path = user_models_directory() / f'{REAL}.safetensors'
    path.write_bytes(tiny_model.read_bytes())
    register(REAL, describe_file(path, tiny_description), tmp_path)

    warning = rooms_only_warning(replace(tiny_description, trained_on=ROOMS))
    assert warning.endswith(f'model {REAL}')


def test_a_damaged_list_of_models_does_not_keep_an_engine_from_running(
        tmp_path, monkeypatch, tiny_model, tiny_description):
    monkeypatch.setenv('MTSHARE_MODELS', str(tmp_path))
    (tmp_path / 'manifest.yaml').write_text('models: [')
    network = load_checkpoint(tiny_model).network
    described = replace(tiny_description, trained_on=ROOMS)

    assert Engine(Checkpoint(network, described), device='cpu').rooms_only_warning


@pytest.mark.parametrize(('change', 'told'), [
    ({}, False),  # a convolutional stem: one of ours
    ({'stem': 'patch'}, True),
])
def test_who_runs_a_backbone_that_never_met_the_gates_is_told_what_to_set(
        tiny_description, change, told):
    description = replace(tiny_description, thresholds={},
                          architecture=replace(tiny_description.architecture, **change))
    assert any('temporal.refresh_period of 7' in line
               for line in gate_warnings(description)) is told


def test_a_calibrated_backbone_has_no_warning(tiny_description):
    architecture = replace(tiny_description.architecture, stem='patch')
    known = {'depth': default_thresholds(architecture)}
    assert not gate_warnings(replace(
        tiny_description, architecture=architecture, thresholds=known))
