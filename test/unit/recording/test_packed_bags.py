"""Bags with file or message compression, whole and cut."""

import pytest

pytest.importorskip('rosbags', reason='bags need the extra [bags]')
pytest.importorskip('mcap', reason='bags need the extra [bags]')
pytest.importorskip('zstandard', reason='bags need the extra [bags]')

from bag_files import IMAGE, STORE, to_cdr, write_database  # noqa: E402
from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402
from rosbags.rosbag2.enums import CompressionFormat, CompressionMode  # noqa: E402
from split_bags import ALL, EXPECTED, pack, read, split_bag  # noqa: E402

from mtshare_ros.recording.bag import Bag  # noqa: E402


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('packed', [1, 2, 3])
@pytest.mark.parametrize('metadata', [True, False])
def test_packed_files_are_read_whether_they_are_listed_or_not(
        tmp_path, storage, packed, metadata):
    folder = split_bag(tmp_path / 'in', storage)
    for path in sorted(folder.glob('in_*'))[:packed]:
        pack(path)
    if not metadata:
        (folder / 'metadata.yaml').unlink()

    found, damages, notices = read(folder)

    assert (found, damages) == (EXPECTED, [])
    assert any('are unpacked, one at a time' in notice for notice in notices)


def test_a_packed_file_alone_is_a_bag(tmp_path):
    path = write_database(tmp_path / 'drive_0.db3', ALL)
    pack(path, '.zst')

    assert read(tmp_path / 'drive_0.db3.zst')[:2] == (EXPECTED, [])


def test_of_a_file_that_was_being_packed_the_unpacked_one_counts(tmp_path):
    folder = split_bag(tmp_path / 'in')
    kept = (folder / 'in_1.db3').read_bytes()
    pack(folder / 'in_1.db3', share=0.5)
    (folder / 'in_1.db3').write_bytes(kept)

    assert read(folder)[:2] == (EXPECTED, [])


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_packed_file_that_was_cut_gives_its_beginning_and_the_others_are_read(
        tmp_path, storage):
    folder = split_bag(tmp_path / 'in', storage)
    pack(next(folder.glob('in_1*')), share=0.6)

    found, damages, _ = read(folder)

    assert len(damages) == 1 and 'in_1' in damages[0]
    assert found[:9] == EXPECTED[:9] and found[-9:] == EXPECTED[-9:] and len(found) < 27


def test_messages_that_are_packed_one_by_one_are_recognised(tmp_path):
    for storage in StoragePlugin:
        folder = tmp_path / storage.name
        writer = Writer(folder, version=8, storage_plugin=storage)
        writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
        with writer:
            for topic, time_ns, message in ALL[:1]:
                connection = writer.add_connection(topic, message.__msgtype__, typestore=STORE)
                writer.write(connection, time_ns, to_cdr(message))
        (folder / 'metadata.yaml').unlink()
        with Bag(folder) as bag:
            assert [item.data for item in bag.messages((IMAGE,))] == [to_cdr(ALL[0][2])]
