"""The messages of bags: images that are read, outputs that are written, copied channels."""

from dataclasses import replace
from typing import Any, Iterable, Iterator

import numpy as np

from mtshare_ros.errors import FrameError, import_extra
from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.map_outputs import MapColors, maps_of, OUTPUTS
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.messages.camera_image import CameraImage
from mtshare_ros.messages.camera_info import find_lens_fault, pinhole_of
from mtshare_ros.messages.compressed import read_compressed
from mtshare_ros.messages.encodings import OUTPUT_ENCODINGS
from mtshare_ros.messages.image_messages import (
    BAG_HINTS,
    check_map,
    cloud_layout,
    POINT_STEP,
    read_raw,
    write_cloud,
)
from mtshare_ros.recording.bag_parts import CDR, Channel, Definition, reliable_qos
from mtshare_ros.tasks import LabelSet

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
POINT_CLOUD = 'sensor_msgs/msg/PointCloud2'
LABEL_INFO = 'vision_msgs/msg/LabelInfo'
IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)

_OUTPUT_TYPES = {'Image': IMAGE, 'CameraInfo': CAMERA_INFO, 'PointCloud2': POINT_CLOUD,
                 'LabelInfo': LABEL_INFO}
"""The full names of the types in the table of outputs."""

CALIBRATION, POINTS, LABELS = 'depth/camera_info', 'depth/points', 'semantic/label_info'

MOST_PIXELS = 2 ** 27
"""The largest image that is read from a bag, in pixels: 16384 x 8192."""

# rosbags only has the types of the ROS core
_VISION_TYPES = {
    'vision_msgs/msg/VisionClass': 'uint16 class_id\nstring class_name\n',
    LABEL_INFO: 'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\n'
                'float32 threshold\n',
}


class MessageTypes:
    """Makes messages and their CDR bytes, which are the same in every ROS 2 since Humble."""

    def __init__(self) -> None:
        typesys = import_extra('rosbags.typesys', 'reading and writing bags', 'bags')
        self.store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
        for name, text in _VISION_TYPES.items():
            self.store.register(typesys.get_types_from_msg(text, name))

    def read(self, data: bytes, message_type: str) -> Any:
        """Return a message from its CDR bytes."""
        return self.store.deserialize_cdr(data, message_type)

    def write(self, message: Any) -> bytes:
        """Return the CDR bytes of a message."""
        return bytes(self.store.serialize_cdr(message, message.__msgtype__))

    def channel(self, topic: str, message_type: str, *, latched: bool = False) -> Channel:
        """Return the channel of an output, as the perception node offers its topics."""
        definition, type_hash = make_definition(self.store, message_type)
        return Channel(topic, message_type, definition=definition, type_hash=type_hash,
                       qos=(reliable_qos(latched=latched),))

    def image(self, values: np.ndarray, encoding: str, header: Any) -> Any:
        """Return an Image of a map (H, W) or (H, W, C); raise FrameError where it does not fit."""
        check_map(values, encoding)
        layout = OUTPUT_ENCODINGS[encoding]
        little_endian = np.ascontiguousarray(values, layout.dtype.newbyteorder('<'))
        return self._make(
            IMAGE, header=header, height=values.shape[0], width=values.shape[1],
            encoding=encoding, is_bigendian=0,
            step=values.shape[1] * layout.channels * layout.dtype.itemsize,
            data=little_endian.reshape(-1).view(np.uint8))

    def cloud(self, depth: np.ndarray, image: np.ndarray, camera: Pinhole, header: Any) -> Any:
        """Return the organised PointCloud2 of (H, W) depth and (H, W, 3) uint8 RGB."""
        height, width = depth.shape
        data = np.zeros(height * width * POINT_STEP, np.uint8)
        write_cloud(depth, image, camera, data)
        field = self.store.types['sensor_msgs/msg/PointField']
        return self._make(
            POINT_CLOUD, header=header, height=height, width=width,
            fields=[field(name, offset, field.FLOAT32, 1) for name, offset in cloud_layout()],
            is_bigendian=False, point_step=POINT_STEP, row_step=POINT_STEP * width, data=data,
            is_dense=False)

    def label_info(self, labels: LabelSet, header: Any) -> Any:
        """Return the LabelInfo of the classes."""
        vision_class = self.store.types['vision_msgs/msg/VisionClass']
        rows = [vision_class(number, name) for number, name in enumerate(labels.names)]
        return self._make(LABEL_INFO, header=header, class_map=rows, threshold=0.0)

    def _make(self, message_type: str, **values: Any) -> Any:
        return self.store.types[message_type](**values)


def make_definition(store: Any, message_type: str) -> tuple[Definition, str]:
    """Return the definition of a type that a store of rosbags knows, and its hash."""
    text, _ = store.generate_msgdef(message_type, ros_version=2)
    return Definition('ros2msg', text), store.hash_rihs01(message_type)


def require_decoder(message_type: str) -> None:
    """Raise MissingExtraError where images of one of IMAGE_TYPES could not be decoded."""
    if message_type == COMPRESSED_IMAGE:
        import_extra('PIL.Image', 'decoding compressed images', 'bags')


def read_image(
    types: MessageTypes, data: bytes, message_type: str, input_size: tuple[int, int]
) -> CameraImage:
    """
    Return the image in the CDR bytes of a message of one of IMAGE_TYPES.

    A JPEG is decoded no larger than a network of ``input_size`` needs. Raises FrameError for bytes
    that are no such message or hold no image.
    """
    try:
        message = types.read(data, message_type)
    except Exception as error:  # noqa: B902 - rosbags raises anything for malformed bytes
        raise FrameError(f'the {len(data)} bytes are no {message_type}: {error}') from error
    if message_type == COMPRESSED_IMAGE:
        picture = read_compressed(message, input_size, MOST_PIXELS, BAG_HINTS)
        return CameraImage(message.header, picture, message.format)
    raw = read_raw(message, MOST_PIXELS, BAG_HINTS)
    # torch warns about read-only arrays, and rosbags returns such
    planes = tuple(np.require(plane, requirements=['W']) for plane in raw.planes)
    return CameraImage(message.header, replace(raw, planes=planes), message.encoding)


def merge_channels(channels: Iterable[Channel]) -> dict[Channel, Channel]:
    """
    Return, for each channel, the channel of the new bag that gets its messages.

    Channels of one topic, type and definition, from several publishers, recorders or files,
    become one channel with the qualities of service of all.
    """
    merged: dict[tuple[str, str, str, str], Channel] = {}
    keys = {}
    # an iterator would be used up after the first channel, and each looks at all of them
    found = list(channels)
    for channel in found:
        definition = channel.definition.text or _first_definition(channel, found).text
        key = channel.topic, channel.message_type, channel.serialization, definition
        before = merged.get(key, channel)
        merged[key] = replace(
            before, definition=before.definition if before.definition.text else channel.definition,
            type_hash=before.type_hash or channel.type_hash,
            qos=tuple(dict.fromkeys((*before.qos, *channel.qos))))
        keys[channel] = key
    return {channel: merged[key] for channel, key in keys.items()}


def define(channel: Channel, distro: str) -> Channel:
    """
    Return a channel with the definition of its type, unchanged where that is not certain.

    Bags of ROS 2 Humble and older hold no definitions. Types of the ROS core get that of the
    ``distro`` that recorded the bag; if it is unknown, only types that are equal in all get one.
    """
    if channel.definition.text or channel.serialization != CDR:
        return channel
    typesys = import_extra('rosbags.typesys', 'copying a bag', 'bags')
    known = [store for store in typesys.Stores if store.name.startswith('ROS2_')]
    named = [store for store in known if store.name == f'ROS2_{distro.upper()}']
    versions = set()
    for name in named or known:
        store = typesys.get_typestore(name)
        if channel.message_type not in store.fielddefs:
            return channel
        versions.add(make_definition(store, channel.message_type))
    if len(versions) != 1:
        return channel
    definition, type_hash = versions.pop()
    return replace(channel, definition=definition, type_hash=channel.type_hash or type_hash)


def _first_definition(channel: Channel, channels: Iterable[Channel]) -> Definition:
    """Return the definition that another channel has of the same type, else an empty one."""
    return next((other.definition for other in channels
                 if other.message_type == channel.message_type and other.definition.text),
                Definition())


class OutputMessages:
    """Makes the messages of the wanted outputs, whose topics are put below a namespace."""

    def __init__(
        self, types: MessageTypes, outputs: tuple[str, ...], labels: LabelSet, namespace: str
    ) -> None:
        self._types = types
        self._outputs = outputs
        self._labels = labels
        prefix = f'/{namespace}/' if namespace else '/'
        self._channels = {
            row.topic: types.channel(
                prefix + row.topic, _OUTPUT_TYPES[row.message], latched=row.latched)
            for row in OUTPUTS if row.topic in outputs}
        self._maps = maps_of(outputs)
        self._colors = MapColors(labels.palette())

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels of the outputs."""
        return tuple(self._channels.values())

    def of_bag(self, header: Any) -> Iterator[tuple[Channel, bytes]]:
        """Make the messages that a bag holds once: the names of the classes."""
        if LABELS in self._outputs:
            yield self._named(LABELS, self._types.label_info(self._labels, header))

    def of_frame(
        self, prediction: Prediction, header: Any, calibration: Any
    ) -> Iterator[tuple[Channel, bytes]]:
        """Make the messages of a frame; ``calibration`` is the CameraInfo of the maps or None."""
        for row in self._maps:
            values = row.draw(prediction, self._colors)
            yield self._named(row.topic, self._types.image(values, row.encoding, header))
        if calibration is None:
            return
        if CALIBRATION in self._outputs:
            yield self._named(CALIBRATION, calibration)
        if POINTS in self._outputs and POINTS not in self.left_out(calibration):
            depth, image = prediction.depth, prediction.image
            if depth is not None and image is not None:
                camera = pinhole_of(calibration)
                yield self._named(POINTS, self._types.cloud(depth, image, camera, header))

    def left_out(self, calibration: Any) -> tuple[str, ...]:
        """Return the wanted outputs that cannot be made with this CameraInfo, None for none."""
        if calibration is None:
            impossible = {CALIBRATION, POINTS}
        else:
            impossible = {POINTS} if find_lens_fault(calibration) else set()
        return tuple(topic for topic in self._outputs if topic in impossible)

    def _named(self, topic: str, message: Any) -> tuple[Channel, bytes]:
        return self._channels[topic], self._types.write(message)
