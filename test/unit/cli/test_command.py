"""What holds for every command: help, errors, exit codes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from mtshare_ros import __version__

typer = pytest.importorskip('typer', reason='the command line needs the extra [cli]')

from mtshare_ros.cli.app import COMMANDS  # noqa: E402

LEAVES = [['demo'], ['bench'], ['evaluate'], ['render', 'clip'], ['render', 'frames'], ['train'],
          ['models', 'list'], ['models', 'verify'], ['models', 'info']]


def test_the_overview_names_every_command(command):
    result = command('--help')
    assert result.returncode == 0
    assert all(f'\n  {name} ' in result.stdout for name in COMMANDS)


def test_no_command_shows_the_overview(command):
    result = command()
    assert 'Commands:' in result.stdout + result.stderr


def test_the_overview_loads_nothing_heavy():
    code = ('import sys\n'
            'from typer.testing import CliRunner\n'
            'from mtshare_ros.cli.app import app\n'
            'assert CliRunner().invoke(app, ["--help"]).exit_code == 0\n'
            'heavy = {"torch", "numba", "rclpy", "numpy"} & set(sys.modules)\n'
            'sys.exit(f"loaded {heavy}" if heavy else 0)\n')
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize('words', LEAVES, ids=' '.join)
def test_every_command_has_examples(command, words):
    result = command(*words, '--help')
    assert result.returncode == 0, result.stderr
    examples = result.stdout.split('Examples:')[-1]
    assert f'mtshare {" ".join(words)}' in examples


def test_the_version_is_printed(command):
    assert command('--version').stdout == f'mtshare_ros {__version__}\n'


@pytest.mark.parametrize('words', [['nonsense'], ['evaluate', '--nonsense'],
                                   ['evaluate', '--split', 'train'], ['models', 'nonsense']])
def test_wrong_usage_ends_with_code_two(command, words):
    result = command(*words)
    assert result.returncode == 2
    assert words[-1] in result.stderr


def test_an_error_of_the_user_is_one_line_without_a_traceback(command, tmp_path):
    result = command('models', 'info', tmp_path / 'absent.safetensors')
    assert result.returncode == 1
    assert result.stderr.startswith('mtshare: error: ')
    assert 'absent.safetensors' in result.stderr
    assert 'Traceback' not in result.stderr


def test_without_the_libraries_of_the_command_line_the_extra_is_named(command):
    result = command('--help', without='typer')
    assert result.returncode == 1
    assert "pip install 'mtshare_ros[cli]'" in result.stderr
    assert 'Traceback' not in result.stderr


def test_ctrl_c_ends_with_code_130_and_the_work_can_go_on(tmp_path):
    pytest.importorskip('numba', reason='rendering needs the extra [rooms]')
    words = [sys.executable, '-m', 'mtshare_ros.cli.main', 'render', 'frames',
             str(tmp_path / 'frames'), '--count', '100000', '--width', '32', '--height', '32']
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    wait_for(tmp_path / 'frames' / 'meta.json')
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert 'Traceback' not in errors


def wait_for(path, limit_s=30):
    deadline = time.monotonic() + limit_s
    while not path.exists():
        assert time.monotonic() < deadline, f'{path} did not appear'
        time.sleep(0.05)
