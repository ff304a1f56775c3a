"""Data sets come as clips that another process can evaluate."""

import numpy as np
import pytest
from truths import sent

trees = pytest.importorskip('dataset_trees', reason='data sets need the extra [train]')

from mtshare_ros.evaluation.datasets import open_clips, open_images  # noqa: E402

SIZE = (48, 64)


def images_of(clips):
    return [frame.truth.image for clip in clips for frame in clip.frames(SIZE)]


def write(name, root):
    """Write a small data set and return its root."""
    if name == 'folder':
        trees.write_frames(root / 'val', 11, tasks=['depth'])
        trees.write_frames(root / 'val/clips/hall', 3, tasks=['depth'])
        return root
    return {'nyud': trees.write_nyud, 'pascal': trees.write_pascal}[name](root)


@pytest.mark.parametrize('name', ['nyud', 'pascal', 'folder'])
def test_single_images_on_disk_are_the_same_in_another_process(tmp_path, name):
    data = open_images(name, write(name, tmp_path), 'validation', None)

    there = sent(data.clips)

    assert len(images_of(there)) == data.length > 0
    assert np.array_equal(images_of(there), images_of(data.clips))


def test_single_images_are_divided_among_processes_and_stay_in_order(tmp_path):
    data = open_images('folder', write('folder', tmp_path), 'validation', None)

    assert [len(clip) for clip in data.clips] == [8, 6]
    assert data.origin == {'dataset': 'folder', 'split': 'validation', 'images': 14, 'clips': None}
    assert not np.array_equal(*images_of(data.clips)[7:9])


def test_a_stored_clip_is_the_same_in_another_process(tmp_path):
    data = open_clips('folder', write('folder', tmp_path), 'validation', None)

    there = sent(data.clips)

    assert [clip.name for clip in there] == ['clips/hall'] and len(images_of(there)) == 3
    assert np.array_equal(images_of(there), images_of(data.clips))


def test_rooms_are_the_same_in_another_process():
    pytest.importorskip('numba', reason='the rooms need the extra [rooms]')
    for data in (open_images('rooms', None, 'test', 9), open_clips('rooms', None, 'test', 2,
                                                                   frames=2)):
        there = sent(data.clips)

        assert data.length == len(images_of(there)) and len(data.clips) == 2
        assert np.array_equal(images_of(there), images_of(data.clips))
