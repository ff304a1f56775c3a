"""Recordings whose index does not tell their segments for certain are read in one go."""

import pytest

pytest.importorskip('rosbags', reason='bags need the extra [bags]')

from bag_files import camera_rows, storage_file, write_camera_bag, write_mcap  # noqa: E402
from split_bags import change_metadata, pack, split_bag  # noqa: E402

from mtshare_ros.recording.bag import Bag  # noqa: E402
from mtshare_ros.recording.segments import find_segments  # noqa: E402


def lose_half(source):
    file = storage_file(source)
    file.write_bytes(file.read_bytes()[:file.stat().st_size // 2])


def lose_summary(source):
    file = storage_file(source)
    file.write_bytes(file.read_bytes()[:-100])


def lose_file(source):
    sorted(source.glob('in_*'))[1].unlink()


@pytest.mark.parametrize('storage, change', [
    ('sqlite3', lose_half), ('mcap', lose_summary),
    ('mcap', lambda source: pack(storage_file(source))),
    ('sqlite3', lambda source: pack(storage_file(source))),
    ('mcap', lambda source: change_metadata(source, lambda information: information[
        'topics_with_message_count'][0].update(message_count=99))),
])
def test_a_recording_whose_index_is_not_certain_is_read_in_one_go(
        plan, tmp_path, storage, change):
    source = write_camera_bag(tmp_path / 'in', 9, storage)
    change(source)

    with Bag(source) as bag:
        assert find_segments(bag, plan(source)) == ()


def test_a_bag_of_which_a_file_is_missing_is_read_in_one_go(plan, tmp_path):
    source = split_bag(tmp_path / 'in')
    lose_file(source)

    with Bag(source) as bag:
        assert find_segments(bag, plan(source)) == ()


@pytest.mark.parametrize('options', [{'start_s': 0.0}, {'end_s': 100.0}])
def test_a_part_of_a_recording_is_read_in_one_go(plan, tmp_path, options):
    source = write_camera_bag(tmp_path / 'in', 9)

    with Bag(source) as bag:
        assert find_segments(bag, plan(source, **options)) == ()


def test_chunks_without_indexes_of_messages_are_read_in_one_go(plan, tmp_path):
    from mcap.writer import IndexType

    source = write_mcap(tmp_path / 'in.mcap', camera_rows(9), index_types=IndexType.CHUNK)

    with Bag(source) as bag:
        assert find_segments(bag, plan(source)) == ()
