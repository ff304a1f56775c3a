"""Thresholds of the token gates: their range, and their way through a checkpoint's header."""

from dataclasses import replace
import json

import pytest
from safetensors.torch import load_file, save_file
from test_checkpoint import read_header
from tiny import TINY

from mtshare_ros.errors import ConfigError
from mtshare_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mtshare_ros.model.description import (
    block_profile,
    default_thresholds,
    from_header,
    TaskThresholds,
    to_header,
)


@pytest.fixture
def calibrated(tiny_description):
    thresholds = TaskThresholds((0.0, 0.25), (0.5, 0.125))
    return replace(tiny_description, thresholds={'depth': thresholds}, calibration='By hand.')


def header_with(description, **values):
    return to_header(description) | {key: json.dumps(value) for key, value in values.items()}


@pytest.mark.parametrize('value', [-0.1, float('nan'), float('inf')])
def test_a_threshold_no_gate_can_use_is_refused(value):
    with pytest.raises(ConfigError, match=r'temporal\[1\] is .*a finite number, 0 or more'):
        TaskThresholds((0.1, value), (0.0, 0.0))


def test_scaling_multiplies_each_kind_by_its_factor():
    scaled = TaskThresholds((1.0, 2.0), (3.0, 4.0)).scaled(temporal=2.0, task=0.5)
    assert scaled == TaskThresholds((2.0, 4.0), (1.5, 2.0))


@pytest.mark.parametrize('shared_blocks, task', [(-1, (False, False)), (1, (False, True))])
def test_default_task_thresholds_begin_above_the_prefix(shared_blocks, task):
    thresholds = default_thresholds(replace(TINY, shared_blocks=shared_blocks))
    assert all(value > 0 for value in thresholds.temporal)
    assert tuple(value > 0 for value in thresholds.task) == task


def test_backbones_that_never_met_the_gates_begin_with_half_the_thresholds():
    public = default_thresholds(replace(TINY, stem='patch'))
    assert public.temporal == default_thresholds(TINY).scaled(temporal=0.5).temporal


@pytest.mark.parametrize('depth', [1, 2, 12])
def test_the_profile_falls_and_keeps_the_mean(depth):
    profile = block_profile(depth)
    assert len(profile) == depth
    assert sum(profile) / depth == pytest.approx(1)
    assert list(profile) == sorted(profile, reverse=True)
    assert min(profile) >= 0.5


def test_a_header_brings_back_thresholds_and_calibration(calibrated):
    assert from_header(to_header(calibrated), 'memory') == calibrated


def test_a_file_brings_back_thresholds_and_calibration(calibrated, tiny_model, tmp_path):
    path = tmp_path / 'calibrated.safetensors'
    save_checkpoint(path, load_checkpoint(tiny_model).network, calibrated)
    assert load_checkpoint(path).description == calibrated


def test_a_file_without_the_new_keys_has_no_thresholds_and_shares_every_block(
        tiny_model, tmp_path):
    header = read_header(tiny_model)
    for key in ('thresholds', 'calibration'):
        del header[key]
    architecture = json.loads(header['architecture'])
    del architecture['shared_blocks']
    path = tmp_path / 'old.safetensors'
    save_file(load_file(tiny_model), path,
              metadata=header | {'architecture': json.dumps(architecture)})

    description = load_checkpoint(path).description

    assert description.thresholds == {} and description.calibration == ''
    assert description.architecture.shared_depth == description.architecture.depth


def test_thresholds_of_a_task_the_model_lacks_are_refused(calibrated):
    with pytest.raises(ConfigError, match="thresholds is 'depth'; allowed is one of semseg"):
        replace(calibrated, tasks=('semseg',))


@pytest.mark.parametrize('thresholds, text', [
    ({'depth': {'temporal': [0.1], 'task': [0.1, 0.1]}},
     'memory: header: the number of temporal thresholds of depth is 1; allowed is 2'),
    ({'depth': {'temporal': [0.1, 0.1], 'task': []}}, 'number of task thresholds of depth is 0'),
    ({'depth': {'temporal': [0.1, -1], 'task': [0.1, 0.1]}},
     r'memory: header: thresholds: depth: temporal\[1\] is -1'),
    ({'depth': {'temporal': [0.1, 0.1]}}, "thresholds: depth: the key 'task' is missing"),
    ([0.1], 'memory: header: thresholds: expected thresholds by task'),
])
def test_thresholds_that_do_not_fit_are_refused_with_their_origin(
        tiny_description, thresholds, text):
    with pytest.raises(ConfigError, match=text):
        from_header(header_with(tiny_description, thresholds=thresholds), 'memory')
