"""Values that can hardly be right: what is doubted aloud, what is refused, what passes."""

import warnings

import numpy as np
import pytest

pytest.importorskip('PIL', reason='Pillow is not installed: pip install -e ".[train]"')
pytest.importorskip('scipy', reason='SciPy is not installed: pip install -e ".[train]"')

import dataset_trees as trees  # noqa: E402

from mtshare_ros.data.folder import FolderDataset  # noqa: E402
from mtshare_ros.data.images import (  # noqa: E402
    read_binary,
    read_depth,
    read_edges,
    read_ids,
    read_normals,
)
from mtshare_ros.data.nyud import NyudDataset  # noqa: E402
from mtshare_ros.errors import ConfigError, DatasetError, DatasetWarning  # noqa: E402

SHAPE = (trees.HEIGHT, trees.WIDTH)
DEPTH, NORMALS = trees.room()


def saved(path, values):
    """Write an .npy for numbers with a point or a sign, else a picture; return its path."""
    if path.suffix == '.npy':
        trees.save_array(path, values)
    else:
        trees.save_picture(path, values)
    return path


def column(value, dtype=np.uint8):
    values = np.zeros(SHAPE, dtype)
    values[:, 30] = value
    return values


def with_negative(values):
    depth = DEPTH.copy()
    depth[0, :2] = values
    return depth


def read_optical(path):
    return read_normals(path, unit_only=True)


GREY = np.repeat(np.random.default_rng(0).integers(0, 256, (*SHAPE, 1), np.uint8), 3, axis=2)
LEVELS = trees.encode(NORMALS)

WARNED = {
    'millimetres in metres': (read_depth, 'a.npy', 1000 * DEPTH, 'depths are above 3.* as if'),
    'metres in millimetres': (read_depth, 'a.png', DEPTH.astype(np.uint16), 'below 0.00. m; exp'),
    'no depth': (read_depth, 'a.npy', np.full(SHAPE, np.nan), 'every depth is unknown'),
    'only a mark for no depth': (read_depth, 'a.npy', np.full(SHAPE, -1.0), 'every depth is unk'),
    'negative depths': (read_depth, 'a.npy', with_negative((-2.0, -3.0)), '2 of 3072 depths'),
    'a mark for unknown': (read_depth, 'a.png', np.where(
        DEPTH > 2, 65535, 1000 * DEPTH).astype(np.uint16), r'% of the depths are 65535 mm'),
    'no edge': (read_edges, 'a.png', column(0), 'there is no edge at all'),
    'no edge in numbers': (read_edges, 'a.npy', column(0.0, float), 'there is no edge at all'),
    'an inverted edge map': (read_edges, 'a.png', 255 - column(255), '98% of the pixels are edg'),
    'a dark map': (read_binary, 'a.png', column(90), 'no pixel is above 127, the brightest is 90'),
    'y up, z to the camera': (read_optical, 'a.png', trees.encode(NORMALS * (1, -1, -1)),
                              r'\(x, -y, -z\) of what is stored'),
    'y up': (read_optical, 'a.npy', NORMALS * (1, -1, 1), r'\(x, -y, z\) of what is stored'),
    'blue, green, red': (read_optical, 'a.png', LEVELS[..., ::-1].copy(), r'\(z, y, x\) of what'),
    'no class': (lambda path: read_ids(path, 3), 'a.png', column(0) + np.uint8(255),
                 'every pixel is 255, unlabelled'),
}
REFUSED = {
    'whole millimetres': (read_depth, 'a.npy', (1000 * DEPTH).astype(np.int32), 'divide by 1000'),
    'depth behind the camera': (read_depth, 'a.npy', -DEPTH, 'no depth is above 0, 3072 values'),
    'grey normals': (read_normals, 'a.png', GREY, 'as in a grey picture'),
    'normals in one channel': (read_optical, 'a.png', GREY[..., 0].copy(), 'as in a grey picture'),
    'normals from 0 to 255': (read_normals, 'a.npy', LEVELS.astype(np.float32), 'up to 255; exp'),
    'normals in bytes': (read_optical, 'a.npy', LEVELS, 'hold uint8 up to 255'),
    'normals from 0 to 1': (read_optical, 'a.npy', LEVELS / 255, 'by 2 v - 1'),
    'edges of 0 and 1': (read_edges, 'a.png', column(1), 'holds 0 and 1; expected are 0 and 255'),
    'saliency of 0 and 1': (read_binary, 'a.png', column(1), 'multiply by 255'),
}
GOOD = {
    'depth': (read_depth, 'a.npy', DEPTH),
    'depth with a mark for unknown': (read_depth, 'a.npy', with_negative(-1.0)),
    'depth in millimetres': (read_depth, 'a.png', (1000 * DEPTH).astype(np.uint16)),
    'normals': (read_optical, 'a.npy', NORMALS),
    'normals in a picture': (read_optical, 'a.png', LEVELS),
    'unknown normals': (read_optical, 'a.png', np.full((*SHAPE, 3), 128, np.uint8)),
    'normals of a data set with axes of its own': (read_normals, 'a.npy', NORMALS * (1, 1, -1)),
    'edges': (read_edges, 'a.png', column(255)),
    'edges in numbers': (read_edges, 'a.npy', column(1.0, float)),
    'nothing salient': (read_binary, 'a.png', column(0)),
}


@pytest.mark.parametrize('name', WARNED)
def test_what_hardly_can_be_right_is_doubted_with_the_file_and_what_is_expected(tmp_path, name):
    read, file, values, expected = WARNED[name]
    path = saved(tmp_path / file, values)
    with pytest.warns(DatasetWarning, match=expected) as told:
        read(path)
    assert str(told[0].message).startswith(f'{path}: ') and 'expected' in str(told[0].message)


@pytest.mark.parametrize('name', REFUSED)
def test_what_cannot_be_right_is_refused_with_the_file_and_what_is_expected(tmp_path, name):
    read, file, values, expected = REFUSED[name]
    path = saved(tmp_path / file, values)
    with pytest.raises(DatasetError, match=expected) as told:
        read(path)
    assert str(told.value).startswith(f'{path}: ') and 'expected' in str(told.value)


@pytest.mark.parametrize('name', GOOD)
def test_what_is_right_is_not_doubted(tmp_path, name):
    read, file, values = GOOD[name]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        read(saved(tmp_path / file, values))


def test_a_doubt_is_told_once_for_a_folder(tmp_path):
    for folder, count in (('a', 3), ('b', 1)):
        for number in range(count):
            saved(tmp_path / f'{folder}/{number}.npy', 1000 * DEPTH)
    with pytest.warns(DatasetWarning) as told:
        for path in sorted(tmp_path.glob('*/*.npy')):
            read_depth(path)
    assert [str(item.message).split(':')[0] for item in told] == [
        str(tmp_path / 'a/0.npy'), str(tmp_path / 'b/0.npy')]


def test_an_id_that_is_listed_twice_is_refused(tmp_path):
    trees.write_nyud(tmp_path)
    (tmp_path / 'gt_sets/train.txt').write_text('0001\n0002\n0001\n')
    with pytest.raises(DatasetError, match='lists 1 of 2 ids more than once, the first being 000'):
        NyudDataset(tmp_path, 'train')


@pytest.mark.parametrize('folder, name', [('rgb', '0.jpg'), ('depth', '0.npy')])
def test_a_name_that_is_there_twice_is_refused(tmp_path, folder, name):
    trees.write_frames(tmp_path / 'train', 2, tasks=['depth'])
    (tmp_path / f'train/{folder}/{name}').touch()
    with pytest.raises(DatasetError, match=f'{folder} holds both 0.* expected is one file of ea'):
        FolderDataset(tmp_path, 'train')


@pytest.mark.parametrize('key', ['fx', 'fy', 'width'])
def test_a_camera_without_a_focal_length_or_size_is_refused(tmp_path, key):
    trees.write_frames(tmp_path / 'train', 1, tasks=['depth'])
    values = {'width': 64, 'height': 48, 'fx': 60, 'fy': 60, 'cx': 31.5, 'cy': 23.5, key: 0}
    (tmp_path / 'camera.yaml').write_text(str(values))
    with pytest.raises(ConfigError, match=f'camera.yaml: {key} is 0.*; allowed is a positive nu'):
        FolderDataset(tmp_path, 'train')
