"""``mtshare train``."""

from dataclasses import replace
import json
import os
from pathlib import Path
import shutil
import socket
import subprocess
import sys

import pytest
from safetensors.torch import load_file, save_file
import torch
import yaml

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('numba', reason='rendering needs the extra [rooms]')
pytest.importorskip('tensorboard', reason='the log needs the extra [train]')

from tiny import TINY  # noqa: E402
from waiting import PATIENCE_S  # noqa: E402

from mtshare_ros.cli.train import train as train_command  # noqa: E402
from mtshare_ros.config import to_values  # noqa: E402
from mtshare_ros.data.rooms.video import RoomVideo  # noqa: E402
from mtshare_ros.errors import MtshareError, TrainingError  # noqa: E402
from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.model.checkpoint import load_checkpoint  # noqa: E402

ROOT = Path(__file__).parents[3]
SIZE = [48, 64]
SHAPE = replace(TINY, input_size=tuple(SIZE), shared_blocks=1)
FOLDERS = ['semseg/base', 'semseg/base-temporal', 'depth/delta-weights', 'depth/delta-tune',
           'depth/delta-activations', 'depth/single-task', 'multi-task']


def recipe(*stages, **values):
    """Return a recipe of which every stage has one or two steps."""
    architecture = {name: list(value) if isinstance(value, tuple) else value
                    for name, value in to_values(SHAPE).items()}
    phase = {'input_size': SIZE, 'batch_size': 4, 'images': 8}
    clip_phase = {**phase, 'batch_size': 2, 'images': 2}
    clips = ('base-temporal', 'delta-activations')
    return {'architecture': architecture, 'tasks': ['semseg', 'depth'],
            'data': {'frames': 8, 'clips': 2, 'height': SIZE[0], 'width': SIZE[1]},
            'validation_views': 1, 'precision': 'fp32',
            'stages': {name: {'phases': [clip_phase if name in clips else phase]}
                       for name in stages}, **values}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Write a recipe with all stages into a folder."""
    folder = tmp_path_factory.mktemp('training')
    names = [name.split('/')[-1] for name in FOLDERS]
    (folder / 'tiny.yaml').write_text(yaml.safe_dump(recipe(*names)))
    return folder


@pytest.fixture(scope='module')
def trained(command_in, folder):
    """Run the real command on the recipe; return the folder of its runs."""
    result = command_in(folder, 'train', 'tiny.yaml', '--output', 'run', '--data', 'rooms',
                        '--device', 'cpu', '--threads', 1)
    assert result.returncode == 0, result.stderr
    return folder / 'run'


@pytest.fixture
def train(folder):
    """Return a function that does what the command does, in this process."""
    def run(output, **options):
        train_command(folder / 'tiny.yaml', folder / output, data=folder / 'rooms', device='cpu',
                      **options)
    return run


def test_every_stage_ends_with_a_model_its_figures_and_a_log(trained):
    for name in FOLDERS:
        description = load_checkpoint(trained / name / 'model.safetensors').description
        figures = json.loads((trained / name / 'metrics.json').read_text())
        assert set(figures['metrics']) == set(description.tasks)
        assert list((trained / name / 'log').glob('events*'))


def test_a_model_says_what_it_was_trained_on(trained):
    path = trained / 'depth/delta-activations/model.safetensors'
    description = load_checkpoint(path).description

    # 8 + 2 x 2 + 8 + 8 + 2 x 2, a clip counting twice
    assert description.trained_on == '32 images of rooms, stage delta-activations'
    assert description.architecture == SHAPE
    assert description.depth_range[0] < description.depth_range[1]


def test_the_model_of_all_tasks_loads_and_predicts(trained):
    engine = Engine(load_checkpoint(trained / 'model.safetensors'), device='cpu')

    image = RoomVideo(seed=1, motion='static', height=SIZE[0], width=SIZE[1]).frame(0).image
    prediction = engine.infer(image)

    assert engine.tasks == ('semseg', 'depth')
    assert prediction.depth.shape == prediction.mask.shape == (48, 64)


def test_finished_stages_are_not_trained_again(train, trained, capsys):
    before = {path: path.stat().st_mtime_ns for path in trained.glob('*/**/model.safetensors')}

    train('run')

    assert capsys.readouterr().out.count('finished already') == len(FOLDERS) == len(before)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_one_stage_of_one_task_can_be_trained_anew_and_is_the_same(train, trained, folder):
    shutil.copytree(trained, folder / 'copy')
    shutil.rmtree(folder / 'copy/depth/delta-tune')

    train('copy', stage='delta-tune', task='depth')

    first, second = (load_file(path / 'depth/delta-tune/model.safetensors')
                     for path in (trained, folder / 'copy'))
    assert all(value.equal(second[name]) for name, value in first.items())


def test_another_configuration_is_refused_for_the_same_folder(train, trained, folder):
    shutil.copytree(trained / 'multi-task', folder / 'half/multi-task')
    (folder / 'half/multi-task/finished').unlink()

    with pytest.raises(TrainingError, match='half/multi-task holds a run with another config'):
        train('half', stage='multi-task', settings=['seed=1'])


@pytest.mark.parametrize('options, expected', [
    ({'stage': 'delta-tune', 'task': 'depth'},
     'depth/delta-weights: the stage delta-weights of depth, which delta-tune continues, is '
     r'not finished; train it first \(--stage delta-weights --task depth\)'),
    ({'stage': 'warm-up'}, "stage is 'warm-up'; allowed is all or any of base, base-temporal"),
    ({'task': 'normals'}, "task is 'normals'; allowed is any of semseg, depth"),
    ({'settings': ['stages.base.rate=1']}, "unknown key 'rate'; allowed are phases, optimizer"),
    ({'settings': ['data.name=kitti']}, "data.name is 'kitti'; allowed is one of rooms, nyud"),
    ({'settings': ['data.name=nyud']}, 'nyud is read from a folder; name it: --root DIR'),
])
def test_what_cannot_be_trained_is_refused_with_what_can(train, options, expected):
    with pytest.raises(MtshareError, match=expected):
        train('new', **options)


def test_an_unknown_key_is_named_with_the_allowed_ones(command, tmp_path):
    (tmp_path / 'wrong.yaml').write_text('stages: {}\nepochs: 3\n')

    result = command('train', 'wrong.yaml', '--output', 'run')

    assert result.returncode == 1 and 'Traceback' not in result.stderr
    assert "wrong.yaml: unknown key 'epochs'; allowed are stages" in result.stderr


@pytest.mark.slow
def test_two_processes_render_once_and_train_stage_after_stage(tmp_path):
    (tmp_path / 'two.yaml').write_text(yaml.safe_dump(recipe('base', 'base-temporal')))
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]

    result = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2', '--master-addr',
         '127.0.0.1', '--master-port', str(port), '-m', 'mtshare_ros.cli.main', 'train',
         'two.yaml', '--output', 'run', '--data', 'rooms', '--device', 'cpu', '--threads', '1'],
        cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
        capture_output=True, text=True, timeout=PATIENCE_S)

    assert result.returncode == 0, result.stderr
    assert result.stdout.count('base/model.safetensors') == 1
    assert load_checkpoint(tmp_path / 'run/semseg/base-temporal/model.safetensors')


def test_the_command_tells_what_the_initial_weights_gave(folder, trained, tmp_path, capsys):
    tensors = {name: value.float() for name, value in load_file(
        trained / 'semseg/base/model.safetensors').items() if name.startswith(('blocks.', 'norm'))}
    path = tmp_path / 'vit.safetensors'
    save_file({**tensors, 'pos_embed': torch.zeros(1, 4, 32),
               'patch_embed.proj.weight': torch.zeros(32, 3, 16, 16),
               'patch_embed.proj.bias': torch.zeros(32)}, path)

    train_command(folder / 'tiny.yaml', tmp_path / 'run', data=folder / 'rooms', device='cpu',
                  stage='base', settings=[f'initial={path}'])

    told = capsys.readouterr().err
    assert f'vit.safetensors: {len(tensors)} of {len(tensors) + 3} tensors were read' in told
    assert 'left out: position.table: learnt positions' in told
    assert 'left out: stem.proj.weight and 1 more: the stem' in told
    assert 'starts from random weights: stem, heads.semseg' in told
