"""What holds for every command: help, errors, exit codes."""

import errno
import json
import os
from pathlib import Path
import re
import shlex
import signal
import subprocess
import sys
import warnings

import pytest
from waiting import PATIENCE_S, wait_until

from mtshare_ros import __version__

typer = pytest.importorskip('typer', reason='the command line needs the extra [cli]')

from mtshare_ros.cli.app import app, COMMANDS  # noqa: E402
from mtshare_ros.cli.main import main  # noqa: E402
from mtshare_ros.errors import DatasetWarning  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
GROUP = typer.main.get_command(app)
CONTEXT = typer.Context(GROUP, info_name='mtshare')


def leaves(group=GROUP, before=()):
    """Yield the words of every command that does something, with that command."""
    for name in group.list_commands(CONTEXT):
        command = group.get_command(CONTEXT, name)
        if hasattr(command, 'list_commands'):
            yield from leaves(command, (*before, name))
        else:
            yield (*before, name), command


LEAVES = dict(leaves())
PAGES = [(), ('models',), ('render',), *LEAVES]


def every(pages):
    return pytest.mark.parametrize('words', pages, ids=lambda words: ' '.join(words) or 'overview')


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


@every(LEAVES)
def test_every_command_has_examples_of_itself(words):
    examples = help_of(words).split('Examples:')[-1]

    assert f'mtshare {" ".join(words)}' in examples


@every(PAGES)
def test_every_line_that_a_help_shows_can_be_typed(words):
    lines = list(lines_to_type(help_of(words)))

    assert lines
    for line in lines:
        parse(shlex.split(line))


def test_a_line_with_an_option_that_is_gone_would_be_found():
    with pytest.raises(Exception, match='--gone'):
        parse(['bench', '--gone'])


@every(PAGES)
@pytest.mark.parametrize('columns', [80, 120])
def test_every_help_fits_the_terminal(words, columns):
    assert max(map(len, help_of(words, columns).splitlines())) <= columns


@every(LEAVES)
def test_every_option_names_its_value_in_words(words):
    # a bare <int range> or <path> is what comes out where nobody thought of a name
    assert not re.findall(r'^ +--.*<(?:str|int|float|path|list).*>', help_of(words), re.MULTILINE)


def help_of(words, columns=80):
    """Return the help of a command as a terminal shows it."""
    command = LEAVES.get(words) or GROUP
    if words and words not in LEAVES:
        command = GROUP.get_command(CONTEXT, words[0])
    width = {'terminal_width': columns, 'max_content_width': 100}
    context = typer.Context(command, info_name=' '.join(('mtshare', *words)), **width)
    return command.get_help(context)


def lines_to_type(text):
    """Yield what stands behind ``mtshare`` in the lines of a help that are to be copied."""
    for line in re.sub(r' \\\n +', ' ', text).splitlines():
        for part in re.split(r'  +|, (?=mtshare)', line.strip()):
            found = re.match(r'(?:mtshare|torchrun .* mtshare_ros.cli.main) (.*)', part)
            if found and not line.strip().startswith('Usage:'):
                yield found[1]


def parse(words):
    """Parse the words of a command without running it."""
    depth = next(length for length in (2, 1) if tuple(words[:length]) in LEAVES)
    if '--help' not in words:
        LEAVES[tuple(words[:depth])].make_context(words[0], words[depth:])


def test_a_command_ends_without_a_search_for_garbage():
    code = ('import gc\nfrom mtshare_ros.cli.main import main\n'
            'try: main()\nfinally: print(gc.get_freeze_count() > 1000)')
    ended = subprocess.run(
        [sys.executable, '-c', code, '--version'], capture_output=True, text=True)
    assert ended.stdout.endswith('\nTrue\n'), ended.stderr


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


def test_a_defect_of_ours_shows_its_traceback():
    result = run_python(
        'import mtshare_ros.model.manifest as manifest\n'
        'def broken(): raise RuntimeError("a defect")\n'
        'manifest.load_manifest = broken\n'
        'main()\n', 'models', 'list')

    assert result.returncode == 1
    assert 'Traceback' in result.stderr
    assert result.stderr.endswith('RuntimeError: a defect\n')


def run_python(code, *words):
    """Run ``main`` with words in a process that something was done to before."""
    start = f'import sys\nfrom mtshare_ros.cli.main import main\nsys.argv[1:] = {words}\n'
    return subprocess.run([sys.executable, '-c', start + code], capture_output=True, text=True,
                          env={**os.environ, 'PYTHONPATH': str(ROOT)}, timeout=PATIENCE_S)


@pytest.mark.parametrize('words', [['--help'], ['models', 'list'], ['models', 'info']])
def test_a_reader_that_has_gone_is_no_error(words):
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run([sys.executable, '-m', 'mtshare_ros.cli.main', *words], stdout=write,
                            stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S,
                            env={**os.environ, 'PYTHONPATH': str(ROOT)})
    os.close(write)

    assert result.stderr == ''


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='there is no /dev/full to write to')
def test_a_full_disk_is_named_without_a_traceback():
    with open('/dev/full', 'w') as full:
        result = subprocess.run(
            [sys.executable, '-m', 'mtshare_ros.cli.main', 'models', 'list'], stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S,
            env={**os.environ, 'PYTHONPATH': str(ROOT)})

    assert result.returncode == 1
    assert result.stderr.startswith('mtshare: error: ')
    assert os.strerror(errno.ENOSPC) in result.stderr
    assert 'Traceback' not in result.stderr


def test_the_overview_says_what_the_exit_codes_mean(command):
    text = command('--help').stdout

    codes = re.findall(r'^ +(?:Exit codes:)? +(\d+)  \w', text, re.MULTILINE)
    assert codes == ['0', '1', '2', '130']


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
    wait_for_frames(tmp_path / 'frames' / 'meta.json')
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, errors
    assert 'Traceback' not in errors


def wait_for_frames(meta):
    """Wait for rendering, beyond the loading of its kernels: numba may swallow an interrupt."""
    wait_until(lambda: meta.exists() and json.loads(meta.read_text())['done'], f'frames in {meta}')


def test_a_doubtful_data_set_is_one_line_on_standard_error(monkeypatch):
    monkeypatch.setattr(warnings, 'formatwarning', warnings.formatwarning)
    monkeypatch.setattr(sys, 'argv', ['mtshare', '--version'])
    with pytest.raises(SystemExit):
        main()
    text = warnings.formatwarning(DatasetWarning('a.npy: odd'), DatasetWarning, 'a.py', 1)
    assert text == 'mtshare: warning: a.npy: odd\n'
    assert 'a.py:1: UserWarning: odd' in warnings.formatwarning(
        UserWarning('odd'), UserWarning, 'a.py', 1)
