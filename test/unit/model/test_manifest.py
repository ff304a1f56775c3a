"""The manifest: which models ship, and that they are what they were."""

from dataclasses import asdict
import hashlib
import shutil

import pytest
import yaml

from mtshare_ros.errors import MtshareError
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.model.heads_file import read_heads
from mtshare_ros.model.manifest import (
    Catalogue,
    find_heads,
    find_model,
    load_manifest,
    Manifest,
    ManifestEntry,
)
from mtshare_ros.model.quality import read_quality


@pytest.fixture
def folder(tmp_path, tiny_model):
    """Make a models folder with one intact entry."""
    shutil.copy(tiny_model, tmp_path / 'tiny.safetensors')
    entry = ManifestEntry(
        file='tiny.safetensors', licence='Apache-2.0', tasks=('depth',), labels='nyu40',
        sha256=hashlib.sha256(tiny_model.read_bytes()).hexdigest(), input_size=(96, 128),
        focal_length=110.0, depth_range=(0.3, 8.0), description='a test')
    values = {key: list(value) if isinstance(value, tuple) else value
              for key, value in asdict(entry).items()}
    (tmp_path / 'manifest.yaml').write_text(
        yaml.safe_dump({'default': 'tiny', 'models': {'tiny': values}}))
    return tmp_path


def alone(folder):
    """Return the models of a folder as the shipped ones, with none added."""
    return Catalogue(load_manifest(folder), Manifest(folder))


def test_default_and_name_and_path_mean_the_same_file(folder):
    catalogue = alone(folder)
    found = {find_model(model, catalogue).path
             for model in ('default', 'tiny', str(folder / 'tiny.safetensors'))}
    assert found == {folder / 'tiny.safetensors'}


@pytest.mark.fault(2)
@pytest.mark.parametrize('model', ['default', 'path'])
def test_a_changed_file_fails_its_checksum(folder, model):
    path = folder / 'tiny.safetensors'
    path.write_bytes(path.read_bytes() + b'x')
    with pytest.raises(MtshareError, match='the manifest says'):
        find_model(str(path) if model == 'path' else model, alone(folder))


def test_a_model_outside_the_manifest_is_taken_with_its_checksum(folder, tiny_model):
    file = find_model(str(tiny_model), alone(folder))
    assert file.sha256 == hashlib.sha256(tiny_model.read_bytes()).hexdigest()


def test_an_unknown_name_lists_the_shipped_models(folder):
    with pytest.raises(MtshareError, match=r"'huge' is neither a shipped model \(tiny\)"):
        find_model('huge', alone(folder))


def test_a_shipped_file_that_is_missing_is_named(folder):
    (folder / 'tiny.safetensors').unlink()
    with pytest.raises(MtshareError, match='tiny.safetensors: the file of the shipped model'):
        find_model('tiny', alone(folder))


@pytest.mark.parametrize('text', [
    '', '[', 'default: a', 'models: {a: {file: b}}\ndefault: a', '[' * 20_000, '\x00', '- models'])
def test_a_damaged_manifest_is_refused_by_name(tmp_path, text):
    (tmp_path / 'manifest.yaml').write_text(text)
    with pytest.raises(MtshareError, match='manifest.yaml'):
        load_manifest(tmp_path)


@pytest.mark.parametrize('name', list(load_manifest().models))
def test_every_shipped_model_is_what_its_manifest_entry_says(name):
    manifest = load_manifest()
    description = load_checkpoint(find_model(name).path).description
    entry = manifest.models[name]
    assert description.tasks == entry.tasks
    assert description.labels.name == entry.labels
    assert description.architecture.input_size == entry.input_size
    assert description.focal_length == pytest.approx(entry.focal_length, abs=0.1)
    assert description.depth_range == pytest.approx(entry.depth_range, abs=0.01)


@pytest.mark.parametrize('name', list(load_manifest().heads))
def test_shipped_heads_are_what_their_manifest_entry_says(name):
    manifest = load_manifest()
    description, entry = read_heads(find_heads(name, manifest).path), manifest.heads[name]
    assert entry.sha256 == find_heads(name, manifest).sha256
    assert description.tasks == entry.tasks
    assert description.labels.name == entry.labels
    assert description.architecture.input_size == entry.input_size
    assert read_quality(find_heads(name, manifest)), 'measure the model and store it'
    assert f'## {name}' in (manifest.folder / 'README.md').read_text()


def test_the_default_model_ships():
    manifest = load_manifest()
    assert manifest.default in manifest.models
