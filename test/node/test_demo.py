"""``mtshare demo``: the real command, the real nodes, real DDS."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys

from absent_modules import block
import pytest
from ros_processes import bound_to_tests
from video_files import write_numbered
from waiting import PATIENCE_S, wait_until

pytest.importorskip('rclpy', reason='the demo needs ROS 2')
pytest.importorskip('numba', reason='the simulated camera needs the extra [rooms]')
pytest.importorskip('typer', reason='the command line needs the extra [cli]')
Image = pytest.importorskip('PIL.Image', reason='the sheet needs the extra [cli]')
psutil = pytest.importorskip('psutil', reason='looking for orphans needs psutil')

from mtshare_ros.inference.map_outputs import METRIC_OUTPUTS  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start(tmp_path):
    """Return a function that starts the demo; what is left of it at the end is killed."""
    started = []

    def run(*arguments, without=None):
        environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'ROS_LOG_DIR': str(tmp_path)}
        environment.pop('ROS_DOMAIN_ID', None)
        if without is not None:
            environment['PYTHONPATH'] = f'{block(tmp_path, without)}{os.pathsep}{ROOT}'
        command = [sys.executable, '-m', 'mtshare_ros.cli.main', 'demo', '--no-dashboard',
                   *map(str, arguments)]
        process = psutil.Popen(
            bound_to_tests(command, 'TERM'), cwd=tmp_path, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=PATIENCE_S)


def finish(process):
    """Wait for the end and return (standard output, standard error)."""
    return process.communicate(timeout=PATIENCE_S)


def wait_for_nodes(process):
    """Wait until both nodes run and return their processes."""
    nodes = []

    def both_run():
        nodes[:] = [child for child in process.children(recursive=True)
                    if 'mtshare_ros.nodes.' in ' '.join(child.cmdline())]
        return len(nodes) == 2

    wait_until(both_run, 'the nodes')
    return nodes


def wait_for_line(process, text):
    """Read standard output up to a line that holds ``text``."""
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f'the demo ended without {text!r}')


def test_a_short_demo_measures_every_output_and_draws_the_sheet(start, tiny_model, tmp_path):
    process = start('--duration', 4, '--model', tiny_model, '--rate', 15,
                    '--json', 'figures.json', '--sheet', 'maps.png')
    output, errors = finish(process)
    assert process.returncode == 0, errors
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert set(figures['output_hz']) == {
        output.topic for output in METRIC_OUTPUTS if not output.latched}
    assert all(rate > 0 for rate in figures['output_hz'].values())
    assert figures['input_hz'] > 0
    assert 0 < figures['age_ms']['p50'] <= figures['age_ms']['p95']
    assert 0 < figures['inference_ms']['p50'] <= figures['inference_ms']['p95']
    assert 0 <= figures['active_fraction'] <= 1
    assert figures['macs_saved_percent'] <= 100
    assert 'computation saved' in output
    assert figures['dropped'] >= 0
    assert 'ros2 launch mtshare_ros' in output
    with Image.open(tmp_path / 'maps.png') as sheet:
        assert sheet.mode == 'RGB'
        assert sheet.width == 1800
        assert sheet.height > 100


@pytest.mark.slow
def test_a_video_takes_the_place_of_the_room(start, tiny_model, tmp_path):
    pytest.importorskip('av', reason='videos need the extra [video]')
    write_numbered(tmp_path / 'walk.mp4', 20)
    process = start('--duration', 3, '--model', tiny_model, '--video', 'walk.mp4', '--rate', 10,
                    '--json', 'figures.json', '--sheet', 'maps.png')
    output, errors = finish(process)
    assert process.returncode == 0, errors
    assert 'starting: walk.mp4 at 10 Hz, model' in output and 'maps 0.0 Hz' not in output
    assert 'perception.launch.py video:=walk.mp4' in output and 'demo.launch.py' not in output
    rates = json.loads((tmp_path / 'figures.json').read_text())['output_hz']
    # nobody said what the camera is, so nothing that needs to know it is made up
    assert {topic for topic, rate in rates.items() if rate == 0} == {
        'depth/camera_info', 'depth/points'}
    with Image.open(tmp_path / 'maps.png') as sheet:
        assert sheet.width == 1800 and sheet.height > 100


@pytest.mark.parametrize(('arguments', 'code', 'words'), [
    (['--video', 'absent.mp4'], 1, 'absent.mp4: there is no such file or folder'),
    (['--video', '97'], 1, 'camera /dev/video97: cannot be opened'),
    (['--video', '97', '--motion', 'pan'], 2, 'leave one of them out'),
])
def test_a_video_that_cannot_be_shown_ends_the_demo_with_the_reason(
        start, tiny_model, arguments, code, words):
    process = start('--model', tiny_model, *arguments)
    _, errors = finish(process)
    assert process.returncode == code
    assert words in ' '.join(errors.replace('│', ' ').split()) and 'Traceback' not in errors


@pytest.mark.slow
def test_ctrl_c_ends_the_demo_with_its_summary_and_without_orphans(start, tiny_model):
    process = start('--duration', 0, '--model', tiny_model, '--rate', 10)
    nodes = wait_for_nodes(process)
    wait_for_line(process, 'inference')
    process.send_signal(signal.SIGINT)
    output, errors = finish(process)
    assert process.returncode == 0, errors
    assert 'Summary' in output
    assert 'Traceback' not in errors
    assert not [node for node in nodes if node.is_running()]


def test_sigterm_before_the_first_map_leaves_no_orphan(start, tiny_model):
    process = start('--duration', 0, '--model', tiny_model)
    nodes = wait_for_nodes(process)
    process.send_signal(signal.SIGTERM)
    _, errors = finish(process)
    assert process.returncode in (0, 130)
    assert 'Traceback' not in errors
    assert not [node for node in nodes if node.is_running()]


@pytest.mark.slow
def test_the_death_of_a_node_ends_the_demo_and_is_named(start, tiny_model):
    process = start('--duration', 0, '--model', tiny_model, '--rate', 10)
    nodes = wait_for_nodes(process)
    wait_for_line(process, 'inference')
    camera = [node for node in nodes if 'sim_camera_node' in ' '.join(node.cmdline())][0]
    camera.kill()
    _, errors = finish(process)
    assert process.returncode == 1
    assert 'sim_camera_node ended with code -9' in errors
    assert not [node for node in nodes if node.is_running()]


def test_a_damaged_model_ends_the_demo_with_the_words_of_the_node(start, tmp_path):
    path = tmp_path / 'damaged.safetensors'
    path.write_bytes(b'x' * 100)
    process = start('--model', path)
    _, errors = finish(process)
    assert process.returncode == 1
    assert 'damaged.safetensors: not a readable safetensors file' in errors
    assert 'Traceback' not in errors


def test_without_the_renderer_the_extra_is_named(start, tiny_model):
    process = start('--model', tiny_model, without='numba')
    _, errors = finish(process)
    assert process.returncode == 1
    assert "pip install 'mtshare_ros[rooms]'" in errors


def test_without_ros_the_way_to_it_is_named(start, tiny_model):
    process = start('--model', tiny_model, without='rclpy')
    _, errors = finish(process)
    assert process.returncode == 1
    assert 'make demo' in errors
    assert 'source /opt/ros/' in errors
    assert 'Traceback' not in errors
