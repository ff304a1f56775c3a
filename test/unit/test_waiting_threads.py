"""Threads that leave cores to other programs, wherever PyTorch is loaded from."""

import json
import os
from pathlib import Path
import re
import subprocess
import sys

import pytest

from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.threads import thread_notices, waiting_variables

ROOT = Path(__file__).resolve().parents[2]
NAMES = ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY')

# Each entry point begins in a process of its own, which ends where it first asks for PyTorch.
ENTRIES = """
import importlib, json, os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == 'torch':
            os.write(1, json.dumps([entry, os.environ.get('GOMP_SPINCOUNT')]).encode() + b'\\n')
            os._exit(0)

def begin(entry):
    module, _, command = entry.partition(' ')
    main = importlib.import_module(module).main
    if command:
        sys.argv = ['mtshare', *command.split()]
        main()

sys.meta_path.insert(0, Watch())
for entry in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            begin(entry)
        finally:
            os._exit(1)
    os.waitpid(child, 0)
"""

COMMANDS = ('bench', 'evaluate', 'calibrate', 'train recipe.yaml --output trained',
            'run picture.png --output out', 'bag picture.png out')


def first_seen(folder, entries, **environment):
    """Return by entry point what GOMP_SPINCOUNT was when it asked for PyTorch."""
    kept = {name: value for name, value in os.environ.items() if name not in NAMES}
    result = subprocess.run(
        [sys.executable, '-c', ENTRIES, *entries], cwd=folder, capture_output=True, text=True,
        env={**kept, 'PYTHONPATH': f'{ROOT}:{kept.get("PYTHONPATH", "")}', **environment})
    return dict(map(json.loads, result.stdout.splitlines())), result.stderr


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Make a folder with what the commands ask for."""
    images = pytest.importorskip('PIL.Image')
    made = tmp_path_factory.mktemp('entries')
    images.new('RGB', (64, 48)).save(made / 'picture.png')
    (made / 'recipe.yaml').write_text('')
    return made


def test_every_command_that_computes_lets_threads_sleep_before_pytorch_is_loaded(folder):
    entries = [f'mtshare_ros.cli.main {command}' for command in COMMANDS]
    seen, errors = first_seen(folder, entries)
    assert seen == dict.fromkeys(entries, '1000'), errors


def test_the_node_lets_threads_sleep_before_pytorch_is_loaded(folder):
    pytest.importorskip('rclpy', reason='ROS 2 is neither sourced nor installed')
    seen, errors = first_seen(folder, ['mtshare_ros.nodes.perception.node'])
    assert seen == {'mtshare_ros.nodes.perception.node': '1000'}, errors


def test_processes_that_train_together_do_too(folder):
    entries = ['mtshare_ros.training.processes', 'mtshare_ros.training.trainer']
    seen, errors = first_seen(folder, entries)
    assert seen == dict.fromkeys(entries, '1000'), errors


def test_so_do_these_tests():
    assert any(name in os.environ for name in NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_what_the_user_says_of_waiting_stays(name):
    assert waiting_variables({name: '5'}) == {}


def test_the_users_setting_reaches_the_commands(folder):
    entry = 'mtshare_ros.cli.main bench'
    assert first_seen(folder, [entry], GOMP_SPINCOUNT='7')[0] == {entry: '7'}
    assert first_seen(folder, [entry], OMP_WAIT_POLICY='active')[0] == {entry: None}


def test_openmp_reads_what_the_package_sets():
    kept = {name: value for name, value in os.environ.items() if name not in NAMES}
    told = subprocess.run(
        [sys.executable, '-c', 'import mtshare_ros, torch'], capture_output=True, text=True,
        check=True, cwd=ROOT, env={**kept, 'OMP_DISPLAY_ENV': 'verbose'}).stderr
    found = re.search(r"GOMP_SPINCOUNT = '(\d+)'", told)
    if found is None:
        pytest.skip('PyTorch here does not use the OpenMP of GCC')
    assert found[1] == '1000'


@pytest.mark.parametrize('value', ['true', 'TRUE', ' true'])
def test_a_number_of_threads_that_follows_the_load_is_named(value):
    notice, = thread_notices({'OMP_DYNAMIC': value})
    assert 'the same maps every time' in notice


def test_who_loads_a_model_is_told(tiny_model, monkeypatch):
    monkeypatch.setenv('OMP_DYNAMIC', 'true')
    engine = Engine(load_checkpoint(tiny_model), device='cpu')
    assert any('OMP_DYNAMIC is true' in notice for notice in engine.notices)


@pytest.mark.parametrize('environment', [{}, {'OMP_DYNAMIC': 'false'}])
def test_a_number_of_threads_that_stays_is_no_news(environment):
    assert thread_notices(environment) == ()
