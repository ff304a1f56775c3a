"""The columns of shards: their table, and what holds for every format of them."""

import resource

import pytest

pytest.importorskip('rosbags', reason='fleets need the extra [fleet]')
pytest.importorskip('pyarrow', reason='fleets need the extra [fleet]')
pytest.importorskip('webdataset', reason='fleets need the extra [fleet]')

from doc_pages import ROOT  # noqa: E402
from shard_files import (  # noqa: E402
    FORMAT_NAMES,
    infer,
    make_context,
    make_frames,
    MAPS,
    write_shard,
)

from mtshare_ros.errors import ConfigError, RecordingError  # noqa: E402
from mtshare_ros.fleet.shards.columns import COLUMNS, columns_of  # noqa: E402
from mtshare_ros.fleet.shards.formats import open_shard  # noqa: E402
from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.inference.map_outputs import MAPS as EVERY_MAP  # noqa: E402


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine.load(str(tiny_model), device='cpu')


def test_the_page_has_the_table_of_the_columns():
    page = (ROOT / 'docs/fleet.md').read_text()
    rows = [f'| `{column.name}` | {column.type_name} | {column.unit} | {column.text} |'
            for column in COLUMNS]

    assert '\n'.join(rows) in page, 'the rows are:\n' + '\n'.join(rows)


def test_every_map_has_a_column_that_is_named_as_its_topic():
    maps = {column.name: column.output for column in COLUMNS if column.output is not None}

    assert list(maps.values()) == list(EVERY_MAP)
    assert all(name == row.topic.replace('/', '_') for name, row in maps.items())


def test_only_the_topics_asked_for_are_columns():
    names = [column.name for column in columns_of(('edges/image', 'depth/camera_info'))]

    assert names == ['key', 'source', 'segment', 'frame', 'stamp_ns', 'time_ns', 'frame_id',
                     'image', 'edges_image', 'camera', 'pose', 'active_fraction']


def test_a_cloud_is_refused_because_the_columns_hold_what_it_is_made_from():
    with pytest.raises(ConfigError, match='depth/points.*made from depth_image, camera and image'):
        columns_of((*MAPS, 'depth/points'))


def test_an_unknown_format_is_refused_with_the_known_ones(engine, tmp_path):
    with pytest.raises(ConfigError, match="'zarr'.*allowed: parquet, webdataset"):
        open_shard('zarr', tmp_path / 'a', make_context(engine))


@pytest.mark.parametrize('kind', FORMAT_NAMES)
def test_the_same_frames_make_the_same_bytes(engine, tmp_path, kind):
    frames, context = make_frames(3), make_context(engine)
    first, second = (
        write_shard(kind, tmp_path / name, frames, infer(engine, frames), context).read_bytes()
        for name in 'ab')

    assert first == second


@pytest.mark.parametrize('kind', FORMAT_NAMES)
def test_an_abandoned_shard_leaves_nothing(engine, tmp_path, kind):
    frames = make_frames(1)
    writer = open_shard(kind, tmp_path / 'a', make_context(engine))
    writer.see(frames[0], infer(engine, frames)[0])

    writer.abandon()

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('kind', FORMAT_NAMES)
def test_a_place_that_takes_no_more_is_an_error_that_names_it(engine, tmp_path, kind):
    frames = make_frames(1)
    predictions = infer(engine, frames)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = open_shard(kind, tmp_path / 'full', make_context(engine))
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(RecordingError, match='full: cannot be written: File too large'):
            for _ in range(3):
                writer.see(frames[0], predictions[0])
            writer.close()
        writer.abandon()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('kind', FORMAT_NAMES)
def test_a_folder_that_is_not_there_is_an_error_that_names_the_file(engine, tmp_path, kind):
    with pytest.raises(RecordingError, match='none/a: cannot be written: No such file'):
        open_shard(kind, tmp_path / 'none' / 'a', make_context(engine))
