"""Bags that were not closed, copied or cut: what is there is read, the rest is told."""

import os
import shutil

import pytest

pytest.importorskip('rosbags', reason='bags need the extra [bags]')
pytest.importorskip('mcap', reason='bags need the extra [bags]')

from bag_files import (  # noqa: E402
    camera_messages,
    IMAGE,
    INFO,
    storage_file,
    TALK,
    write_camera_bag,
    write_database,
)
from split_bags import ALL, change_metadata, EXPECTED, IMAGES, read, split_bag  # noqa: E402

from mtshare_ros.errors import RecordingError  # noqa: E402
from mtshare_ros.recording.bag import Bag  # noqa: E402


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize('images', [1, 60])
@pytest.mark.parametrize('shared_memory', [True, False])
def test_the_log_of_a_killed_recorder_is_read_and_left_as_it_is(tmp_path, images, shared_memory):
    messages = list(camera_messages(images))
    folder = tmp_path / 'killed #1?'
    folder.mkdir()
    write_database(folder / 'killed_0.db3', messages, log=True)
    if not shared_memory:
        (folder / 'killed_0.db3-shm').unlink()
    before = snapshot(folder)

    found, damages, notices = read(folder)

    assert found == [(topic, time_ns) for topic, time_ns, _ in messages]
    assert not damages and 'there is no metadata.yaml' in notices[0]
    assert snapshot(folder) == before


def test_what_lies_in_a_folder_that_cannot_be_written_is_read_all_the_same(tmp_path):
    folder = tmp_path / 'killed'
    folder.mkdir()
    write_database(folder / 'killed_0.db3', ALL, log=True)
    folder.chmod(0o500)

    assert read(folder)[0] == EXPECTED
    folder.chmod(0o700)


def test_a_log_that_was_cut_gives_what_was_committed_before_and_is_told(tmp_path):
    path = write_database(tmp_path / 'killed_0.db3', ALL, log=True)
    log = tmp_path / 'killed_0.db3-wal'
    log.write_bytes(log.read_bytes()[:-5000])

    found, damages, _ = read(path)

    assert found == EXPECTED[:len(found)] and 0 < len(found) < len(EXPECTED)
    assert len(damages) == 1 and 'within a transaction' in damages[0]


def test_an_empty_log_changes_nothing(tmp_path):
    path = write_database(tmp_path / 'drive_0.db3', ALL)
    (tmp_path / 'drive_0.db3-wal').touch()

    assert read(path)[:2] == (EXPECTED, [])


def test_a_link_to_a_database_finds_its_log(tmp_path):
    (tmp_path / 'there').mkdir()
    write_database(tmp_path / 'there/killed_0.db3', ALL, log=True)
    (tmp_path / 'link.db3').symlink_to('there/killed_0.db3')

    assert read(tmp_path / 'link.db3')[0] == EXPECTED


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('number', [0, 1, 2])
def test_a_file_that_is_gone_is_named_and_its_messages_are_counted(tmp_path, storage, number):
    folder = split_bag(tmp_path / 'in', storage)
    path = next(folder.glob(f'in_{number}*'))
    path.unlink()

    with Bag(folder) as bag:
        found = [(item.topic, item.time_ns) for item in bag.messages((IMAGE, INFO, TALK))]
        assert [str(item) for item in bag.damages] == [f'{path.name} is missing with 9 messages']
        assert bag.lost == {IMAGE: 3, INFO: 3, TALK: 3}
        assert bag.start_ns == EXPECTED[0][1]
    assert found == EXPECTED[:9 * number] + EXPECTED[9 * (number + 1):]


def test_a_broken_link_is_a_file_that_is_gone(tmp_path):
    folder = split_bag(tmp_path / 'in')
    (folder / 'in_1.db3').unlink()
    (folder / 'in_1.db3').symlink_to('/nowhere/in_1.db3')

    assert read(folder)[1] == ['in_1.db3 is missing with 9 messages']


def test_files_that_are_not_listed_are_read_as_well(tmp_path):
    folder = split_bag(tmp_path / 'in')
    change_metadata(folder, lambda values: values.update(
        relative_file_paths=['in_0.db3'], files=values['files'][:1]))

    found, _, notices = read(folder)

    assert found == EXPECTED
    assert sum('not listed in metadata.yaml, and read as well' in item for item in notices) == 2


def test_a_file_that_is_not_listed_and_covers_the_time_of_others_is_told(tmp_path):
    folder = split_bag(tmp_path / 'in')
    write_database(folder / 'some.db3', ALL[3:20])

    found, damages, _ = read(folder)

    assert found == EXPECTED
    assert len(damages) == 1 and 'some.db3 (17 messages) is not listed' in damages[0]


@pytest.mark.parametrize('metadata', [True, False])
def test_a_copy_of_a_file_is_read_once(tmp_path, metadata):
    folder = split_bag(tmp_path / 'in')
    shutil.copy(folder / 'in_1.db3', folder / 'in_1 (copy).db3')
    if not metadata:
        (folder / 'metadata.yaml').unlink()

    found, damages, notices = read(folder)

    assert found == EXPECTED and not damages
    assert any('is a copy of in_1' in notice for notice in notices)


@pytest.mark.parametrize('metadata', [True, False])
def test_a_copy_in_another_storage_is_read_once(tmp_path, metadata):
    folder = write_camera_bag(tmp_path / 'in', IMAGES, 'mcap')
    write_database(folder / 'in.db3', ALL)
    if not metadata:
        (folder / 'metadata.yaml').unlink()

    assert read(folder)[:2] == (EXPECTED, [])


@pytest.mark.parametrize('prefix', ['in/', '/home/robot/rec/in/', 'C:\\rec\\in\\', './'])
def test_files_are_found_whatever_folder_they_were_recorded_in(tmp_path, prefix):
    folder = split_bag(tmp_path / 'in')
    change_metadata(folder, lambda values: values.update(relative_file_paths=[
        prefix + name for name in values['relative_file_paths']]))

    assert read(folder)[:2] == (EXPECTED, [])


@pytest.mark.parametrize('text', ['', 'rosbag2_bagfile_information:\n', '- 1\n', '{', '\x00',
                                  'rosbag2_bagfile_information: {relative_file_paths: 3}'])
def test_a_broken_metadata_file_does_no_harm(tmp_path, text):
    folder = split_bag(tmp_path / 'in')
    (folder / 'metadata.yaml').write_text(text)

    found, damages, notices = read(folder)

    assert (found, damages) == (EXPECTED, [])
    assert 'metadata.yaml cannot be used' in notices[0]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_file_without_a_byte_is_told_and_the_others_are_read(tmp_path, storage):
    folder = split_bag(tmp_path / 'in', storage)
    next(folder.glob('in_1*')).write_bytes(b'')

    found, damages, _ = read(folder)

    assert found == EXPECTED[:9] + EXPECTED[18:]
    assert len(damages) == 1 and 'in_1' in damages[0]


def test_fewer_messages_than_metadata_counts_are_told(tmp_path):
    folder = split_bag(tmp_path / 'in')
    (folder / 'in_1.db3').unlink()
    write_database(folder / 'in_1.db3', ALL[9:12])

    assert read(folder)[1] == [
        'of the 27 messages that metadata.yaml counts, the files do not hold 6']


def test_one_file_of_a_bag_is_a_bag_without_anything_missing(tmp_path):
    folder = split_bag(tmp_path / 'in')

    assert read(folder / 'in_1.db3') == (EXPECTED[9:18], [], [])


def test_what_was_asked_for_before_the_damage_has_none(tmp_path):
    path = write_database(tmp_path / 'killed_0.db3', ALL, log=True)
    log = tmp_path / 'killed_0.db3-wal'
    log.write_bytes(log.read_bytes()[:-5000])

    found, damages, _ = read(path, end_s=0.25)

    assert found == EXPECTED[:9] and not damages


def test_a_file_that_may_not_be_read_is_refused_by_name(tmp_path):
    path = write_database(tmp_path / 'drive_0.db3', ALL)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip('this user may read everything')

    with pytest.raises(RecordingError, match='drive_0.db3: cannot be read: Permission denied'):
        Bag(path)


def test_a_folder_without_a_storage_file_is_refused(tmp_path):
    (tmp_path / 'in').mkdir()
    with pytest.raises(RecordingError, match='holds no .mcap and no .db3 file'):
        Bag(tmp_path / 'in')


def test_a_bag_whose_only_file_is_gone_is_refused_with_its_name(tmp_path):
    folder = write_camera_bag(tmp_path / 'in', 1)
    storage_file(folder).unlink()

    with pytest.raises(RecordingError, match='nothing can be read from it: in.mcap is missing'):
        Bag(folder)


def test_the_folder_around_a_bag_is_refused_with_the_name_of_the_bag(tmp_path):
    folder = write_camera_bag(tmp_path / 'in', 1)

    with pytest.raises(RecordingError, match=f'there is one in {folder}'):
        Bag(tmp_path)


def test_a_listed_file_of_an_unknown_kind_is_told(tmp_path):
    folder = split_bag(tmp_path / 'in')
    (folder / 'in_1.db3').rename(folder / 'in_1.db3.lz4')
    change_metadata(folder, lambda values: values.update(
        relative_file_paths=['in_0.db3', 'in_1.db3.lz4', 'in_2.db3'], files=[]))

    damages = read(folder)[1]

    assert len(damages) == 1 and 'in_1.db3.lz4 is not read with 9 messages' in damages[0]


def test_hidden_files_are_no_part_of_a_bag(tmp_path):
    folder = split_bag(tmp_path / 'in')
    (folder / '._in_1.db3').write_bytes(b'\0\5\x16\7Mac OS X')

    assert read(folder) == (EXPECTED, [], [])
