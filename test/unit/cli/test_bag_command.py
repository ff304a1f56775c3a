"""``mtshare bag``."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys

import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('rosbags', reason='bags need the extra [bags]')

from bag_files import (  # noqa: E402
    IMAGE,
    image_message,
    picture,
    read_bag,
    read_bytes,
    START_NS,
    storage_file,
    write_bag,
    write_camera_bag,
)
from typer.testing import CliRunner  # noqa: E402
from waiting import PATIENCE_S, wait_until  # noqa: E402

from mtshare_ros.cli.app import app  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def bag(tiny_model):
    """Return a function that runs the command in this process, which has its libraries loaded."""
    def run(*words):
        given = ('bag', *words, '--model', tiny_model, '--device', 'cpu', '--threads', 1)
        return CliRunner().invoke(app, list(map(str, given)))
    return run


@pytest.fixture
def busy_cores():
    """Have other programs take every core, and end them in the end."""
    others = [subprocess.Popen([sys.executable, '-c', 'while True: pass'])
              for _ in os.sched_getaffinity(0)]
    yield
    for other in others:
        other.kill()
        other.wait()


def start_in_a_process(model, *words):
    command = [sys.executable, '-m', 'mtshare_ros.cli.main', 'bag', *words, '--model', model,
               '--device', 'cpu', '--threads', '1']
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    return subprocess.Popen([str(word) for word in command], env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_segments(target, count, process):
    """Wait until so many segments of an unfinished bag are safe."""
    journal = Path(f'{target}.part/journal.json')

    def are_safe():
        assert process.poll() is None, process.stdout.read()
        return journal.exists() and len(json.loads(journal.read_text())['segments']) >= count

    wait_until(are_safe, f'{count} segments', pause_s=0.005)


def test_figures_go_to_the_terminal_and_the_json_file(bag, tmp_path):
    source = write_camera_bag(tmp_path / 'in', 6)

    result = bag(source, tmp_path / 'out', '--json', tmp_path / 'figures.json')

    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert (figures['frames'], figures['skipped'], figures['resumed_at']) == (6, 0, 0)
    assert 0 < figures['active_fraction'] < 1 and 0 < figures['macs_saved_percent'] < 100
    assert figures['ms']['p50'] > 0 and figures['damage'] == ''
    assert f'{figures["macs_saved_percent"]:.1f}' in result.output
    with_what = figures['computed_with']
    assert (with_what['device'], with_what['threads'], with_what['crossover']) == ('cpu', 1, 1.0)
    assert with_what['weight_layout'] in ('packed', 'plain')


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_goes_on_and_ends_with_the_same_bag(bag, tiny_model, tmp_path, number):
    source = write_camera_bag(tmp_path / 'in', 90)
    words = ('--segment', 5, '--copy-input', '--namespace', 'maps')
    process = start_in_a_process(tiny_model, source, tmp_path / 'out', *words)
    wait_for_segments(tmp_path / 'out', 2, process)
    process.send_signal(number)
    assert process.wait(PATIENCE_S) != 0
    assert not (tmp_path / 'out').exists()

    result = bag(source, tmp_path / 'out', *words, '--json', tmp_path / 'figures.json')

    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert figures['resumed_at'] >= 10 and figures['frames'] == 90
    assert figures['computed'] == 90 - figures['resumed_at']
    assert f'continuing after {figures["resumed_at"]} images' in result.output
    assert bag(source, tmp_path / 'at_once', *words).exit_code == 0
    assert read_bytes(tmp_path / 'out') == read_bytes(tmp_path / 'at_once')
    assert not (tmp_path / 'out.part').exists()


@pytest.mark.slow
def test_a_bag_has_the_same_bytes_beside_programs_that_take_every_core(
        tiny_model, tmp_path, request):
    source = write_camera_bag(tmp_path / 'in', 30)
    for name, load in (('alone', None), ('beside', 'busy_cores')):
        if load is not None:
            request.getfixturevalue(load)
        process = start_in_a_process(tiny_model, source, tmp_path / name)
        assert process.wait(PATIENCE_S) == 0, process.stdout.read()

    assert read_bytes(tmp_path / 'beside') == read_bytes(tmp_path / 'alone')


def test_ctrl_c_says_what_is_safe(tiny_model, tmp_path):
    source = write_camera_bag(tmp_path / 'in', 90)
    process = start_in_a_process(tiny_model, source, tmp_path / 'out', '--segment', 5)
    wait_for_segments(tmp_path / 'out', 1, process)

    process.send_signal(signal.SIGINT)

    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert 'images are in complete files; the same command goes on' in output
    assert 'Traceback' not in output


def test_an_unfinished_bag_of_another_command_is_not_mixed_with(bag, tiny_model, tmp_path):
    source = write_camera_bag(tmp_path / 'in', 90)
    process = start_in_a_process(tiny_model, source, tmp_path / 'out', '--segment', 5)
    wait_for_segments(tmp_path / 'out', 1, process)
    process.kill()
    process.wait(PATIENCE_S)
    other = (source, tmp_path / 'out', '--segment', 5, '--topics', 'edges/image', '--end', 0.5)

    refused = bag(*other)
    assert refused.exit_code == 1
    assert 'the unfinished bag of another command: topics was' in refused.output
    replaced = bag(*other, '--overwrite')
    assert replaced.exit_code == 0, replaced.output
    assert set(read_bag(tmp_path / 'out')) == {'/edges/image'}


def test_an_existing_bag_is_replaced_only_when_asked_to(bag, tmp_path):
    source = write_camera_bag(tmp_path / 'in', 2)
    assert bag(source, tmp_path / 'out').exit_code == 0

    refused = bag(source, tmp_path / 'out')
    assert refused.exit_code == 1 and 'exists already' in refused.output
    assert bag(source, tmp_path / 'out', '--topics', 'edges/image', '--overwrite').exit_code == 0
    assert set(read_bag(tmp_path / 'out')) == {'/edges/image'}


def test_a_folder_that_is_no_bag_is_never_overwritten(bag, tmp_path):
    (tmp_path / 'letters').mkdir()
    (tmp_path / 'letters/one.txt').write_text('mine')

    result = bag(write_camera_bag(tmp_path / 'in', 1), tmp_path / 'letters', '--overwrite')

    assert result.exit_code == 1 and 'is no bag, so it is not overwritten' in result.output
    assert (tmp_path / 'letters/one.txt').read_text() == 'mine'


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_the_good_part_of_a_damaged_bag_is_computed_and_the_exit_code_is_1(
        bag, tmp_path, storage):
    source = write_camera_bag(tmp_path / 'in', 60, storage)  # two chunks of mcap
    file = storage_file(source)
    file.write_bytes(file.read_bytes()[:int(0.6 * file.stat().st_size)])

    result = bag(source, tmp_path / 'out', '--json', tmp_path / 'figures.json')

    assert result.exit_code == 1
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert 20 <= figures['frames'] < 40
    assert len(read_bag(tmp_path / 'out')['/edges/image']) == figures['frames']
    assert 'error: ' in result.output and figures['damage'] in result.output
    assert 'damaged after ' in figures['damage'] and 'Traceback' not in result.output


def test_images_that_are_missing_are_counted_and_the_exit_code_is_1(bag, tmp_path):
    assert bag(write_camera_bag(tmp_path / 'in', 6), tmp_path / 'split', '--copy-input',
               '--segment', 2, '--namespace', 'maps').exit_code == 0
    (tmp_path / 'split/split_1.mcap').unlink()

    result = bag(tmp_path / 'split', tmp_path / 'out', '--image-topic', IMAGE,
                 '--json', tmp_path / 'figures.json')

    assert result.exit_code == 1
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert (figures['frames'], figures['missing']) == (4, 2)
    assert 'split_1.mcap is missing with ' in figures['damage']
    assert '2 of 6 images are missing' in result.output


def test_the_maps_of_a_bag_can_be_averaged_over_time(bag, tmp_path):
    source = write_camera_bag(tmp_path / 'in', 5)
    for name, *words in (['plain'], ['fused', '--fusion'], ['again', '--fusion']):
        result = bag(source, tmp_path / name, '--topics', 'depth/image', *words)
        assert result.exit_code == 0, result.output
    plain, fused, again = (
        [bytes(message.data) for _, message in read_bag(tmp_path / name)['/depth/image']]
        for name in ('plain', 'fused', 'again'))

    assert plain[0] == fused[0] and plain[-1] != fused[-1]
    assert fused == again


def test_pictures_show_the_frames(bag, tmp_path):
    av = pytest.importorskip('av', reason='videos need the extra [video]')
    pillow = pytest.importorskip('PIL.Image', reason='pictures need the extra [cli]')

    result = bag(write_camera_bag(tmp_path / 'in', 5), tmp_path / 'out',
                 '--video', tmp_path / 'maps.mp4', '--sheet', tmp_path / 'maps.png')

    assert result.exit_code == 0, result.output
    with av.open(str(tmp_path / 'maps.mp4')) as video:
        frames = list(video.decode(video=0))
    assert [round(frame.time, 2) for frame in frames] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert (frames[0].width, frames[0].height) == (3 * 128, 2 * 96)
    with pillow.open(tmp_path / 'maps.png') as sheet:
        assert sheet.width == 1800


def test_a_rerun_log_is_written(bag, tmp_path):
    pytest.importorskip('rerun', reason='Rerun logs need the extra [rerun]')

    result = bag(write_camera_bag(tmp_path / 'in', 3), tmp_path / 'out',
                 '--rerun', tmp_path / 'maps.rrd')

    assert result.exit_code == 0, result.output
    data = (tmp_path / 'maps.rrd').read_bytes()
    assert len(data) > 3 * 96 * 128 * 3 and data.startswith(b'RRF')


def two_cameras(path):
    return write_bag(path, [(topic, START_NS, image_message(picture(0), START_NS))
                            for topic in ('/left', '/right')])


@pytest.mark.parametrize('words, complaint', [
    (['absent', 'out'], 'there is no such bag'),
    (['in', 'out.mcap'], 'a bag is a folder; leave out .mcap'),
    (['in', 'in'], 'is the input'),
    (['in', 'absent/out'], 'there is no folder'),
    (['in', 'out', '--topics', 'depth'], "--topics is 'depth'; allowed is a list"),
    (['in', 'out', '--image-topic', '/chatter'], f'choose one with --image-topic: {IMAGE}'),
    (['in', 'out', '--camera-info-topic', '/chatter'], "no camera_info topic '/chatter'"),
    (['in', 'out', '--video', 'maps.avi'], "--video is 'maps.avi'"),
    (['in', 'out', '--rerun', 'maps.txt'], "--rerun is 'maps.txt'"),
    (['in', 'out', '--sheet', 'maps.jpg'], "--sheet is 'maps.jpg'"),
    (['in', 'out', '--input-size', 'large'], "--input-size is 'large'"),
    (['two', 'out'], 'the bag has 2 image topics'),
    (['in', '/proc/out'], '/proc/out: nothing can be written into /proc'),
    (['in', 'out', '--json', '/proc/figures.json'], 'nothing can be written into /proc'),
    (['in', 'out', '--json', 'in'], 'in: is a folder; give the name of a file'),
    (['in', 'out', '--namespace', 'bad name!'], "--namespace is 'bad name!'; allowed are names"),
    (['in', 'out', '--namespace', '2nd'], "--namespace is '2nd'; allowed are names"),
    (['in', 'out', '--namespace', 'a//b'], "--namespace is 'a//b'; allowed are names"),
])
def test_what_cannot_be_done_is_refused_before_the_work(
        bag, tmp_path, monkeypatch, words, complaint):
    monkeypatch.chdir(tmp_path)
    write_camera_bag('in', 1)
    two_cameras('two')

    result = bag(*words)

    assert result.exit_code == 1
    assert complaint in result.output
    assert 'Traceback' not in result.output
    assert not Path('out').exists()


def test_without_rosbags_the_extra_is_named(command, tmp_path):
    write_camera_bag(tmp_path / 'in', 1)

    result = command('bag', 'in', 'out', without='rosbags')

    assert result.returncode == 1
    assert "pip install 'mtshare_ros[bags]'" in result.stderr
