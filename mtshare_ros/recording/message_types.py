"""The ROS messages that are read from bags and written to them, by way of rosbags."""

from typing import Any

import numpy as np

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.messages.encodings import OUTPUT_ENCODINGS
from mtshare_ros.messages.pixels import check_map
from mtshare_ros.messages.point_cloud import cloud_layout, POINT_STEP, write_cloud
from mtshare_ros.recording.bag_parts import Channel, Definition
from mtshare_ros.recording.extras import require
from mtshare_ros.recording.qualities import reliable_qos
from mtshare_ros.tasks import LabelSet

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
POINT_CLOUD = 'sensor_msgs/msg/PointCloud2'
LABEL_INFO = 'vision_msgs/msg/LabelInfo'

# rosbags knows the types of the ROS core only.
_VISION_TYPES = {
    'vision_msgs/msg/VisionClass': 'uint16 class_id\nstring class_name\n',
    LABEL_INFO: 'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\n'
                'float32 threshold\n',
}


class MessageTypes:
    """Message classes, and their CDR bytes; the same in every ROS 2 since Humble."""

    def __init__(self) -> None:
        typesys = require('rosbags.typesys', 'reading and writing bags', 'bags')
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
        """Return a channel for messages of a type that is written."""
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
