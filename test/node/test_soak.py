"""``mtshare soak``: a minute of faults into the real node, and the verdict that CI relies on."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys

import pytest
from ros_processes import bound_to_tests
from waiting import PATIENCE_S, wait_until

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
psutil = pytest.importorskip('psutil', reason='looking for orphans needs psutil')

from mtshare_ros.nodes.trials.soak_input_faults import INPUT_FAULTS  # noqa: E402
from mtshare_ros.nodes.trials.soak_request_faults import REQUEST_FAULTS  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a soak; what is left of it at the end is told to stop."""
    started = []

    def run(*arguments):
        environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'ROS_LOG_DIR': str(tmp_path),
                       'PYTHONUNBUFFERED': '1'}
        environment.pop('ROS_DOMAIN_ID', None)
        command = [sys.executable, '-m', 'mtshare_ros.cli.main', 'soak', *map(str, arguments)]
        started.append(psutil.Popen(
            bound_to_tests(command, 'TERM'), cwd=tmp_path, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=PATIENCE_S)


def wait_for_the_node(process):
    """Wait until the node runs and return its process."""
    found = []

    def runs():
        found[:] = [child for child in process.children()
                    if 'perception_node' in ' '.join(child.cmdline())]
        return found

    wait_until(runs, 'the node')
    return found[0]


def wait_for_faults(process):
    """Read standard output until faults are being injected."""
    for line in process.stdout:
        if '   now: ' in line:
            return
    raise AssertionError('the soak ended before its first fault')


@pytest.mark.slow
@pytest.mark.fault(24)
def test_a_minute_of_faults_breaks_no_promise(start, tiny_model, tmp_path):
    process = start('--duration', 60, '--model', tiny_model, '--json', 'soak.json')

    output, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0, output + errors
    assert 'Every promise holds.' in output
    record = json.loads((tmp_path / 'soak.json').read_text())
    known = {fault.name for fault in (*INPUT_FAULTS, *REQUEST_FAULTS)}
    assert record['holds'] and {item['name'] for item in record['outcomes']} <= known
    assert record['usage'][-1]['at_s'] > 50


@pytest.mark.slow
def test_the_death_of_the_node_is_a_broken_promise(start, tiny_model):
    process = start('--duration', 300, '--model', tiny_model)
    node = wait_for_the_node(process)
    wait_for_faults(process)

    node.kill()
    output, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 1, errors
    assert 'perception_node ended with code -9' in output
    assert 'Traceback' not in errors


@pytest.mark.slow
def test_ctrl_c_ends_a_soak_with_its_figures_and_without_orphan(start, tiny_model):
    process = start('--duration', 300, '--model', tiny_model)
    node = wait_for_the_node(process)
    wait_for_faults(process)

    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 130, errors
    assert 'Faults, seed 0' in output
    assert 'Traceback' not in errors
    assert not node.is_running()


def test_a_damaged_model_ends_a_soak_with_the_words_of_the_node(start, tmp_path):
    path = tmp_path / 'damaged.safetensors'
    path.write_bytes(b'x' * 100)

    process = start('--model', path)
    _, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 1
    assert 'damaged.safetensors' in errors and 'Traceback' not in errors
