"""``mtshare demo`` with its dashboard."""

import os
from pathlib import Path
import re
import signal
import socket
import subprocess
import sys
import urllib.request

from absent_modules import block
import pytest
from ros_processes import bound_to_tests
from waiting import PATIENCE_S

pytest.importorskip('rclpy', reason='the demo needs ROS 2')
pytest.importorskip('numba', reason='the simulated camera needs the extra [rooms]')
pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('tornado', reason='the dashboard needs the extra [dashboard]')

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start(tmp_path, tiny_model):
    """Return a function that starts the demo; what is left of it at the end is ended."""
    started = []

    def run(*arguments, without=()):
        environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'ROS_LOG_DIR': str(tmp_path),
                       'PYTHONUNBUFFERED': '1'}
        environment.pop('ROS_DOMAIN_ID', None)
        if without:
            environment['PYTHONPATH'] = f'{block(tmp_path, *without)}{os.pathsep}{ROOT}'
        command = [sys.executable, '-m', 'mtshare_ros.cli.main', 'demo', '--model', tiny_model,
                   '--rate', 10, '--duration', 0, *arguments]
        started.append(subprocess.Popen(
            bound_to_tests(command, 'TERM'), cwd=tmp_path, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield run
    for process in started:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def read_up_to(process, text):
    """Return standard output up to a line that holds ``text``."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return ''.join(lines)
    raise AssertionError(f'the demo ended without {text!r}: {process.stderr.read()}')


@pytest.mark.slow
def test_the_address_that_the_demo_prints_shows_the_dashboard_until_the_end(start):
    process = start()
    url = re.search(r'dashboard: (\S+)', read_up_to(process, 'inference')).group(1)

    with urllib.request.urlopen(url) as page:
        assert b'Perception' in page.read()

    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    with pytest.raises(OSError):
        urllib.request.urlopen(url)


def test_a_port_in_use_ends_the_demo_with_its_number(start):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]

        _, errors = start('--port', port).communicate(timeout=PATIENCE_S)

    assert f'port {port} on 127.0.0.1 is in use' in errors


@pytest.mark.slow
def test_without_the_extra_the_demo_runs_and_says_what_is_missing(start):
    process = start(without=['tornado'])

    read_up_to(process, 'inference')
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0
    assert "pip install 'mtshare_ros[dashboard]'" in errors
