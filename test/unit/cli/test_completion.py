"""What the TAB key offers, asked for as the shell asks."""

import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest
from waiting import PATIENCE_S

typer = pytest.importorskip('typer', reason='the command line needs the extra [cli]')

from mtshare_ros.cli.app import COMMANDS  # noqa: E402
from mtshare_ros.cli.options import offer_models  # noqa: E402
from mtshare_ros.data.rooms.motions import CAMERA_MOTIONS  # noqa: E402
from mtshare_ros.model.manifest import load_manifest  # noqa: E402
from mtshare_ros.tasks import TASKS  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
START = [sys.executable, '-m', 'mtshare_ros.cli.main']
HEAVY = ('torch', 'numba', 'rclpy', 'rich')


def ask(line, *, start=START, **environment):
    """Return the answer when TAB is pressed at the end of a line, as bash asks for it."""
    words = line.split(' ')
    result = subprocess.run(
        start, capture_output=True, text=True, timeout=PATIENCE_S,
        env={**os.environ, 'PYTHONPATH': str(ROOT), '_MTSHARE_COMPLETE': 'complete_bash',
             'COMP_WORDS': line, 'COMP_CWORD': str(len(words) - 1), **environment})
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    return result.stdout.split()


def test_every_command_is_offered_in_the_order_of_the_overview():
    assert ask('mtshare ') == list(COMMANDS)


@pytest.mark.parametrize(('line', 'words'), [
    ('mtshare ev', {'evaluate'}),
    ('mtshare --ver', {'--version'}),
    ('mtshare render ', {'clip', 'frames'}),
    ('mtshare demo --mot', {'--motion'}),
    ('mtshare demo --motion ', set(CAMERA_MOTIONS)),
    ('mtshare demo --motion dr', {'drive', 'drive-0.5', 'drive-1'}),
    ('mtshare evaluate --device cu', {'cuda', 'cuda:0'}),
    ('mtshare bench --block f', {'fast'}),
    ('mtshare train x.yaml --task ', set(TASKS)),
    ('mtshare bench --tasks dep', {'depth'}),
])
def test_the_beginning_of_a_word_is_completed(line, words):
    assert set(ask(line)) == words


def test_a_list_of_tasks_goes_on_with_those_that_are_missing():
    offered = ask('mtshare bench --tasks depth,edge,')

    assert offered == [f'depth,edge,{name}' for name in TASKS if name not in ('depth', 'edge')]


@pytest.mark.parametrize('line', ['mtshare models info ', 'mtshare demo --model ',
                                  'mtshare bench --model '])
def test_the_shipped_models_are_offered_where_a_model_is_wanted(line):
    assert ask(line) == ['default', *load_manifest().models]


@pytest.mark.parametrize('line', ['mtshare models info ./', 'mtshare evaluate runs/rooms',
                                  'mtshare bag ', 'mtshare demo --sheet '])
def test_where_a_file_is_meant_the_shell_is_left_to_offer_files(line):
    assert ask(line) == []


@pytest.mark.parametrize('line', ['mtshare ', 'mtshare models info ', 'mtshare bench --tasks '])
def test_nothing_heavy_is_imported_for_it(line, tmp_path):
    # an import of what is None in the table of modules fails
    (tmp_path / 'sitecustomize.py').write_text(
        f'import sys\nsys.modules.update(dict.fromkeys({HEAVY}))\n')

    assert ask(line, PYTHONPATH=f'{tmp_path}{os.pathsep}{ROOT}')


@pytest.mark.parametrize(('shell', 'expected'), [
    ('zsh', '"bench":"Measure how fast this machine is."'),
    ('fish', 'bench\tMeasure how fast this machine is.'),
])
def test_other_shells_also_show_what_a_command_is_for(shell, expected):
    environment = {**os.environ, 'PYTHONPATH': str(ROOT),
                   '_MTSHARE_COMPLETE': f'complete_{shell}', '_TYPER_COMPLETE_ARGS': 'mtshare be',
                   '_TYPER_COMPLETE_FISH_ACTION': 'get-args'}
    result = subprocess.run(
        START, capture_output=True, text=True, env=environment, timeout=PATIENCE_S)

    assert expected in result.stdout


def test_a_damaged_manifest_leaves_the_prompt_alone(monkeypatch, tmp_path):
    (tmp_path / 'models').mkdir()
    (tmp_path / 'models' / 'manifest.yaml').write_text('models: [')
    monkeypatch.setattr('mtshare_ros.model.manifest.share_directory', lambda: tmp_path)

    assert offer_models() == []


def test_bash_completes_with_the_script_that_is_installed(tmp_path):
    bash = shutil.which('bash')
    if bash is None:
        pytest.skip('bash is not installed')
    command = tmp_path / 'mtshare'
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mtshare_ros.cli.main "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'HOME': str(tmp_path),
                   'PATH': f'{tmp_path}{os.pathsep}{os.environ["PATH"]}'}

    run_bash(bash, 'mtshare --install-completion', environment)
    answer = run_bash(
        bash, 'source ~/.bashrc; COMP_WORDS=(mtshare models v) COMP_CWORD=2; '
        '_mtshare_completion mtshare; echo "${COMPREPLY[@]}"', environment)

    assert answer.stdout == 'verify\n'


def run_bash(bash, script, environment):
    # a second command keeps bash from giving its process to the first: it is asked which shell
    result = subprocess.run([bash, '-c', f'{script}; exit $?'], capture_output=True, text=True,
                            env=environment, timeout=PATIENCE_S)
    assert result.returncode == 0, result.stderr
    return result
