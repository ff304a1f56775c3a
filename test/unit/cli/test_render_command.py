"""``mtshare render``."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('numba', reason='rendering needs the extra [rooms]')

from mtshare_ros.cli.options import HELD_OUT_SEED  # noqa: E402
from mtshare_ros.data.rooms.clips import read_clip  # noqa: E402
from mtshare_ros.data.rooms.training_frames import open_frames
from mtshare_ros.data.rooms.video import RoomVideo  # noqa: E402
from mtshare_ros.data.rooms.views import split_seeds
from mtshare_ros.nodes.sim_camera.parameter_table import SIM_CAMERA_PARAMETERS  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
SMALL = ('--width', 64, '--height', 48)


def test_a_clip_holds_the_frames_of_the_video(command, tmp_path):
    result = command('render', 'clip', 'room.clip', '--motion', 'pan', '--seconds', 0.2, *SMALL)
    assert result.returncode == 0, result.stderr
    clip = read_clip(tmp_path / 'room.clip')
    video = RoomVideo(seed=HELD_OUT_SEED, motion='pan', height=48, width=64)
    assert len(clip) == 6
    assert np.array_equal(clip[5].image, video.frame(5).image)


def test_a_clip_is_never_replaced(command, tmp_path):
    (tmp_path / 'room.clip').write_text('mine')
    result = command('render', 'clip', 'room.clip', '--seconds', 0.2, *SMALL)
    assert result.returncode == 1
    assert 'exists already' in result.stderr
    assert (tmp_path / 'room.clip').read_text() == 'mine'


def test_frames_are_those_of_the_split(command, tmp_path):
    result = command('render', 'frames', 'frames', '--split', 'validation', '--count', 5, *SMALL)
    assert result.returncode == 0, result.stderr
    frames = open_frames(tmp_path / 'frames')
    assert (len(frames), frames.meta.split) == (5, 'validation')
    assert frames.image.shape == (5, 48, 64, 3)


def test_an_unknown_motion_is_refused_with_those_of_the_rooms(command):
    result = command('render', 'clip', 'room.clip', '--motion', 'fly', *SMALL)

    assert result.returncode == 2
    assert "'fly' is not one of static, pan, drive" in ' '.join(result.stderr.split())


def test_rooms_are_shown_that_no_model_was_trained_on():
    assert HELD_OUT_SEED in split_seeds('test')


def test_the_simulated_camera_and_its_launch_file_show_the_same_room():
    launch_file = (ROOT / 'launch/demo.launch.py').read_text()

    assert SIM_CAMERA_PARAMETERS['seed'].default == HELD_OUT_SEED
    assert f"'seed', default_value='{HELD_OUT_SEED}'" in launch_file
