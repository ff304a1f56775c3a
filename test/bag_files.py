"""Small bags for tests, written and read by way of rosbags."""

from dataclasses import dataclass, replace
import os
from pathlib import Path
import sqlite3

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

STORE = get_typestore(Stores.ROS2_HUMBLE)
STORE.register(get_types_from_msg('uint16 class_id\nstring class_name\n',
                                  'vision_msgs/msg/VisionClass'))
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
IMAGE, INFO, TALK = '/camera/image_raw', '/camera/camera_info', '/chatter'
HEIGHT, WIDTH = 96, 128


def picture(number, height=HEIGHT, width=WIDTH):
    """Return image number ``number`` of a still scene with a square that moves through it."""
    image = np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)
    left = 8 * number % (width - 16)
    image[24:40, left:left + 16] = (250, 40 + number % 200, 20)
    return image


def make(name, **values):
    return STORE.types[name](**values)


def header(stamp_ns, frame_id='lens'):
    stamp = make('builtin_interfaces/msg/Time', sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return make('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)


def image_message(pixels, stamp_ns, encoding='rgb8'):
    height, width, channels = pixels.shape
    return make('sensor_msgs/msg/Image', header=header(stamp_ns), height=height, width=width,
                encoding=encoding, is_bigendian=0, step=width * channels,
                data=np.ascontiguousarray(pixels).reshape(-1))


def info_message(stamp_ns, height=HEIGHT, width=WIDTH, focal_length=110.0):
    center = (width - 1) / 2, (height - 1) / 2
    k = np.array([focal_length, 0, center[0], 0, focal_length, center[1], 0, 0, 1])
    p = np.hstack([k.reshape(3, 3), np.zeros((3, 1))]).reshape(-1)
    roi = make('sensor_msgs/msg/RegionOfInterest', x_offset=0, y_offset=0, height=0, width=0,
               do_rectify=False)
    return make('sensor_msgs/msg/CameraInfo', header=header(stamp_ns), height=height, width=width,
                distortion_model='plumb_bob', d=np.zeros(5), k=k, r=np.eye(3).reshape(-1), p=p,
                binning_x=0, binning_y=0, roi=roi)


def camera_messages(images, height=HEIGHT, width=WIDTH):
    """Make (topic, recorded at, message) of a camera: images, each with its calibration after."""
    for number in range(images):
        stamp_ns = START_NS + number * PERIOD_NS
        yield IMAGE, stamp_ns + 1_000, image_message(picture(number, height, width), stamp_ns)
        yield INFO, stamp_ns + 2_000, info_message(stamp_ns, height, width)
        yield TALK, stamp_ns + 3_000, make('std_msgs/msg/String', data=f'frame {number}')


def write_bag(path, messages, storage='mcap'):
    """Write (topic, recorded at, message) triples into a new bag and return its folder."""
    connections = {}
    with Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        for topic, time_ns, message in messages:
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], time_ns, STORE.serialize_cdr(message, kind))
    return Path(path)


def write_camera_bag(path, images, storage='mcap', **size):
    return write_bag(path, camera_messages(images, **size), storage)


def read_bag(path):
    """Return the messages of a bag by topic: (recorded at, message) pairs in their order."""
    found = {}
    with AnyReader([Path(path)], default_typestore=STORE) as reader:
        for connection in reader.connections:
            found.setdefault(connection.topic, [])
        for connection, time_ns, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            found[connection.topic].append((time_ns, message))
    return found


def read_bytes(path):
    """Return the messages of a bag by topic: (recorded at, CDR bytes) pairs in their order."""
    found = {}
    with Reader(Path(path)) as reader:
        for connection, time_ns, data in reader.messages():
            found.setdefault(connection.topic, []).append((time_ns, bytes(data)))
    return found


def stamps_ns(messages):
    """Return the header stamps of (recorded at, message) pairs."""
    stamps = [message.header.stamp for _, message in messages]
    return [stamp.sec * 10**9 + stamp.nanosec for stamp in stamps]


def storage_file(path):
    """Return the only storage file of a bag."""
    return next(file for file in Path(path).iterdir() if file.suffix in ('.mcap', '.db3'))


def write_database(path, messages, *, log=False):
    """
    Write a storage file as ROS 2 Humble does: without definitions of types.

    With ``log`` it is left as a killed recorder leaves it: the last messages in its write-ahead
    log.
    """
    if log:
        child = os.fork()
        if child == 0:
            _fill_database(path, messages, 'PRAGMA journal_mode = WAL')
            os._exit(0)  # neither closed nor checkpointed
        os.waitpid(child, 0)
    else:
        _fill_database(path, messages, 'PRAGMA journal_mode = DELETE').close()
    return path


def _fill_database(path, messages, mode):
    database = sqlite3.connect(path)
    database.execute(mode)
    database.executescript("""
        CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);
        INSERT INTO schema VALUES (3, 'humble');
        CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
            serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);
        CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,
            timestamp INTEGER NOT NULL, data BLOB NOT NULL);
        CREATE INDEX timestamp_idx ON messages (timestamp ASC);
    """)
    numbers = {}
    for topic, time_ns, message in messages:
        if topic not in numbers:
            numbers[topic] = len(numbers) + 1
            database.execute("INSERT INTO topics VALUES (?, ?, ?, 'cdr', '')",
                             (numbers[topic], topic, message.__msgtype__))
        database.execute('INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)',
                         (numbers[topic], time_ns, to_cdr(message)))
        database.commit()
    return database


def to_cdr(message):
    return bytes(STORE.serialize_cdr(message, message.__msgtype__))


def write_mcap(path, rows, profile='ros2', **options):
    """
    Write an mcap file of rows, each a Row.

    A ``key`` stands for a channel: rows of one topic may have several.
    """
    from mcap.writer import Writer as McapWriter

    with path.open('wb') as file:
        writer = McapWriter(file, **options)
        writer.start(profile=profile, library='test')
        channels = {}
        for row in rows:
            if row.key not in channels:
                schema = writer.register_schema(row.kind, row.encoding, row.definition.encode())
                channels[row.key] = writer.register_channel(row.topic, row.serialization, schema)
            writer.add_message(channels[row.key], row.time_ns, row.data, row.time_ns)
        writer.finish()
    return path


@dataclass(frozen=True)
class Row:
    """One message of an mcap file, with the channel it is written to."""

    topic: str
    time_ns: int
    data: bytes
    kind: str
    definition: str
    key: object = ''
    encoding: str = 'ros2msg'
    serialization: str = 'cdr'


def image_rows(images):
    """Return the rows of a camera without its calibrations."""
    return [replace(row, key='') for row in camera_rows(images) if row.topic == IMAGE]


def camera_rows(images):
    """Return the rows of a camera: images and their calibrations."""
    return [Row(topic, time_ns, to_cdr(message), message.__msgtype__,
                STORE.generate_msgdef(message.__msgtype__, ros_version=2)[0], topic)
            for topic, time_ns, message in camera_messages(images) if topic in (IMAGE, INFO)]
