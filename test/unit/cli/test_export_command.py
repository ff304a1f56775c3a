"""``mtshare export``."""

from dataclasses import replace
import json
import re

import pytest
from tiny import TINY

from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mtshare_ros.model.network import build_model

onnx = pytest.importorskip('onnx', reason='exporting needs the extra [export]')
pytest.importorskip('onnxscript', reason='exporting needs the extra [export]')
pytest.importorskip('onnxruntime', reason='the check needs the extra [export]')


def test_a_model_becomes_a_file_whose_contents_are_told(command, tiny_model, tmp_path):
    result = command('export', tiny_model, '--output', 'tiny.onnx', '--input-size', '64x80',
                     '--tasks', 'semseg,edge', '--json', 'tiny.json')

    assert result.returncode == 0, result.stderr
    model = onnx.load(tmp_path / 'tiny.onnx')
    assert [value.name for value in model.graph.output] == ['mask', 'confidence', 'edges']
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ['input', 'image', '64x80x3', 'uint8'] in [row[:4] for row in rows]
    assert ['output', 'mask', '64x80', 'uint8'] in [row[:4] for row in rows]
    assert 'ONNX Runtime differs from PyTorch by' in result.stdout
    figures = json.loads((tmp_path / 'tiny.json').read_text())
    assert figures['bytes'] == (tmp_path / 'tiny.onnx').stat().st_size
    assert figures['difference'] < 1e-4


def test_an_update_says_which_lists_and_states_go_in(command, tiny_model, tmp_path):
    result = command('export', tiny_model, '--output', 'tiny.onnx', '--update', '0.25',
                     '--tasks', 'depth', '--outputs', 'raw')

    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ['input', 'cells', '16', 'int32'] in [row[:4] for row in rows]
    assert ['input', 'encoder_shared_0', '1x48x64', 'float32'] in [row[:4] for row in rows]
    assert ['output', 'encoder_shared_0_next', '1x48x64'] in [row[:3] for row in rows]


@pytest.mark.parametrize('words, reason', [
    (('--output', 'tiny.onnx', '--update', 'some'), "--update is 'some'; allowed are a number"),
    (('--output', 'tiny.onnx', '--update', '0'), "--update is '0'; allowed are a number"),
    (('--output', 'tiny.onnx', '--keep', '0.5'), '--keep is 0.5 for a file that computes every'),
    (('--output', 'tiny.onnx', '--update', '0.9'), '--update asks for 44 of 48 .* 1 to 24'),
    (('--output', 'tiny.trt'), "--output is 'tiny.trt'; .* ends with .onnx"),
    (('--output', 'missing/tiny.onnx'), 'there is no folder .*missing; create it first'),
    (('--output', 'there.onnx'), 'there.onnx: this file exists, and .* never overwritten'),
    (('--output', 'tiny.onnx', '--input-size', '60x80'), r'\[60, 80\].*the nearest is \[64, 80\]'),
    (('--output', 'tiny.onnx', '--tasks', 'saliency'), '--tasks names saliency; .*semseg, depth'),
])
def test_what_cannot_be_exported_is_refused_before_the_work(
        command, tiny_model, tmp_path, words, reason):
    (tmp_path / 'there.onnx').touch()

    result = command('export', tiny_model, *words)

    assert result.returncode == 1 and result.stderr.count('\n') == 1
    assert re.search(reason, result.stderr)
    assert {path.name for path in tmp_path.iterdir()} == {'there.onnx'}


def test_numbers_that_a_file_of_halves_cannot_hold_are_told(command, tiny_model, tmp_path):
    loaded = load_checkpoint(tiny_model)
    loaded.network.heads['depth'].from_tokens.bias.data += 30000
    save_checkpoint(tmp_path / 'loud.safetensors', loaded.network, loaded.description)

    result = command('export', 'loud.safetensors', '--output', 'loud.onnx', '--tasks', 'depth',
                     '--outputs', 'raw', '--precision', 'fp16')

    assert 'warning: the layer heads.depth.' in result.stderr
    assert 'set precision to fp32' in result.stderr


def test_a_precision_that_no_file_has_is_wrong_usage(command, tiny_model):
    result = command('export', tiny_model, '--output', 'tiny.onnx', '--precision', 'bf16')

    assert result.returncode == 2 and "'fp32', 'fp16'" in result.stderr


@pytest.mark.parametrize('library', ['onnx', 'onnxscript'])
def test_without_a_library_the_extra_that_brings_it_is_named(command, tiny_model, library):
    result = command('export', tiny_model, '--output', 'tiny.onnx', without=library)

    assert result.returncode == 1
    assert f'exporting needs {library}' in result.stderr
    assert "pip install 'mtshare_ros[export]'" in result.stderr


def test_without_onnx_runtime_the_file_is_written_and_said_to_be_unchecked(
        command, tiny_model, tmp_path):
    result = command('export', tiny_model, '--output', 'tiny.onnx', '--tasks', 'depth',
                     without='onnxruntime')

    assert result.returncode == 0, result.stderr
    assert (tmp_path / 'tiny.onnx').exists() and 'not checked: ONNX Runtime' in result.stdout


def test_tasks_without_weights_are_said_to_be_left_out(command, tmp_path, tiny_description):
    shape = replace(TINY, heads={'edge': HeadConfig(kind='geometry')})
    description = replace(tiny_description, architecture=shape, tasks=('depth', 'edge'))
    save_checkpoint(tmp_path / 'tiny.safetensors',
                    build_model(shape, description.tasks, len(description.labels)), description)

    result = command('export', 'tiny.safetensors', '--output', 'tiny.onnx')

    assert result.returncode == 0, result.stderr
    assert 'not in the file: edge, which have no weights' in result.stdout
