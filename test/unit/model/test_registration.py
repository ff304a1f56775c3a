"""New entries in the manifest: what they say, and that all else stays as it was."""

from dataclasses import replace
import shutil

import pytest
import yaml

from mtshare_ros.errors import MtshareError
from mtshare_ros.model.manifest import Catalogue, find_model, load_manifest, Manifest
from mtshare_ros.model.registration import (
    check_name,
    describe_file,
    entry_text,
    register,
    unregister,
)

MANIFEST = """\
# Two models, and why they are here.
default: first
models:
  # the first of them
  first:
    file: first.safetensors  # small
    sha256: 00
    licence: Apache-2.0
    tasks: [depth]
    labels: nyu40
    input_size: [96, 128]
    focal_length: 110.0
    depth_range: [0.3, 8.0]
    description: >-
      A model of two lines; the second
      of them is here.

  # the second of them
  second:
    file: second.safetensors
    sha256: '11'
    licence: MIT
    tasks: [edge]
    labels: nyu40
    input_size: [96, 128]
    focal_length: 110.0
    depth_range: [0.3, 8.0]
    description: short
# the end
"""


@pytest.fixture
def folder(tmp_path, tiny_model):
    """Make a models folder with a manifest and a file that is not in it."""
    (tmp_path / 'manifest.yaml').write_text(MANIFEST.replace('00', "'00'"))
    shutil.copy(tiny_model, tmp_path / 'new.safetensors')
    return tmp_path


@pytest.fixture
def entry(folder, tiny_description):
    """Describe the new file."""
    text = 'A model that was made here; it is so long-winded: ' + 'word-of-many ' * 30
    return describe_file(folder / 'new.safetensors', tiny_description, licence='MIT', text=text)


def text_of(folder):
    return (folder / 'manifest.yaml').read_text()


def test_an_entry_reads_back_as_it_was(entry):
    values = yaml.safe_load(entry_text('new', entry))['new']
    assert values['description'] == entry.description
    assert tuple(values['tasks']) == entry.tasks
    assert values['sha256'] == entry.sha256


def test_an_entry_has_the_form_of_the_shipped_ones(entry):
    lines = entry_text('new', entry).splitlines()
    assert lines[0] == '  new:'
    assert '    tasks: [semseg, depth, normals, edge]' in lines
    assert '    input_size: [96, 128]' in lines
    assert '    description: >-' in lines
    assert max(map(len, lines)) < 100


def test_a_checksum_of_digits_stays_a_text(entry):
    digits = replace(entry, sha256='1' * 64)
    assert yaml.safe_load(entry_text('new', digits))['new']['sha256'] == '1' * 64


def test_a_registered_model_is_found_by_its_name(folder, entry):
    register('new', entry, folder)
    catalogue = Catalogue(load_manifest(folder), Manifest(folder))
    assert find_model('new', catalogue).sha256 == entry.sha256


@pytest.mark.parametrize('name', ['new', 'first', 'second'])
def test_registering_leaves_every_other_line_alone(folder, entry, name):
    before = text_of(folder)
    register(name, entry, folder)
    after = text_of(folder)
    outside = after.replace(entry_text(name, entry), '')
    assert entry_text(name, entry) in after
    assert [line for line in outside.splitlines() if line not in before.splitlines()] == []
    assert [line for line in after.splitlines() if line.strip().startswith('# ')] == [
        line for line in before.splitlines() if line.strip().startswith('# ')]


def test_registering_again_replaces_the_entry(folder, entry):
    register('new', entry, folder)
    once = text_of(folder)
    register('new', replace(entry, licence='MIT-0'), folder)
    assert text_of(folder) == once.replace('licence: MIT\n    tasks: [sem',
                                           'licence: MIT-0\n    tasks: [sem')


def test_the_shipped_manifest_takes_an_entry(tmp_path, tiny_model, entry):
    copied = tmp_path / 'shipped'
    copied.mkdir()
    shipped = load_manifest()
    shutil.copy(shipped.folder / 'manifest.yaml', copied)
    shutil.copy(tiny_model, copied / 'new.safetensors')
    register('new', entry, copied)
    assert text_of(copied) == text_of(shipped.folder) + entry_text('new', entry)


def test_a_file_that_is_not_beside_the_manifest_is_refused(folder, entry):
    (folder / 'new.safetensors').unlink()
    with pytest.raises(MtshareError, match='lies beside the manifest'):
        register('new', entry, folder)


def test_a_file_that_changed_since_it_was_described_is_refused(folder, entry):
    with (folder / 'new.safetensors').open('ab') as file:
        file.write(b'x')
    with pytest.raises(MtshareError, match='no file with the sha256'):
        register('new', entry, folder)


def test_a_manifest_of_another_form_is_left_as_it_is(folder, entry):
    values = yaml.safe_load(text_of(folder))
    (folder / 'manifest.yaml').write_text(yaml.safe_dump(values, default_flow_style=True))
    before = text_of(folder)
    with pytest.raises(MtshareError, match='edit the file by hand'):
        register('new', entry, folder)
    assert text_of(folder) == before
    assert sorted(path.name for path in folder.iterdir()) == ['manifest.yaml', 'new.safetensors']


@pytest.mark.parametrize('name', ['New', 'a b', '', 'yes', 'null', 'default', '1st', '../x'])
def test_a_name_that_would_not_read_back_is_refused(name):
    with pytest.raises(MtshareError, match='allowed is lower-case letters'):
        check_name(name)


def test_a_folder_without_a_manifest_gets_one(tmp_path, tiny_model, entry):
    fresh = tmp_path / 'fresh'
    fresh.mkdir()
    shutil.copy(tiny_model, fresh / 'new.safetensors')
    register('new', entry, fresh)
    assert load_manifest(fresh).models == {'new': entry}


@pytest.mark.parametrize('name', ['first', 'new'])
def test_taking_an_entry_out_leaves_every_other_line_alone(folder, entry, name):
    register('new', entry, folder)
    before, block = text_of(folder), entry_text('new', entry)
    unregister(name, folder)
    assert name not in load_manifest(folder).models
    if name == 'new':
        assert text_of(folder) == before.replace(block, '')
    assert [line for line in text_of(folder).splitlines() if line not in before.splitlines()] == []


def test_the_default_goes_with_its_entry(folder):
    unregister('first', folder)
    assert load_manifest(folder).default == ''
    assert '# Two models, and why they are here.' in text_of(folder)


def test_the_last_entry_can_be_taken_out_and_put_in_again(tmp_path, tiny_model, entry):
    fresh = tmp_path / 'fresh'
    fresh.mkdir()
    shutil.copy(tiny_model, fresh / 'new.safetensors')
    register('new', entry, fresh)
    unregister('new', fresh)
    assert load_manifest(fresh).models == {}
    register('new', entry, fresh)
    assert load_manifest(fresh).models == {'new': entry}


def test_what_is_not_there_cannot_be_taken_out(folder):
    with pytest.raises(MtshareError, match="there is no model 'third'; there are: first, second"):
        unregister('third', folder)
