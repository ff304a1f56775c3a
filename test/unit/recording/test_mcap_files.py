"""mcap files as other tools write them."""

from dataclasses import replace

import pytest

pytest.importorskip('rosbags', reason='bags need the extra [bags]')
pytest.importorskip('mcap', reason='bags need the extra [bags]')

from bag_files import IMAGE, image_rows, write_mcap  # noqa: E402
from mcap.writer import CompressionType, IndexType  # noqa: E402

from mtshare_ros.errors import RecordingError  # noqa: E402
from mtshare_ros.recording.bag import (
    Bag,  # noqa: E402
    choose_image_topic,  # noqa: E402
)

IMAGES = 12
ROWS = image_rows(IMAGES)
TIMES = [row.time_ns for row in ROWS]
LAYOUTS = {
    'no chunks': {'use_chunking': False},
    'no chunks, no summary': {
        'use_chunking': False, 'use_statistics': False, 'use_summary_offsets': False,
        'repeat_channels': False, 'repeat_schemas': False, 'index_types': IndexType.NONE},
    'chunks': {'chunk_size': 40_000},
    'chunks without an index': {'chunk_size': 40_000, 'index_types': IndexType.NONE},
    'chunks, no summary': {
        'chunk_size': 40_000, 'use_statistics': False, 'use_summary_offsets': False,
        'repeat_channels': False, 'repeat_schemas': False, 'index_types': IndexType.NONE},
    'channels not repeated': {'repeat_channels': False, 'repeat_schemas': False},
    'lz4': {'compression': CompressionType.LZ4},
    'zstd': {'compression': CompressionType.ZSTD},
}


def read(path, **limits):
    """Return the times and bytes of the images, the counted images and damages of a bag."""
    with Bag(path) as bag:
        found = [(item.time_ns, item.data) for item in bag.messages((IMAGE,), **limits)]
        return found, sum(topic.count for topic in bag.topics), bag.damages


def in_order(rows):
    return sorted((row.time_ns, row.data) for row in rows)


ORDERS = {
    'in order': list(range(IMAGES)), 'two swapped': [0, 1, 3, 2, *range(4, IMAGES)],
    'one late': [*range(1, 9), 0, *range(9, IMAGES)], 'backwards': list(range(IMAGES))[::-1],
    'two series': [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11],
}


@pytest.mark.parametrize('order', ORDERS)
@pytest.mark.parametrize('layout', LAYOUTS)
def test_messages_come_in_the_order_of_their_times_whatever_the_layout(tmp_path, layout, order):
    rows = [ROWS[number] for number in ORDERS[order]]
    path = write_mcap(tmp_path / 'drive.mcap', rows, **LAYOUTS[layout])

    assert read(path) == (in_order(ROWS), IMAGES, [])
    part, _, _ = read(path, start_s=0.25, end_s=0.65)
    assert part == in_order(ROWS[3:7])


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('share', [0.5, 0.9])
def test_a_file_that_was_cut_gives_its_beginning_whatever_the_layout(tmp_path, layout, share):
    path = write_mcap(tmp_path / 'drive.mcap', ROWS, **LAYOUTS[layout])
    path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])
    with_one_chunk = layout in ('lz4', 'zstd', 'channels not repeated')
    if with_one_chunk:
        with pytest.raises(RecordingError, match='nothing can be read from it'):
            Bag(path)
        return

    found, count, damages = read(path)

    assert found == in_order(ROWS)[:len(found)] and len(found) == count
    assert share * IMAGES - 3 < count < IMAGES
    assert 'drive.mcap, byte ' in str(damages[0])


@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_topic_in_several_channels_is_one_topic(tmp_path, layout):
    rows = [replace(row, key=number % 3) for number, row in enumerate(ROWS)]
    path = write_mcap(tmp_path / 'merged.mcap', rows, **LAYOUTS[layout])

    with Bag(path) as bag:
        assert choose_image_topic(bag.topics, None).count == IMAGES
        assert [item.time_ns for item in bag.messages((IMAGE,))] == TIMES


def test_a_topic_of_two_types_is_chosen_by_the_images(tmp_path):
    rows = [*ROWS, replace(ROWS[0], key='text', kind='std_msgs/msg/String',
                           definition='string data\n', data=b'\0\1\0\0\2\0\0\0a\0')]
    with Bag(write_mcap(tmp_path / 'mixed.mcap', rows)) as bag:
        topic = choose_image_topic(bag.topics, IMAGE)
    assert (topic.message_type, topic.count) == ('sensor_msgs/msg/Image', IMAGES)


@pytest.mark.parametrize('encoding, serialization', [
    ('jsonschema', 'json'), ('protobuf', 'protobuf'), ('omgidl', 'cdr'), ('', 'cdr')])
def test_channels_of_other_kinds_are_no_obstacle(tmp_path, encoding, serialization):
    rows = [*ROWS, replace(ROWS[0], topic='/status', key='status', kind='tool.Status',
                           definition='{}', encoding=encoding, serialization=serialization)]
    assert read(write_mcap(tmp_path / 'drive.mcap', rows))[0] == in_order(ROWS)


@pytest.mark.parametrize('profile', ['', 'ros2', 'x-my-robot'])
def test_the_profile_of_a_file_does_not_matter(tmp_path, profile):
    assert read(write_mcap(tmp_path / 'drive.mcap', ROWS, profile))[0] == in_order(ROWS)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_messages_of_ros_1_are_named_with_the_way_out(tmp_path, layout):
    rows = [replace(row, kind='sensor_msgs/Image', encoding='ros1msg', serialization='ros1')
            for row in ROWS]
    path = write_mcap(tmp_path / 'drive.mcap', rows, 'ros1', **LAYOUTS[layout])

    with pytest.raises(RecordingError, match='recording of ROS 1 .*rosbags-convert --src drive'):
        Bag(path)


@pytest.mark.parametrize('name', ['drive.bag', 'drive.db3', 'drive.mcap', 'in a folder'])
def test_a_bag_of_ros_1_is_known_by_its_bytes(tmp_path, name):
    path = tmp_path / name
    file = path
    if name == 'in a folder':
        path.mkdir()
        file = path / 'drive.bag'
    file.write_bytes(b'#ROSBAG V2.0\nE\0\0\0')

    with pytest.raises(RecordingError, match='is a recording of ROS 1'):
        Bag(path)
