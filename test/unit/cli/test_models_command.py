"""``mtshare models``."""

import pytest

from mtshare_ros.model.manifest import load_manifest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')


def test_the_list_names_every_shipped_model(command):
    result = command('models', 'list')
    assert result.returncode == 0, result.stderr
    assert all(name in result.stdout for name in load_manifest().models)


def test_every_shipped_model_is_good(command):
    result = command('models', 'verify')
    count = len(load_manifest().models)
    assert result.returncode == 0, result.stderr
    assert f'{count} of {count} models are good' in result.stdout


def test_a_model_file_describes_itself(command, tiny_model):
    result = command('models', 'info', tiny_model)
    assert result.returncode == 0, result.stderr
    for fact in ('semseg, depth, normals, edge', 'nyu40, 40 classes', '128x96', 'nothing'):
        assert fact in result.stdout


def test_a_pickle_is_refused(command, tmp_path):
    path = tmp_path / 'model.safetensors'
    path.write_bytes(b'\x80\x04' + b'x' * 40)
    result = command('models', 'info', path)
    assert result.returncode == 1
    assert 'pickle' in result.stderr
