"""A damaged bag gives everything before the damage, and says where that is."""

from contextlib import closing
import shutil
import sqlite3

import pytest

pytest.importorskip('rosbags', reason='bags need the extra [bags]')
pytest.importorskip('mcap', reason='bags need the extra [bags]')

from bag_files import (  # noqa: E402
    camera_messages,
    IMAGE,
    INFO,
    storage_file,
    STORE,
    TALK,
    write_camera_bag,
    write_database,
)
from mcap.writer import CompressionType, Writer  # noqa: E402

from mtshare_ros.errors import RecordingError  # noqa: E402
from mtshare_ros.recording.bag import Bag  # noqa: E402

IMAGES = 30
BYTES_OF_AN_IMAGE = 96 * 128 * 3


def write_chunked_mcap(path, images=IMAGES):
    """Write compressed chunks with checksums, one for each image or two, as recorders do."""
    with path.open('wb') as file:
        writer = Writer(file, chunk_size=BYTES_OF_AN_IMAGE, compression=CompressionType.ZSTD)
        writer.start(profile='ros2', library='test')
        channels = {}
        for topic, time_ns, message in camera_messages(images):
            kind = message.__msgtype__
            if topic not in channels:
                text, _ = STORE.generate_msgdef(kind, ros_version=2)
                schema = writer.register_schema(kind, 'ros2msg', text.encode())
                channels[topic] = writer.register_channel(topic, 'cdr', schema)
            writer.add_message(channels[topic], time_ns, bytes(STORE.serialize_cdr(message, kind)),
                               time_ns)
        writer.finish()
    return path


def cut(path, share):
    """Cut a file to a share of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[:int(share * len(data))])


def spoil(path, place, size=64):
    """Overwrite bytes in the middle of a file."""
    data = bytearray(path.read_bytes())
    start = int(place * len(data))
    data[start:start + size] = b'\xa5' * size
    path.write_bytes(data)


def read(path, *topics):
    with Bag(path) as bag:
        messages = list(bag.messages(topics or (IMAGE, INFO, TALK)))
        return messages, '; '.join(map(str, bag.damages)), '; '.join(bag.notices)


def expected(count):
    return [(topic, time_ns) for topic, time_ns, _ in camera_messages(IMAGES)][:count]


def assert_good_beginning(messages, least):
    """Check that the messages are the first ones of the camera, and that there are enough."""
    assert len(messages) >= least
    assert [(item.topic, item.time_ns) for item in messages] == expected(len(messages))


def test_a_whole_bag_has_no_damage(tmp_path):
    messages, damage, notice = read(write_camera_bag(tmp_path / 'in', IMAGES))

    assert_good_beginning(messages, 3 * IMAGES)
    assert not damage and not notice


@pytest.mark.parametrize('share', [0.3, 0.7, 0.99])
def test_a_truncated_mcap_file_is_read_up_to_where_it_ends(tmp_path, share):
    path = write_chunked_mcap(tmp_path / 'drive.mcap')
    cut(path, share)
    size = path.stat().st_size

    messages, damage, notice = read(path)

    assert_good_beginning(messages, 3 * (share * IMAGES - 3))
    assert 'without an index' in notice
    assert f'of {size}' in damage and 'drive.mcap, byte ' in damage
    assert f'after {(messages[-1].time_ns - messages[0].time_ns) / 1e9:.3f} s' in damage


def test_a_spoilt_chunk_is_noticed_by_its_checksum(tmp_path):
    path = write_chunked_mcap(tmp_path / 'drive.mcap')
    spoil(path, 0.5)

    messages, damage, _ = read(path)

    assert_good_beginning(messages, 3 * (0.4 * IMAGES))
    assert len(messages) < 3 * 0.6 * IMAGES
    assert damage


def test_a_spoilt_chunk_of_a_truncated_file_ends_it_there(tmp_path):
    path = write_chunked_mcap(tmp_path / 'drive.mcap')
    cut(path, 0.9)
    spoil(path, 0.5)

    messages, damage, _ = read(path)

    assert_good_beginning(messages, 3 * (0.35 * IMAGES))
    assert len(messages) < 3 * 0.5 * IMAGES
    assert 'byte' in damage


def test_a_truncated_database_is_read_up_to_where_it_ends(tmp_path):
    bag = write_camera_bag(tmp_path / 'in', IMAGES, 'sqlite3')
    cut(storage_file(bag), 0.6)

    messages, damage, _ = read(bag)

    assert_good_beginning(messages, 3 * 0.4 * IMAGES)
    assert len(messages) < 3 * 0.7 * IMAGES
    assert 'malformed' in damage and 'behind message row' in damage


def test_a_database_with_a_spoilt_page_is_read_up_to_it(tmp_path):
    bag = write_camera_bag(tmp_path / 'in', IMAGES, 'sqlite3')
    file = storage_file(bag)
    page = int(0.5 * file.stat().st_size) // 4096
    data = bytearray(file.read_bytes())
    data[page * 4096:(page + 40) * 4096] = bytes(40 * 4096)
    file.write_bytes(data)

    messages, damage, _ = read(bag, IMAGE)

    assert 0.3 * IMAGES < len(messages) < IMAGES
    assert damage


def test_rows_that_belong_to_no_topic_are_counted_and_the_others_are_read(tmp_path):
    path = write_database(tmp_path / 'in.db3', list(camera_messages(IMAGES)))
    with closing(sqlite3.connect(path)) as database:
        database.execute('DELETE FROM topics WHERE name = ?', (TALK,))
        database.commit()

    messages, damage, _ = read(path)

    assert [item.topic for item in messages] == [IMAGE, INFO] * IMAGES
    assert f'{IMAGES} messages belong to no topic' in damage


def test_a_bag_whose_recorder_was_killed_has_no_metadata_but_everything_else(tmp_path):
    bag = write_camera_bag(tmp_path / 'in', 5)
    (bag / 'metadata.yaml').unlink()

    messages, damage, notice = read(bag)

    assert_good_beginning(messages, 15)
    assert not damage and 'metadata' in notice


def test_files_of_a_split_bag_are_read_in_the_order_of_their_numbers(tmp_path):
    folder = tmp_path / 'in'
    folder.mkdir()
    for number in (2, 10):
        part = write_camera_bag(tmp_path / str(number), number)
        shutil.move(storage_file(part), folder / f'in_{number}.mcap')

    messages, damage, _ = read(folder, TALK)

    assert not damage and len(messages) == 12
    assert [item.time_ns for item in messages[:3]] == [
        time_ns for topic, time_ns in expected(90) if topic == TALK][:2] + [messages[0].time_ns]


@pytest.mark.parametrize('name, content', [
    ('empty.mcap', b''), ('noise.mcap', b'noise' * 100), ('noise.db3', b'noise' * 100),
    ('bag.txt', b'text')])
def test_what_is_no_bag_is_refused_with_what_is_one(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(RecordingError, match='nothing can be read from it.*give a rosbag2 folder'):
        Bag(path)


def test_a_bag_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RecordingError, match='there is no such bag'):
        Bag(tmp_path / 'absent')
