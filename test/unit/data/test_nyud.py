"""NYUD-v2: both archives say the same, and what is missing or damaged is named."""

from itertools import product
import shutil
import sys

import numpy as np
import pytest

pytest.importorskip('PIL', reason='Pillow is not installed: pip install -e ".[train]"')
pytest.importorskip('scipy', reason='SciPy is not installed: pip install -e ".[train]"')

import dataset_trees as trees  # noqa: E402

from mtshare_ros.data.disk_datasets import open_samples  # noqa: E402
from mtshare_ros.data.nyud import NyudDataset  # noqa: E402
from mtshare_ros.errors import DatasetError, MissingExtraError  # noqa: E402


@pytest.fixture
def root(tmp_path):
    """Write the tree of the newer archive."""
    return trees.write_nyud(tmp_path / 'NYUDv2')


def test_a_split_holds_the_images_that_its_list_names(root):
    train, val = (NyudDataset(root, split) for split in ('train', 'val'))

    assert (len(train), len(val)) == (2, 1)
    assert val[0].name == 'nyud 0009'
    assert np.array_equal(val[0].image, trees.picture(2))


@pytest.mark.parametrize('arrays', [False, True], ids=['pictures', 'arrays'])
def test_both_archives_give_the_same_truth(tmp_path, arrays):
    depth, normals = trees.room()

    sample = NyudDataset(trees.write_nyud(tmp_path, arrays=arrays), 'train')[0]

    assert sample.image.shape == (48, 64, 3) and sample.image.dtype == np.uint8
    assert np.allclose(sample.depth[:, 4:], depth[:, 4:]) and not sample.depth[:, :4].any()
    assert np.allclose(sample.normals, normals, atol=0.01)
    assert np.allclose(np.linalg.norm(sample.normals, axis=-1), 1, atol=1e-6)
    assert np.array_equal(np.flatnonzero(sample.edges.any(axis=0)), [30, 31])
    assert sample.edges.max() == 1


def test_classes_count_from_zero_and_unlabelled_is_255(root):
    labels = NyudDataset(root, 'train')[0].labels

    assert (labels[:3] == 255).all()
    assert (labels[3:40] == 0).all()
    assert (labels[40:] == 39).all()


@pytest.mark.parametrize('signs', list(product((1, -1), repeat=3)))
def test_normals_are_optical_however_they_are_stored(tmp_path, signs):
    root = trees.write_nyud(tmp_path, signs=signs)

    assert np.allclose(NyudDataset(root, 'val')[0].normals, trees.room()[1], atol=0.01)


def test_a_zero_vector_stays_without_direction(tmp_path):
    root = trees.write_nyud(tmp_path, arrays=True)
    normals = np.load(root / 'normals/0001.npy')
    normals[5, 5], normals[6, 6] = 0, np.nan
    np.save(root / 'normals/0001.npy', normals)

    sample = NyudDataset(root, 'train')[0]

    assert not sample.normals[5, 5].any() and not sample.normals[6, 6].any()


def test_a_wrong_root_says_what_is_expected_there(tmp_path):
    with pytest.raises(DatasetError, match='nowhere is not a folder; NYUD-v2 is expected there'):
        open_samples('nyud', tmp_path / 'nowhere', 'train')


def test_an_unknown_split_lists_those_there_are(root):
    with pytest.raises(DatasetError, match=r"test.txt cannot be read.*'test'.*: train, val"):
        NyudDataset(root, 'test')


@pytest.mark.parametrize('content, fault', [(b'\n', 'is empty'), (b'\xff\xfe', 'cannot be read')])
def test_a_split_without_ids_is_refused(root, content, fault):
    (root / 'gt_sets/val.txt').write_bytes(content)

    with pytest.raises(DatasetError, match=f'val.txt {fault}'):
        NyudDataset(root, 'val')


@pytest.mark.parametrize('folder', ['images', 'segmentation', 'depth', 'normals', 'edge'])
def test_a_missing_folder_is_named(root, folder):
    shutil.rmtree(root / folder)

    with pytest.raises(DatasetError, match=f'{folder} is missing; it should hold .* of NYUD-v2'):
        NyudDataset(root, 'train')


def test_missing_files_are_counted_before_a_training_starts(root):
    (root / 'normals/0002.png').unlink()

    with pytest.raises(DatasetError, match=r'for 1 of 2 ids .* 0002 \(.png or .npy\)'):
        NyudDataset(root, 'train')


@pytest.mark.parametrize('file, holds', [
    ('images/0001.png', 'an RGB image'), ('segmentation/0001.png', 'ids from 0 to 40'),
    ('depth/0001.npy', 'depth'), ('edge/0001.png', 'one channel'),
])
@pytest.mark.parametrize('damage', [b'', b'nonsense', None])
def test_a_damaged_file_says_what_it_should_hold(root, file, holds, damage):
    path = root / file
    whole = path.read_bytes()
    path.write_bytes(whole[:len(whole) * 2 // 3] if damage is None else damage)

    with pytest.raises(DatasetError, match=f'{path.name} should hold {holds}'):
        NyudDataset(root, 'train')[0]


def test_an_array_of_objects_is_refused(root):
    np.save(root / 'depth/0001.npy', np.array([{}], object), allow_pickle=True)

    with pytest.raises(DatasetError, match='0001.npy should hold depth'):
        NyudDataset(root, 'train')[0]


def test_a_class_that_does_not_exist_is_refused(root):
    trees.save_picture(root / 'segmentation/0001.png', np.full((48, 64), 41, np.uint8))

    with pytest.raises(DatasetError, match='0001.png should hold ids .* but holds the id 41'):
        NyudDataset(root, 'train')[0]


def test_a_map_of_another_size_is_refused(root):
    np.save(root / 'depth/0001.npy', np.ones((48, 63)))

    with pytest.raises(DatasetError, match='nyud 0001: depth is 48x63 .* the image is 48x64'):
        NyudDataset(root, 'train')[0]


def test_without_pillow_the_extra_is_named(root, monkeypatch):
    monkeypatch.setitem(sys.modules, 'PIL.Image', None)

    with pytest.raises(MissingExtraError, match=r"Pillow.* 'mtshare_ros\[train\]'"):
        NyudDataset(root, 'train')


def test_an_unknown_data_set_lists_the_known_ones(tmp_path):
    with pytest.raises(DatasetError, match="'coco'; allowed are nyud, pascal, folder"):
        open_samples('coco', tmp_path, 'train')
