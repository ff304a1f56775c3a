"""Copies hold the messages of a bag with its own definitions of their types."""

from dataclasses import replace
import sqlite3
import struct

import pytest

pytest.importorskip('rosbags', reason='bags need the extra [bags]')
pytest.importorskip('mcap', reason='bags need the extra [bags]')

from bag_files import (  # noqa: E402
    camera_messages,
    IMAGE,
    image_message,
    image_rows,
    picture,
    read_bytes,
    Row,
    START_NS,
    TALK,
    write_bag,
    write_database,
    write_mcap,
)
from rosbags.highlevel import AnyReader  # noqa: E402
from rosbags.typesys import get_types_from_msg, get_typestore, Stores  # noqa: E402

from mtshare_ros.recording.bag import Bag  # noqa: E402
from mtshare_ros.recording.bag_messages import define, merge_channels  # noqa: E402
from mtshare_ros.recording.bag_parts import Channel, Definition  # noqa: E402

JAZZY = get_typestore(Stores.ROS2_JAZZY)
JAZZY.register(get_types_from_msg('sensor_msgs/Range[] beams\n', 'my_msgs/msg/Sonar'))
RANGE, SONAR = 'sensor_msgs/msg/Range', 'my_msgs/msg/Sonar'
IDL = ('=' * 80 + '\nIDL: my_msgs/msg/Speed\n'
       'module my_msgs { module msg { struct Speed { double value; }; }; };\n')


def sonar_row(kind):
    """Return a message whose type has a field more than in Humble, or which holds such ones."""
    kinds = JAZZY.types
    stamp = kinds['builtin_interfaces/msg/Time'](sec=1, nanosec=0)
    reading = kinds[RANGE](
        header=kinds['std_msgs/msg/Header'](frame_id='sonar', stamp=stamp), radiation_type=0,
        field_of_view=0.5, min_range=0.1, max_range=4.0, range=1.5, variance=0.25)
    message = reading if kind == RANGE else kinds[SONAR](beams=[reading])
    text, _ = JAZZY.generate_msgdef(kind, ros_version=2)
    data = bytes(JAZZY.serialize_cdr(message, kind))
    return Row('/sonar', START_NS, data, kind, text, key='sonar')


def speed_row(**changes):
    row = Row('/speed', START_NS, b'\0\1\0\0' + struct.pack('<d', 1.5), 'my_msgs/msg/Speed', IDL,
              key='speed', encoding='ros2idl')
    return replace(row, **changes)


def definitions_in(path):
    """Return topic: Definition of a bag."""
    with Bag(path) as bag:
        return {channel.topic: channel.definition for channel in bag.channels}


@pytest.fixture
def copy_of(run_bag):
    """Return a function that copies a bag beside a map; the new one, and what it said of it."""
    def copy(source, storage):
        said = []
        out = run_bag(source, copy_input=True, storage=storage, said=said, topics='edges/image',
                      read=lambda path: path)
        return out, [line for line in said if 'copied' in line]
    return copy


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('kind', [RANGE, SONAR])
def test_a_type_that_differs_from_humbles_keeps_its_definition(copy_of, tmp_path, storage, kind):
    row = sonar_row(kind)
    source = write_mcap(tmp_path / 'in.mcap', [*image_rows(1), row])

    out, said = copy_of(source, storage)

    assert definitions_in(out)['/sonar'] == Definition('ros2msg', row.definition) and not said
    with AnyReader([out]) as reader:
        (_, _, data), = reader.messages([
            item for item in reader.connections if item.topic == '/sonar'])
        message = reader.deserialize(data, kind)
    reading = message if kind == RANGE else message.beams[0]
    assert (reading.range, reading.variance) == (1.5, 0.25)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_type_defined_in_idl_is_copied_as_it_is(copy_of, tmp_path, storage):
    source = write_mcap(tmp_path / 'in.mcap', [*image_rows(1), speed_row()])

    out, said = copy_of(source, storage)

    assert definitions_in(out)['/speed'] == Definition('ros2idl', IDL) and not said
    assert read_bytes(out)['/speed'] == [(START_NS, speed_row().data)]


def test_another_encoding_of_definitions_is_kept(copy_of, tmp_path):
    row = speed_row(encoding='omgidl', definition='struct Speed { double value; };')
    out, _ = copy_of(write_mcap(tmp_path / 'in.mcap', [*image_rows(1), row]), 'mcap')

    assert definitions_in(out)['/speed'] == Definition('omgidl', row.definition)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_what_is_not_in_cdr_is_left_out_and_named(copy_of, tmp_path, storage):
    row = speed_row(topic='/status', kind='tool.Status', definition='{}', data=b'{}',
                    encoding='jsonschema', serialization='json')
    out, said = copy_of(write_mcap(tmp_path / 'in.mcap', [*image_rows(1), row]), storage)

    assert len(said) == 1 and '/status is not copied: its messages are json' in said[0]
    assert '/status' not in definitions_in(out) and IMAGE in definitions_in(out)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_without_definitions_gets_those_of_its_distribution(copy_of, tmp_path, storage):
    out, said = copy_of(write_database(tmp_path / 'in.db3', list(camera_messages(1))), storage)

    assert definitions_in(out)[TALK].text.endswith('string data\n') and not said
    assert read_bytes(out)[TALK] == read_bytes(tmp_path / 'in.db3')[TALK]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_type_that_nobody_defines_is_copied_and_named(copy_of, tmp_path, storage):
    source = write_database(tmp_path / 'in.db3', list(camera_messages(1)))
    database = sqlite3.connect(source)
    database.execute("UPDATE topics SET type = 'my_msgs/msg/Talk' WHERE name = ?", (TALK,))
    database.commit()
    database.close()

    out, said = copy_of(source, storage)

    assert len(said) == 1 and 'the bag has none of my_msgs/msg/Talk' in said[0]
    assert definitions_in(out)[TALK] == Definition()
    with Bag(out) as bag:
        message, = bag.messages((TALK,))
    assert message.channel.message_type == 'my_msgs/msg/Talk'
    assert b'frame 0' in message.data


def test_a_topic_in_several_channels_is_copied_into_one(copy_of, tmp_path):
    rows = [replace(row, key=number % 2) for number, row in enumerate(image_rows(4))]
    out, _ = copy_of(write_mcap(tmp_path / 'in.mcap', rows), 'mcap')

    with Bag(out) as bag:
        assert [channel.topic for channel in bag.channels].count(IMAGE) == 1
    assert [data for _, data in read_bytes(out)[IMAGE]] == [row.data for row in rows]


def test_two_definitions_of_one_name_stay_two():
    one = Channel('/a', SONAR, definition=Definition('ros2msg', 'int8 a'))
    other = replace(one, definition=Definition('ros2msg', 'int8 b'))
    unknown = Channel('/b', SONAR)

    merged = merge_channels([one, other, replace(one, qos=('x',)), unknown])

    assert merged[one].definition.text == 'int8 a' and merged[other].definition.text == 'int8 b'
    assert merged[replace(one, qos=('x',))] == merged[one] == replace(one, qos=('x',))
    assert merged[unknown].definition == Definition()


@pytest.mark.parametrize('distro, known', [('humble', True), ('jazzy', True), ('', False),
                                           ('unheard-of', False)])
def test_a_type_that_changed_is_defined_only_for_a_known_distribution(distro, known):
    channel = define(Channel('/sonar', RANGE), distro)

    assert bool(channel.definition.text) == known
    assert ('variance' in channel.definition.text) == (distro == 'jazzy')


def test_a_type_that_never_changed_is_always_defined():
    assert define(Channel('/talk', 'std_msgs/msg/String'), '').definition.text


def test_the_copy_of_a_message_in_a_compressed_bag_is_not_compressed(run_bag, tmp_path):
    zstandard = pytest.importorskip('zstandard', reason='bags need the extra [bags]')
    rows = [replace(row, data=zstandard.compress(row.data)) for row in image_rows(1)]
    run_bag(write_mcap(tmp_path / 'in.mcap', rows), copy_input=True)

    assert read_bytes(tmp_path / 'out')[IMAGE] == [
        (row.time_ns, row.data) for row in image_rows(1)]


def test_an_image_that_makes_the_decoder_fail_costs_no_other(run_bag, tmp_path, monkeypatch):
    from mtshare_ros.recording import segment_run

    read_image = segment_run.read_image

    def fail_at_the_second(*arguments):
        image = read_image(*arguments)
        if image.rgb[0, 0, 0] == 77:
            raise MemoryError('too large')
        return image

    pictures = [picture(number).copy() for number in range(3)]
    pictures[1][0, 0, 0] = 77
    monkeypatch.setattr(segment_run, 'read_image', fail_at_the_second)
    said = []
    found = run_bag(write_bag(tmp_path / 'in', [
        (IMAGE, START_NS + number, image_message(pixels, START_NS + number))
        for number, pixels in enumerate(pictures)]), said=said)

    assert len(found['/edges/image']) == 2
    assert sum('skipped an image' in line and 'too large' in line for line in said) == 1
