"""PASCAL-Context: what is read from its pictures and MATLAB files, and what is not scored."""

import shutil

import numpy as np
import pytest

pytest.importorskip('PIL', reason='Pillow is not installed: pip install -e ".[train]"')
pytest.importorskip('scipy', reason='SciPy is not installed: pip install -e ".[train]"')
pytest.importorskip('skimage', reason='scikit-image is not installed: pip install -e ".[train]"')

import dataset_trees as trees  # noqa: E402
from scipy.io import savemat  # noqa: E402

from mtshare_ros.data.disk_datasets import open_samples  # noqa: E402
from mtshare_ros.data.pascal import (
    laplacian_edges,  # noqa: E402
    PascalContextDataset,  # noqa: E402
)
from mtshare_ros.errors import DatasetError  # noqa: E402

PERSON = (slice(15, 45), slice(10, 25))


@pytest.fixture
def root(tmp_path):
    """Write a tree of three images."""
    return trees.write_pascal(tmp_path / 'PASCALContext')


def test_a_sample_holds_every_task_that_the_data_set_names(root):
    samples = open_samples('pascal', root, 'train')
    sample = samples[0]

    assert len(samples) == 2 and len(samples.labels) == 21
    assert set(sample.maps()) == {'labels', 'normals', 'edges', 'human_parts', 'saliency',
                                  'regions'}
    assert sample.saliency[PERSON].all() and sample.saliency.sum() == 30 * 15


def test_classes_are_those_of_voc_where_there_are_any(root):
    first, second = PascalContextDataset(root, 'train')
    trees.save_picture(root / 'semseg/pascal-context/2008_000003.png',
                       np.zeros((48, 64), np.uint8))

    assert np.array_equal(PascalContextDataset(root, 'train')[0].labels, first.labels)
    assert (first.labels[PERSON] == 15).all() and (first.labels[0] == 255).all()
    assert np.array_equal(second.labels, first.labels)


def test_the_parts_of_a_person_lie_on_the_background(root):
    parts = PascalContextDataset(root, 'train')[0].human_parts

    assert (parts[15:25, 10:25] == 1).all() and (parts[25:45, 10:25] == 2).all()
    assert (parts > 0).sum() == 30 * 15 and not (parts == 255).any()


@pytest.mark.parametrize('split, index', [('train', 1), ('val', 0)], ids=['nobody', 'no parts'])
def test_an_image_without_parts_is_not_scored(root, split, index):
    assert (PascalContextDataset(root, split)[index].human_parts == 255).all()


def test_normals_count_on_things_only_that_nyu_knows(root):
    normals = PascalContextDataset(root, 'train')[0].normals

    assert not normals[:10].any()  # sky
    assert np.allclose(normals[10:], trees.room()[1][10:], atol=0.01)


def test_edges_are_thin_and_run_between_regions(root):
    sample = PascalContextDataset(root, 'train')[0]

    assert sample.edges[9:11, 40].sum() == 1 and sample.edges[:, 40].sum() == 1
    assert sample.edges[30, 8:27].sum() == 2
    assert np.array_equal(np.unique(sample.regions), [284, 360, 440])


def test_edges_do_not_depend_on_the_type_of_the_map():
    regions = np.zeros((9, 9), np.uint8)
    regions[:, 5:] = 64  # four times that is 0 in 8 bits

    edges = laplacian_edges(regions)

    assert edges[4].sum() == 1
    assert np.array_equal(edges, laplacian_edges(regions.astype(float)))


def test_a_missing_split_names_the_file(root):
    with pytest.raises(DatasetError, match='ImageSets/Context/test.txt cannot be read'):
        PascalContextDataset(root, 'test')


def test_without_any_class_maps_the_preferred_folder_is_named(root):
    shutil.rmtree(root / 'semseg')

    with pytest.raises(DatasetError, match='VOC12 is missing; it should hold class maps'):
        PascalContextDataset(root, 'train')


@pytest.mark.parametrize('file, variable', [
    ('human_parts/2008_000003.mat', 'anno'),
    ('pascal-context/trainval/2008_000003.mat', 'LabelMap'),
])
@pytest.mark.parametrize('damage', ['short', 'nonsense', 'other'])
def test_a_damaged_matlab_file_says_what_it_should_hold(root, file, variable, damage):
    path = root / file
    if damage == 'other':
        savemat(path, {'something': 1})
    else:
        path.write_bytes(path.read_bytes()[:150] if damage == 'short' else b'nonsense')

    with pytest.raises(DatasetError, match=f"000003.mat should hold the variable '{variable}'"):
        PascalContextDataset(root, 'train')[0]


def test_an_unknown_part_is_refused(root):
    mask = np.ones((48, 64), bool)
    savemat(root / 'human_parts/2008_000003.mat',
            trees.annotation('x', [('person', 15, mask, [('tail', mask)])]))

    with pytest.raises(DatasetError, match="000003.mat should hold the objects .*'tail'"):
        PascalContextDataset(root, 'train')[0]


def test_parts_of_another_size_are_refused(root):
    mask = np.ones((40, 64), bool)
    savemat(root / 'human_parts/2008_000003.mat',
            trees.annotation('x', [('person', 15, mask, [('head', mask)])]))

    with pytest.raises(DatasetError, match='should hold the objects of an image of 48x64'):
        PascalContextDataset(root, 'train')[0]
