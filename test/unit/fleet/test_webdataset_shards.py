"""Tar files, read with webdataset: the rows are those of the Parquet files."""

import io
import json
import tarfile

import numpy as np
import pytest

pytest.importorskip('rosbags', reason='fleets need the extra [fleet]')
parquet = pytest.importorskip('pyarrow.parquet', reason='fleets need the extra [fleet]')
webdataset = pytest.importorskip('webdataset', reason='fleets need the extra [fleet]')
Image = pytest.importorskip('PIL.Image', reason='images need the extra [cli]')

from shard_files import COUNT, infer, infer_relative, make_frames, write_shard_of  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.recording.recorded_poses import Pose  # noqa: E402


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine.load(str(tiny_model), device='cpu')


@pytest.fixture
def shard(engine, tmp_path):
    """Return a function that writes a file and returns its path."""
    return lambda kind='webdataset', **changes: write_shard_of(
        engine, kind, tmp_path, **changes)


def samples(path):
    return list(webdataset.WebDataset(str(path), shardshuffle=False))


def rows_of(path):
    """Return the samples as rows of columns."""
    rows = []
    for sample in samples(path):
        files = {name.partition('.')[0]: data for name, data in sample.items()
                 if name.endswith(('.png', '.npy'))}
        rows.append({**json.loads(sample['json']), **files})
    return rows


@pytest.mark.parametrize('name', [
    'walk', 'a.b/c.d', 'größe/日本', '__a__', '50%2E', 'long/' + 'x' * 250, '.hidden', "it's #1?"])
def test_the_rows_are_those_of_the_parquet_file_whatever_the_name(shard, name):
    pose = Pose('map', (1.0, 2.0, 3.0), (0.0, 0.0, 0.6, 0.8))
    changes = {'name': name, 'poses': lambda frame: pose if frame.number else None}
    expected = parquet.read_table(shard('parquet', **changes)).to_pylist()

    found = rows_of(shard(**changes))

    assert [{name: row[name] for name in expected[0]} for row in found] == expected


def test_a_sample_is_named_by_its_key_and_its_parts_by_their_columns(shard):
    found = samples(shard())

    assert [sample['__key__'] for sample in found] == [
        f'drives/monday%2E1/{number:08d}' for number in range(COUNT)]
    assert {name for name in found[0] if not name.startswith('__')} == {
        'image.png', 'semantic_mask.png', 'semantic_confidence.png', 'depth_image.png',
        'normals_image.png', 'edges_image.png', 'json'}


def test_relative_depth_is_an_array_without_loss(shard, engine):
    sample = samples(shard(maps=infer_relative, outputs=('depth/relative',)))[0]

    expected = infer_relative(engine, make_frames(COUNT))[0].disparity
    np.testing.assert_array_equal(np.load(io.BytesIO(sample['depth_relative.npy'])), expected)


def test_the_decoders_of_webdataset_and_a_data_loader_read_the_classes(shard, engine):
    dataset = webdataset.WebDataset(str(shard()), shardshuffle=False).decode('l8').to_tuple(
        'semantic_mask.png', 'json').map_tuple(np.array, dict)

    found = list(DataLoader(dataset, batch_size=None))

    for (mask, facts), expected in zip(found, infer(engine, make_frames(COUNT)), strict=True):
        np.testing.assert_array_equal(mask, expected.mask)
        assert tuple(facts['labels']) == engine.labels.names
        assert facts['model'] == '5a' * 32


def test_the_files_tell_neither_who_wrote_them_nor_when(shard):
    with tarfile.open(shard()) as file:
        facts = {(item.mtime, item.uid, item.gid, item.uname, item.gname) for item in file}

    assert facts == {(0, 0, 0, '', '')}
