"""Models in the user's folder: found beside the shipped ones, and never in their way."""

import os
from pathlib import Path
import shutil

import pytest

from mtshare_ros.errors import MtshareError
from mtshare_ros.file_paths import user_models_directory
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.model.manifest import find_model, load_catalogue, load_manifest
from mtshare_ros.model.registration import describe_file, folder_for, register, remove_model

SHIPPED = load_manifest()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Give an empty folder for added models."""
    folder = tmp_path / 'models'
    folder.mkdir()
    monkeypatch.setenv('MTSHARE_MODELS', str(folder))
    return folder


@pytest.fixture
def add(folder, tiny_model):
    """Return a function that adds the tiny model under a name."""
    def add(name):
        copy = folder / f'{name}.safetensors'
        shutil.copy(tiny_model, copy)
        register(name, describe_file(copy, load_checkpoint(copy).description), folder)
        return copy

    return add


def write(folder, text):
    (folder / 'manifest.yaml').write_text(text)


@pytest.mark.parametrize(('environment', 'expected'), [
    ({'MTSHARE_MODELS': '/data/models', 'XDG_DATA_HOME': '/x', 'HOME': '/h'}, '/data/models'),
    ({'XDG_DATA_HOME': '/x', 'HOME': '/h'}, '/x/mtshare_ros/models'),
    ({'HOME': '/h'}, '/h/.local/share/mtshare_ros/models'),
    ({'MTSHARE_MODELS': '', 'XDG_DATA_HOME': '', 'HOME': '/h'},
     '/h/.local/share/mtshare_ros/models'),
    ({'XDG_DATA_HOME': 'relative', 'HOME': '/h'}, '/h/.local/share/mtshare_ros/models'),
])
def test_the_folder_is_where_the_environment_says(environment, expected):
    assert user_models_directory(environment) == Path(expected)


def test_a_user_without_a_home_has_the_shipped_models(monkeypatch):
    monkeypatch.setattr('mtshare_ros.model.manifest.user_models_directory', lambda: None)
    monkeypatch.setattr('mtshare_ros.model.registration.user_models_directory', lambda: None)

    assert find_model('default').name == SHIPPED.default
    with pytest.raises(MtshareError, match='set the environment variable MTSHARE_MODELS'):
        folder_for('mine')


def test_an_added_model_is_found_by_name_and_by_path(add):
    path = add('mine')

    assert find_model('mine').path == find_model(str(path)).path == path
    assert find_model(str(path)).name == 'mine'


def test_default_stays_the_shipped_model_whatever_is_added(add):
    add('mine')

    assert load_catalogue().default == SHIPPED.default


def test_default_is_the_real_model_where_it_was_added(add, folder):
    add(SHIPPED.default_when_added)
    assert find_model('default').path == folder / f'{SHIPPED.default_when_added}.safetensors'

    remove_model(SHIPPED.default_when_added, load_catalogue())
    assert find_model('default').name == SHIPPED.default


def test_the_user_chooses_what_default_means(add, folder):
    add('mine')
    write(folder, 'default: mine\n' + (folder / 'manifest.yaml').read_text())

    assert find_model('default').name == 'mine'


@pytest.mark.fault(31)
@pytest.mark.parametrize(('text', 'reason'), [
    ('', 'the manifest cannot be read'),
    ('models: [', 'the manifest cannot be read'),
    ('models: {mine: {file: mine.safetensors}}', "the key 'sha256' is missing"),
    ('default: other\nmodels:\n', "default is 'other', which is no model"),
    ('\x80', 'the manifest cannot be read'),
    ('#' * (1 << 21), 'it has more than 1048576 bytes'),
])
def test_a_damaged_list_leaves_the_shipped_models_in_place(folder, text, reason):
    (folder / 'manifest.yaml').write_bytes(text.encode('latin-1'))

    assert find_model(SHIPPED.default).name == SHIPPED.default
    for model in ('default', 'mine'):
        with pytest.raises(MtshareError, match=reason) as caught:
            find_model(model)
        assert str(folder / 'manifest.yaml') in str(caught.value)
        assert 'mend this file or delete it' in str(caught.value)


@pytest.mark.fault(31)
@pytest.mark.skipif(os.geteuid() == 0, reason='root reads every file')
def test_a_list_that_cannot_be_read_is_named(folder):
    write(folder, 'models:\n')
    (folder / 'manifest.yaml').chmod(0)

    with pytest.raises(MtshareError, match='Permission denied'):
        find_model('default')


def test_a_link_to_nowhere_is_no_empty_list(folder):
    (folder / 'manifest.yaml').symlink_to(folder / 'gone.yaml')

    with pytest.raises(MtshareError, match='the manifest cannot be read'):
        find_model('default')


def test_the_name_of_a_shipped_model_is_taken(add, folder):
    add('mine')
    text = (folder / 'manifest.yaml').read_text()
    write(folder, text.replace('  mine:', f'  {SHIPPED.default}:'))

    assert find_model(SHIPPED.default).path == SHIPPED.path_of(SHIPPED.default)
    with pytest.raises(MtshareError, match='is taken by the package'):
        find_model('default')


@pytest.mark.fault(31)
@pytest.mark.parametrize('file', ['../mine.safetensors', '/etc/passwd', 'mine.txt', '..'])
def test_a_file_elsewhere_than_beside_the_list_is_refused(add, folder, file):
    add('mine')
    text = (folder / 'manifest.yaml').read_text()
    write(folder, text.replace('mine.safetensors', file))

    with pytest.raises(MtshareError, match='the name of a .safetensors file in the folder'):
        find_model('mine')


def test_an_added_file_that_is_gone_is_named_with_the_way_out(add):
    add('mine').unlink()

    with pytest.raises(MtshareError, match='is missing; .*mtshare models remove mine'):
        find_model('mine')


def test_removing_takes_the_file_its_figures_and_its_entry(add, folder):
    add('mine')
    kept = add('other')
    (folder / 'mine.quality.json').write_text('{}')

    removed = remove_model('mine', load_catalogue())

    assert {path.name for path in removed} == {'mine.safetensors', 'mine.quality.json'}
    assert sorted(path.name for path in folder.iterdir()) == ['manifest.yaml', kept.name]
    assert list(load_catalogue().added.models) == ['other']


@pytest.mark.parametrize(('name', 'reason'), [
    (SHIPPED.default, 'ships with the package'), ('absent', 'was not added')])
def test_only_added_models_are_removed(add, name, reason):
    add('mine')

    with pytest.raises(MtshareError, match=f'{reason}; what can be removed: mine'):
        remove_model(name, load_catalogue())


def test_a_shipped_name_is_registered_with_the_package_and_others_with_the_user(folder):
    assert folder_for(SHIPPED.default) == SHIPPED.folder
    assert folder_for('mine') == folder
