"""``mtshare train``."""

import json

import pytest
import yaml

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('numba', reason='rendering needs the extra [rooms]')
pytest.importorskip('tensorboard', reason='the log needs the extra [train]')

from tiny import TINY  # noqa: E402

from mtshare_ros.config import to_values  # noqa: E402
from mtshare_ros.model.checkpoint import load_checkpoint  # noqa: E402


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Write the configuration of a very short run into a folder."""
    folder = tmp_path_factory.mktemp('training')
    architecture = {name: list(value) if isinstance(value, tuple) else value
                    for name, value in to_values(TINY).items()}
    (folder / 'short.yaml').write_text(yaml.safe_dump({
        'phases': [{'input_size': [96, 128], 'downscale': 1, 'batch_size': 2, 'images': 8}],
        'architecture': architecture, 'rooms': {'frames': 8, 'height': 96, 'width': 128},
        'validation_views': 2, 'save_every_steps': 2}))
    return folder


@pytest.fixture(scope='module')
def trained(command_in, folder):
    return command_in(folder, 'train', 'short.yaml', '--output', 'run', '--data', 'frames',
                      '--threads', 1)


def test_a_run_ends_with_a_model_its_figures_and_a_log(trained, folder):
    assert trained.returncode == 0, trained.stderr
    description = load_checkpoint(folder / 'run/model.safetensors').description
    assert description.architecture == TINY
    assert description.depth_range[0] < description.depth_range[1]
    figures = json.loads((folder / 'run/metrics.json').read_text())
    assert figures['step'] == 4 and set(figures['metrics']) == set(description.tasks)
    assert list((folder / 'run/log').glob('events*'))


def test_a_finished_run_has_nothing_left_to_do(command_in, trained, folder):
    before = (folder / 'run/state.pt').read_bytes()

    again = command_in(folder, 'train', 'short.yaml', '--output', 'run', '--data', 'frames')

    assert again.returncode == 0, again.stderr
    assert (folder / 'run/state.pt').read_bytes() == before


def test_another_configuration_is_refused_for_the_same_folder(command_in, trained, folder):
    other = command_in(folder, 'train', 'short.yaml', '--output', 'run', '--data', 'frames',
                       '--set', 'seed=1')

    assert other.returncode == 1
    assert 'holds a run with another configuration' in other.stderr
    assert 'Traceback' not in other.stderr


def test_an_unknown_key_is_named_with_the_allowed_ones(command, tmp_path):
    (tmp_path / 'wrong.yaml').write_text('phases: []\nepochs: 3\n')

    result = command('train', 'wrong.yaml', '--output', 'run')

    assert result.returncode == 1
    assert "unknown key 'epochs'" in result.stderr and 'phases' in result.stderr
