"""Rendered data sets and clips survive kills, and damaged ones are refused."""

import subprocess
import sys

import numpy as np
import pytest
from waiting import PATIENCE_S

from mtshare_ros.data.rooms.clips import read_clip, write_clip
from mtshare_ros.data.rooms.training_frames import open_frames, render_frames
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.errors import DatasetError

SIZE = {'height': 48, 'width': 64}
WANTED = {'split': 'train', 'count': 5, 'views_per_room': 2, **SIZE}
ARRAYS = ('image', 'depth', 'normals', 'labels', 'edges')
KILLED_AFTER_ONE_ROOM = """
import os, signal, sys
from mtshare_ros.data.rooms.training_frames import render_frames
render_frames(sys.argv[1], split='train', count=5, views_per_room=2, height=48, width=64,
              progress=lambda done, count: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp('rooms') / 'frames'
    render_frames(folder, **WANTED)
    return folder


@pytest.fixture(scope='module')
def frames():
    video = RoomVideo(seed=3, motion='drive', **SIZE)
    return [video.frame(index) for index in range(3)]


@pytest.fixture
def clip_folder(tmp_path, frames):
    write_clip(tmp_path / 'clip', frames, rate_hz=15.0, source='room 3, drive')
    return tmp_path / 'clip'


def test_rendered_frames_have_the_documented_arrays(finished):
    frames = open_frames(finished)

    assert len(frames) == frames.meta.done == 5
    assert [getattr(frames, name).dtype.str[1:] for name in ARRAYS] == [
        'u1', 'f2', 'i1', 'u1', 'u1']
    assert frames.meta.split == 'train' and frames.meta.fx == pytest.approx(55.4, abs=0.1)


def test_rendered_normals_are_127_times_the_unit_vector(finished):
    lengths = np.linalg.norm(open_frames(finished).normals.astype(float), axis=-1)

    assert np.abs(lengths - 127.0).max() < 1.5


def test_rendering_goes_on_after_a_kill_and_changes_nothing(finished, tmp_path):
    folder = tmp_path / 'frames'
    subprocess.run([sys.executable, '-c', KILLED_AFTER_ONE_ROOM, str(folder)], timeout=PATIENCE_S)
    assert len(open_frames(folder)) == 2
    calls = []

    render_frames(folder, **WANTED, progress=lambda done, count: calls.append((done, count)))

    assert calls == [(4, 5), (5, 5)]
    complete, resumed = open_frames(finished), open_frames(folder)
    assert all(np.array_equal(getattr(complete, name), getattr(resumed, name)) for name in ARRAYS)


def test_finished_frames_are_not_rendered_again(finished):
    calls = []

    render_frames(finished, **WANTED, progress=lambda *done: calls.append(done))

    assert not calls


def test_frames_of_another_kind_are_not_mixed_in(finished):
    with pytest.raises(DatasetError, match="split 'train' instead of 'test'"):
        render_frames(finished, **{**WANTED, 'split': 'test'})


def test_a_folder_without_frames_is_refused_by_name(tmp_path):
    with pytest.raises(DatasetError, match='meta.json is missing'):
        open_frames(tmp_path)


def test_a_missing_array_is_refused_by_name(tmp_path):
    render_frames(tmp_path / 'frames', **{**WANTED, 'count': 1})
    (tmp_path / 'frames' / 'depth.npy').unlink()

    with pytest.raises(DatasetError, match=r'depth\.npy should hold depth \(1, 48, 64\) f2'):
        open_frames(tmp_path / 'frames')


def test_a_damaged_meta_file_is_refused_by_name(tmp_path):
    (tmp_path / 'meta.json').write_text('{"split": ')

    with pytest.raises(DatasetError, match=r'meta\.json is damaged'):
        open_frames(tmp_path)


def test_a_clip_gives_back_its_frames(clip_folder, frames):
    clip = read_clip(clip_folder)

    assert len(clip) == 3 and clip.meta.rate_hz == 15.0
    for written, found in zip(frames, clip):
        assert all(np.array_equal(getattr(written, name), getattr(found, name))
                   for name in ('image', 'depth', 'labels', 'edges', 'intrinsics'))
        assert np.abs(written.normals - found.normals).max() < 1e-4
        assert np.array_equal(written.pose.position, found.pose.position)
        assert np.array_equal(written.pose.rotation, found.pose.rotation)


def test_a_clip_is_read_from_the_disk_only_where_it_is_used(clip_folder):
    assert isinstance(read_clip(clip_folder)[0].image.base, np.memmap)


def test_a_clip_counts_backwards_and_ends(clip_folder, frames):
    clip = read_clip(clip_folder)

    assert np.array_equal(clip[-1].image, frames[2].image)
    with pytest.raises(IndexError):
        clip[3]


def test_a_truncated_clip_is_refused_by_name(clip_folder):
    path = clip_folder / 'depth.bin'
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(DatasetError, match=r'depth\.bin holds 36863 bytes instead of the 36864'):
        read_clip(clip_folder)


def test_an_interrupted_clip_is_refused(clip_folder):
    (clip_folder / 'clip.json').unlink()

    with pytest.raises(DatasetError, match='its writer was interrupted'):
        read_clip(clip_folder)


def test_an_existing_folder_is_not_written_over(clip_folder, frames):
    with pytest.raises(DatasetError, match='exists already'):
        write_clip(clip_folder, frames)


def test_a_clip_without_frames_is_refused(tmp_path):
    with pytest.raises(DatasetError, match='no frames were given'):
        write_clip(tmp_path / 'clip', [])
