"""``mtshare calibrate``."""

import json
import shutil

import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('numba', reason='the rooms need the extra [rooms]')

import yaml  # noqa: E402

from mtshare_ros.model.checkpoint import load_checkpoint  # noqa: E402
from mtshare_ros.model.manifest import find_model, load_manifest
from mtshare_ros.model.quality import read_quality, SizeQuality, store_quality  # noqa: E402
from mtshare_ros.model.weight_files import sha256_of

QUALITY = SizeQuality((96, 128), {'depth': 0.4}, '24 images of rooms, test')
SHORT = ('--rooms', 1, '--frames', 4, '--target-error', 0.3)


def test_the_result_is_a_new_file_with_its_manifest_entry(command, tiny_model, tmp_path):
    before = tiny_model.read_bytes()
    model = shutil.copy(tiny_model, tmp_path / 'tiny.safetensors')
    store_quality(find_model(str(model)), QUALITY)
    result = command('calibrate', model, *SHORT, '--json', 'figures.json')
    assert result.returncode == 0, result.stderr

    path = tmp_path / 'tiny_calibrated.safetensors'
    description = load_checkpoint(path).description
    entry = yaml.safe_load(result.stdout.partition('models/manifest.yaml:\n')[2])
    report = json.loads((tmp_path / 'figures.json').read_text())

    assert model.read_bytes() == before
    assert read_quality(find_model(str(path))) == (QUALITY,)
    assert set(description.thresholds) == set(description.tasks)
    assert 'at most 0.3 or' in description.calibration
    assert entry['tiny_calibrated']['sha256'] == sha256_of(path)
    assert report['thresholds']['depth']['temporal'] == list(
        description.thresholds['depth'].temporal)
    assert report['sentence'] == description.calibration
    assert report['crossovers'] == description.crossovers and set(report['crossovers']) == {'cpu'}


@pytest.mark.parametrize('words, complaint', [
    (['--output', 'there.safetensors'], 'a model is never overwritten'),
    (['--output', 'absent/new.safetensors'], 'there is no folder'),
    (['--target-error', '1.5'], 'target_error is 1.5; allowed is above 0 and below 1'),
    (['--rooms', '1000000'], 'rooms is 1000000; allowed is 1 to'),
    (['--register', 'default'], "the name of the model is 'default'"),
    (['--register', 'new', '--output', 'new.safetensors'], 'is kept beside its manifest'),
    (['--json', 'absent/figures.json'], 'there is no folder'),
    (['--threads', '2'], '--threads is 2, but it is for the workers of a fleet; add --fleet'),
    (['--device', 'abacus'], "device is 'abacus'; allowed are"),
])
def test_what_cannot_be_done_is_refused_before_the_work(
        command, tiny_model, tmp_path, words, complaint):
    (tmp_path / 'there.safetensors').write_bytes(b'')
    manifest = (load_manifest().folder / 'manifest.yaml').read_text()
    result = command('calibrate', tiny_model, *words)
    assert result.returncode == 1
    assert complaint in result.stderr
    assert 'Traceback' not in result.stderr
    assert (load_manifest().folder / 'manifest.yaml').read_text() == manifest


def test_a_single_frame_a_clip_is_wrong_usage(command, tiny_model):
    result = command('calibrate', tiny_model, '--frames', 1)
    assert result.returncode == 2
