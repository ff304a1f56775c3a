"""Rendered clips survive kills, and show what they should."""

import subprocess
import sys

import numpy as np
import pytest
from waiting import PATIENCE_S

from mtshare_ros.data.rooms.training_clips import (
    LENGTH,
    MOTIONS,
    open_training_clips,
    render_training_clips,
)
from mtshare_ros.data.rooms.training_frames import open_frames
from mtshare_ros.errors import DatasetError

SIZE = {'height': 48, 'width': 64}
WANTED = {'split': 'train', 'count': 5, **SIZE}
ARRAYS = ('clip', 'depth', 'normals', 'labels', 'edges')
KILLED_AFTER_ONE_ROOM = """
import os, signal, sys
from mtshare_ros.data.rooms.training_clips import render_training_clips
render_training_clips(sys.argv[1], split='train', count=5, height=48, width=64,
             progress=lambda done, count: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp('rooms') / 'clips'
    render_training_clips(folder, **WANTED)
    return folder


def test_rendered_films_have_the_documented_arrays(finished):
    clips = open_training_clips(finished)

    assert len(clips) == clips.meta.done == 5
    assert clips.clip.shape == (5, LENGTH, 48, 64, 3) and clips.clip.dtype == np.uint8
    assert [getattr(clips, name).shape[:3] for name in ARRAYS[1:]] == [(5, 48, 64)] * 4
    assert [getattr(clips, name).dtype.str[1:] for name in ARRAYS[1:]] == ['f2', 'i1', 'u1', 'u1']
    assert clips.meta.fx == pytest.approx(55.4, abs=0.1)


def test_rendering_goes_on_after_a_kill_and_changes_nothing(finished, tmp_path):
    folder = tmp_path / 'clips'
    subprocess.run([sys.executable, '-c', KILLED_AFTER_ONE_ROOM, str(folder)], timeout=PATIENCE_S)
    assert len(open_training_clips(folder)) == 2
    calls = []

    render_training_clips(
        folder, **WANTED, progress=lambda done, count: calls.append((done, count)))

    assert calls == [(4, 5), (5, 5)]
    complete, resumed = open_training_clips(finished), open_training_clips(folder)
    assert all(np.array_equal(getattr(complete, name), getattr(resumed, name)) for name in ARRAYS)


def test_finished_films_are_not_rendered_again(finished):
    calls = []

    render_training_clips(finished, **WANTED, progress=lambda *done: calls.append(done))

    assert not calls


def test_half_of_the_films_stand_still(finished):
    clip = open_training_clips(finished).clip.mean(axis=-1)
    # means over 8 x 8 pixels: of the sensor's noise little is left, of motion most
    cells = clip.reshape(5, LENGTH, 6, 8, 8, 8).mean(axis=(3, 5))
    moved = np.median(np.abs(np.diff(cells, axis=1)), axis=(1, 2, 3))

    assert MOTIONS.count('static') * 2 == len(MOTIONS)
    still = np.array([motion == 'static' for motion in MOTIONS[:5]])
    assert max(moved[still]) < min(moved[~still]), moved


def test_two_films_of_one_room_are_not_the_same(finished):
    clips = open_training_clips(finished)

    assert np.abs(clips.depth[0] - clips.depth[1]).mean() > 0.05


def test_films_of_another_kind_are_not_mixed_in(finished):
    with pytest.raises(DatasetError, match='width 64 instead of 80'):
        render_training_clips(finished, **{**WANTED, 'width': 80})


def test_films_are_not_taken_for_frames(finished):
    with pytest.raises(DatasetError, match=r'meta\.json is damaged or of another kind'):
        open_frames(finished)


def test_a_folder_without_films_is_refused_by_name(tmp_path):
    with pytest.raises(DatasetError, match='meta.json is missing'):
        open_training_clips(tmp_path)


def test_a_missing_array_is_refused_by_name(tmp_path):
    render_training_clips(tmp_path / 'clips', **{**WANTED, 'count': 1})
    (tmp_path / 'clips' / 'film.npy').unlink()

    with pytest.raises(DatasetError, match=r'film\.npy should hold film \(1, 5, 48, 64, 3\) u1'):
        open_training_clips(tmp_path / 'clips')
