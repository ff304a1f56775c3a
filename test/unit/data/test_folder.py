"""Data of one's own: the documented layout, and what is said where a tree does not keep to it."""

import numpy as np
import pytest

pytest.importorskip('PIL', reason='Pillow is not installed: pip install -e ".[train]"')
pytest.importorskip('scipy', reason='SciPy is not installed: pip install -e ".[train]"')

import dataset_trees as trees  # noqa: E402

from mtshare_ros.data.disk_datasets import open_samples  # noqa: E402
from mtshare_ros.data.folder import FolderDataset  # noqa: E402
from mtshare_ros.errors import ConfigError, DatasetError  # noqa: E402

SHAPE = (48, 64)


@pytest.fixture
def root(tmp_path):
    """Write twelve images and a label file."""
    trees.write_labels(tmp_path / 'mine')
    trees.write_frames(tmp_path / 'mine/train', 12)
    return tmp_path / 'mine'


def write_map(root, folder, values, name='0'):
    """Add a map to every image, or replace one."""
    for path in sorted((root / 'train/rgb').glob('*.png')):
        if name in (None, path.stem):
            target = root / f'train/{folder}/{path.stem}'
            if values.dtype.kind == 'f':
                trees.save_array(target.with_suffix('.npy'), values)
            else:
                trees.save_picture(target.with_suffix('.png'), values)


def test_images_come_in_natural_order_with_their_truth(root):
    samples = open_samples('folder', root, 'train')

    assert samples.tasks == ('semseg', 'depth') and samples.name == 'mine'
    assert len(samples.labels) == 20 and len(samples) == 12
    for number, sample in enumerate(samples):
        assert (sample.image == 10 * number).all()
        assert (sample.labels == number).all()
        assert np.allclose(sample.depth, number + 1)
        assert sample.normals is None and sample.edges is None


def test_depth_may_be_an_array_of_metres(tmp_path):
    trees.write_frames(tmp_path / 'train', 1, tasks=())
    depth = np.full(SHAPE, 1.5)
    depth[0], depth[1], depth[2] = np.nan, np.inf, -1
    write_map(tmp_path, 'depth', depth, None)

    sample = FolderDataset(tmp_path, 'train')[0]

    assert not sample.depth[:3].any() and (sample.depth[3:] == 1.5).all()


def test_black_and_grey_are_no_normals(tmp_path):
    trees.write_frames(tmp_path / 'train', 1, tasks=())
    colors = np.full((*SHAPE, 3), (128, 128, 0), np.uint8)
    colors[0], colors[1], colors[2] = 0, 127, 128
    write_map(tmp_path, 'normals', colors, None)

    normals = FolderDataset(tmp_path, 'train')[0].normals

    assert not normals[:3].any()
    assert np.allclose(normals[3:], (0, 0, -1), atol=0.01)


def test_masks_and_parts_are_read_without_a_label_file(tmp_path):
    trees.write_frames(tmp_path / 'train', 1, tasks=())
    mask = np.zeros(SHAPE, np.uint8)
    mask[:10] = 255
    parts = np.full(SHAPE, 6, np.uint8)
    parts[0] = 255
    for folder, values in (('edges', mask), ('saliency', mask), ('human_parts', parts)):
        write_map(tmp_path, folder, values, None)

    samples = FolderDataset(tmp_path, 'train')

    assert samples.tasks == ('edge', 'human_parts', 'saliency') and len(samples.labels) == 0
    assert samples[0].edges.sum() == samples[0].saliency.sum() == 10 * 64
    assert np.array_equal(samples[0].human_parts, parts)


def test_the_labelled_frames_of_clips_are_samples_too(root):
    trees.write_frames(root / 'train/clips/b', 5, labelled=[2, 4])
    trees.write_frames(root / 'train/clips/a', 3)

    samples = FolderDataset(root, 'train')

    assert [clip.name for clip in samples.clips] == ['clips/a', 'clips/b']
    assert samples.clips[1].labelled == (2, 4) and len(samples.clips[1]) == 5
    assert samples.clips[1][3].labels is None and (samples.clips[1][4].labels == 4).all()
    assert len(samples) == 12 + 3 + 2


def test_a_split_may_hold_clips_only(tmp_path):
    trees.write_labels(tmp_path)
    trees.write_frames(tmp_path / 'val/clips/a', 3)

    assert len(FolderDataset(tmp_path, 'val')) == 3


def test_the_camera_tells_the_focal_length(root):
    assert FolderDataset(root, 'train').focal_length is None
    (root / 'camera.yaml').write_text(
        '{width: 64, height: 48, fx: 55.5, fy: 55.5, cx: 31.5, cy: 23.5}')

    assert FolderDataset(root, 'train').focal_length == 55.5


def test_a_camera_of_another_size_is_refused(root):
    (root / 'camera.yaml').write_text(
        '{width: 640, height: 480, fx: 555, fy: 555, cx: 320, cy: 240}')

    with pytest.raises(DatasetError, match='camera.yaml is for images of 640x480, .* are 64x48'):
        FolderDataset(root, 'train')


def test_an_incomplete_camera_names_the_key(root):
    (root / 'camera.yaml').write_text('{width: 64, height: 48}')

    with pytest.raises(ConfigError, match="camera.yaml: the key 'fx' is missing"):
        FolderDataset(root, 'train')


def test_a_missing_split_lists_the_folders_there_are(root):
    with pytest.raises(DatasetError, match="test is missing: no split 'test'; .*: train"):
        FolderDataset(root, 'test')


def test_a_split_without_images_says_where_they_belong(root):
    (root / 'val').mkdir()

    with pytest.raises(DatasetError, match='neither images in rgb/ nor clips in clips/NAME/rgb/'):
        FolderDataset(root, 'val')


def test_images_without_any_truth_are_refused(tmp_path):
    trees.write_frames(tmp_path / 'train', 2, tasks=())

    with pytest.raises(DatasetError, match='train holds no truth beside rgb/; expected .* semseg'):
        FolderDataset(tmp_path, 'train')


def test_truth_under_other_names_is_found_out(root):
    for folder in ('semseg', 'depth'):
        for path in (root / f'train/{folder}').iterdir():
            path.rename(path.with_name(f'{path.stem}_{folder}.png'))

    with pytest.raises(DatasetError, match='12 images in rgb/, but none with truth of the same'):
        FolderDataset(root, 'train')


def test_half_the_truth_of_an_image_is_refused(root):
    (root / 'train/depth/7.png').unlink()

    with pytest.raises(DatasetError, match='depth has no 7.png or 7.npy'):
        FolderDataset(root, 'train')


def test_clips_with_other_tasks_are_refused(root):
    trees.write_frames(root / 'train/clips/a', 2, tasks=('depth',))

    with pytest.raises(DatasetError, match='truth of semseg, depth, .*a of depth; all images'):
        FolderDataset(root, 'train')


def test_classes_without_a_label_file_are_refused(root):
    (root / 'labels.yaml').unlink()

    with pytest.raises(DatasetError, match='labels.yaml is missing; it names the classes'):
        FolderDataset(root, 'train')


def test_a_broken_label_file_is_named(root):
    (root / 'labels.yaml').write_text('- {id: 0')

    with pytest.raises(DatasetError, match='labels.yaml is not YAML'):
        FolderDataset(root, 'train')


@pytest.mark.parametrize('folder, values, found', [
    ('semseg', np.full(SHAPE, 20, np.uint8), 'the id 20'),
    ('semseg', np.zeros((*SHAPE, 3), np.uint8), r'\(48, 64, 3\) uint8'),
    ('depth', np.ones(SHAPE, np.uint8), '8 bits a pixel'),
])
def test_a_map_of_another_kind_is_refused(root, folder, values, found):
    write_map(root, folder, values)

    with pytest.raises(DatasetError, match=f'{folder}/0.png should hold .* but holds {found}'):
        FolderDataset(root, 'train')[0]


@pytest.mark.filterwarnings('ignore::mtshare_ros.errors.DatasetWarning')
@pytest.mark.parametrize(('truth', 'turned'), [((64, 48), True), ((48, 64), False)])
def test_a_photo_is_turned_as_its_truth_is(tmp_path, truth, turned):
    from PIL import Image
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / 'train/rgb').mkdir(parents=True)
    stored = trees.picture(1)
    Image.fromarray(stored).save(tmp_path / 'train/rgb/0.png', exif=exif)
    trees.save_array(tmp_path / 'train/depth/0.npy', np.full(truth, 2.0))

    samples = FolderDataset(tmp_path, 'train')

    expected = np.rot90(stored, -1) if turned else stored
    np.testing.assert_array_equal(samples[0].image, expected)
    np.testing.assert_array_equal(samples._parts[0].image(0), expected)
