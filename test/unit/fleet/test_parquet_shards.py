"""Parquet files, read with pyarrow: every pixel is that of the engine."""

from dataclasses import replace
import io
import json

import numpy as np
import pytest

pytest.importorskip('rosbags', reason='fleets need the extra [fleet]')
pytest.importorskip('webdataset', reason='fleets need the extra [fleet]')
parquet = pytest.importorskip('pyarrow.parquet', reason='fleets need the extra [fleet]')
Image = pytest.importorskip('PIL.Image', reason='images need the extra [cli]')

from bag_files import PERIOD_NS, picture, START_NS  # noqa: E402
from shard_files import (  # noqa: E402
    COUNT,
    infer,
    infer_relative,
    make_context,
    make_frames,
    write_shard,
    write_shard_of,
)

from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.recording.map_encoding import depth_to_png, normals_to_png  # noqa: E402
from mtshare_ros.recording.recorded_poses import Pose  # noqa: E402


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine.load(str(tiny_model), device='cpu')


@pytest.fixture
def shard(engine, tmp_path):
    """Return a function that writes a file and opens it."""
    return lambda *args, **changes: parquet.ParquetFile(
        write_shard_of(engine, 'parquet', tmp_path, *args, **changes))


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def test_every_pixel_is_that_of_the_engine(shard, engine):
    rows = shard().read().to_pylist()

    for row, expected in zip(rows, infer(engine, make_frames(COUNT)), strict=True):
        np.testing.assert_array_equal(pixels(row['image']), picture(row['frame']))
        np.testing.assert_array_equal(pixels(row['semantic_mask']), expected.mask)
        np.testing.assert_array_equal(pixels(row['semantic_confidence']), expected.confidence)
        np.testing.assert_array_equal(pixels(row['depth_image']), depth_to_png(expected.depth))
        np.testing.assert_array_equal(
            pixels(row['normals_image']), normals_to_png(expected.normals))
        np.testing.assert_array_equal(pixels(row['edges_image']), expected.edges)
        assert row['active_fraction'] == expected.stats.active_fraction


def test_masks_are_grey_so_that_no_reader_takes_their_classes_for_colours(shard):
    row, = shard(1).read().to_pylist()

    assert Image.open(io.BytesIO(row['semantic_mask'])).mode == 'L'


def test_depth_and_normals_are_within_their_rounding(shard, engine):
    row, = shard(1).read().to_pylist()
    expected, = infer(engine, make_frames(1))

    np.testing.assert_allclose(pixels(row['depth_image']) / 1000, expected.depth, atol=5.1e-4)
    normals = (pixels(row['normals_image']).astype(np.float32) - 128) / 127
    np.testing.assert_allclose(normals, expected.normals, atol=4e-3)


def test_relative_depth_is_an_array_without_loss(shard, engine):
    row, = shard(1, infer_relative, outputs=('depth/relative',)).read().to_pylist()

    expected, = infer_relative(engine, make_frames(1))
    np.testing.assert_array_equal(
        np.load(io.BytesIO(row['depth_relative'])), expected.disparity)


def test_a_row_says_which_image_it_is(shard):
    rows = shard(segment=4).read().to_pylist()

    assert [row['key'] for row in rows] == [f'drives/monday%2E1/{i:08d}' for i in range(COUNT)]
    for number, row in enumerate(rows):
        assert (row['source'], row['segment'], row['frame'], row['frame_id']) == (
            '/data/drives/monday.1', 4, number, 'lens')
        assert row['stamp_ns'] == START_NS + number * PERIOD_NS == row['time_ns'] - 1_000


def test_the_camera_is_null_without_a_calibration(shard):
    assert shard(2).read().column('camera').to_pylist() == [
        None, {'fx': 110.0, 'fy': 110.0, 'cx': 63.5, 'cy': 47.5}]


def test_the_pose_is_null_where_it_is_not_known(shard):
    pose = Pose('map', (1.0, 2.0, 3.0), (0.0, 0.0, 0.6, 0.8))

    found = shard(2, poses=lambda frame: pose if frame.number else None).read().column('pose')

    assert found.to_pylist() == [None, pose.values()]


def test_a_frame_without_a_header_has_no_stamp(engine, tmp_path):
    frames = [replace(frame, stamp_ns=None, frame_id='') for frame in make_frames(1)]
    path = write_shard('parquet', tmp_path / 'a', frames, infer(engine, frames),
                       make_context(engine))

    row, = parquet.read_table(path).to_pylist()
    assert (row['stamp_ns'], row['frame_id']) == (None, '')


def test_the_file_describes_itself(shard, engine):
    schema = shard(1).schema_arrow
    about = json.loads(schema.metadata[b'mtshare_ros'])

    assert about['labels'][3] == {'id': 3, 'name': engine.labels.names[3],
                                  'rgb': list(engine.labels.colors[3])}
    assert about['model'] == '5a' * 32 and about['settings'] == {'refresh_period': 30}
    depth = schema.field('depth_image').metadata
    assert depth[b'encoding'] == b'png' and depth[b'unit'] == b'mm'


def test_pictures_are_not_compressed_again_and_few_rows_are_read_at_once(shard):
    metadata = shard(130).metadata

    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [64, 64, 2]
    group = metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    assert {column.compression for column in columns} == {'UNCOMPRESSED'}


def test_a_segment_without_frames_is_a_file_without_rows(shard):
    assert shard(0).read().num_rows == 0
