"""``mtshare models``."""

from dataclasses import replace
import json
import re

import pytest

from mtshare_ros.model.manifest import load_manifest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')


def test_the_list_names_every_shipped_model_with_its_size(command):
    result = command('models', 'list')
    manifest = load_manifest()
    assert result.returncode == 0, result.stderr
    for name in manifest.models:
        path = manifest.path_of(name)
        assert name in result.stdout
        line = rf'^    {path.stat().st_size / 1e6:.1f} MB; (not )?calibrated; {path}$'
        assert re.search(line, result.stdout, re.MULTILINE)


def test_every_shipped_model_is_good(command):
    result = command('models', 'verify')
    count = len(load_manifest().models) + len(load_manifest().heads)
    assert result.returncode == 0, result.stderr
    assert f'{count} of {count} models are good' in result.stdout


def test_the_list_and_the_verdict_are_kept_as_json(command, tmp_path):
    manifest = load_manifest()
    for words in ('list', 'verify'):
        assert command('models', words, '--json', f'{words}.json').returncode == 0

    listed, verified = (json.loads((tmp_path / f'{words}.json').read_text())
                        for words in ('list', 'verify'))
    assert listed['default'] == manifest.default
    assert listed['models'].keys() == manifest.models.keys()
    heads = {f'{name}.heads': entry.sha256 for name, entry in manifest.heads.items()}
    good = {name: entry.sha256 for name, entry in manifest.models.items()}
    assert verified == {'good': {**good, **heads}, 'errors': {}}


@pytest.fixture
def added(tmp_path, monkeypatch, tiny_model):
    """Add the tiny model under the name mine, and return the folder of the user."""
    from mtshare_ros.model.file_description import read_description
    from mtshare_ros.model.registration import describe_file, register

    folder = tmp_path / 'added'
    folder.mkdir()
    path = folder / 'mine.safetensors'
    path.write_bytes(tiny_model.read_bytes())
    register('mine', describe_file(path, read_description(path)), folder)
    monkeypatch.setenv('MTSHARE_MODELS', str(folder))
    return folder


def test_an_added_model_is_listed_with_its_place_verified_and_described(command, added):
    listed = command('models', 'list', '--json', 'list.json')
    assert f'calibrated; {added / "mine.safetensors"}' in listed.stdout
    assert json.loads((added.parent / 'list.json').read_text())['models']['mine']['path'] == str(
        added / 'mine.safetensors')
    assert 'mine: good' in command('models', 'verify').stdout
    assert str(added / 'mine.safetensors') in command('models', 'info', 'mine').stdout


def test_an_added_model_is_removed(command, added):
    result = command('models', 'remove', 'mine')
    assert result.stdout == f'deleted {added / "mine.safetensors"}\n'
    assert 'mine' not in command('models', 'list').stdout


def test_an_added_file_that_changed_is_found_by_verify(command, added):
    with (added / 'mine.safetensors').open('ab') as file:
        file.write(b'x')
    result = command('models', 'verify')
    assert result.returncode == 1 and 'mine.safetensors: the sha256 is' in result.stderr


@pytest.mark.parametrize('words', ['list', 'verify'])
def test_a_damaged_list_of_added_models_is_told_after_the_shipped_ones(command, added, words):
    (added / 'manifest.yaml').write_text('models: [')
    result = command('models', words)
    assert result.returncode == 1
    assert set(load_manifest().models) <= set(re.findall(r'^\w+', result.stdout, re.MULTILINE))
    assert f'{added / "manifest.yaml"}: the manifest cannot be read' in result.stderr


def test_a_model_file_describes_itself(command, tiny_model):
    result = command('models', 'info', tiny_model)
    assert result.returncode == 0, result.stderr
    for fact in ('semseg, depth, normals, edge', 'nyu40, 40 classes', '96x128 (height x width)',
                 'nothing', 'all tasks, without heads',
                 'fp16:       holds 65,504; the largest number'):
        assert fact in result.stdout
    assert 'Delta weights' not in result.stdout  # its tasks share everything


def test_a_pickle_is_refused(command, tmp_path):
    path = tmp_path / 'model.safetensors'
    path.write_bytes(b'\x80\x04' + b'x' * 40)
    result = command('models', 'info', path)
    assert result.returncode == 1
    assert 'pickle' in result.stderr


@pytest.fixture
def branched_model(tiny_model, tmp_path):
    from mtshare_ros.model.checkpoint import load_checkpoint, save_checkpoint
    from mtshare_ros.model.deltas import add_random_deltas, branch_out

    loaded = load_checkpoint(tiny_model)
    network = branch_out(loaded.network, 1)
    add_random_deltas(network, density=0.25)
    path = tmp_path / 'branched.safetensors'
    save_checkpoint(path, network, replace(loaded.description, architecture=network.config))
    return path


def test_a_model_with_delta_weights_tells_their_share_and_size(
        command, branched_model, tmp_path):
    path = tmp_path / 'info.json'
    result = command('models', 'info', branched_model, '--json', path)
    assert result.returncode == 0, result.stderr
    values = json.loads(path.read_text())
    depth, sizes = values['delta_weights']['depth'], values['bytes']
    assert values['tasks'] == ['semseg', 'depth', 'normals', 'edge']
    assert depth['blocks']['1']['elements'] == pytest.approx(0.25, abs=0.01)
    assert 0.05 < depth['encoder'] < 0.25
    assert sizes['ratio'] == pytest.approx(
        1 + sum(sizes['delta_bytes'].values()) / sizes['base_bytes'])
    assert set(sizes['head_bytes']) == set(values['tasks'])
    assert sizes['file'] == branched_model.stat().st_size
    for text in (r'block 1 +24.*%', r'stem and base encoder +0.* 1\.00', 'normals: delta weights',
                 rf'all tasks, without heads +0.* {sizes["ratio"]:.2f}', 'edge: head'):
        assert re.search(text, result.stdout), text
