"""The ways an image comes to the node."""

from dataclasses import dataclass
from typing import Any, Callable

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from mtshare_ros.image_frame import Picture
from mtshare_ros.messages.camera_image import CameraImage
from mtshare_ros.messages.compressed import compressed_to_rgb, read_compressed, require_decoder
from mtshare_ros.messages.raw_image import read_raw
from mtshare_ros.nodes.codec import image_to_rgb
from mtshare_ros.nodes.perception.camera_names import name_for


@dataclass(frozen=True)
class ImageTransport:
    """
    A way that images come: on which topic, as which message.

    Under a limit of pixels, ``decode`` takes out of a message what a network of an input size
    sees, and ``rgb`` the whole image, (H, W, 3) uint8; ``require`` raises where they could not,
    for want of a library. ``encoding`` is the field that says how the image is encoded.
    """

    topic: str
    message_type: type
    type_name: str
    encoding: str
    decode: Callable[[Any, tuple[int, int], int], np.ndarray | Picture]
    rgb: Callable[[Any, int], np.ndarray]
    require: Callable[[], None] = lambda: None

    def read(self, message: Any, input_size: tuple[int, int], max_pixels: int) -> CameraImage:
        """Return the image; raise FrameError for one that cannot be read."""
        picture = self.decode(message, input_size, max_pixels)
        return CameraImage(message.header, picture, getattr(message, self.encoding))


TRANSPORTS = {
    'raw': ImageTransport(
        'image', Image, 'sensor_msgs/msg/Image', 'encoding',
        lambda message, input_size, max_pixels: read_raw(message, max_pixels), image_to_rgb,
    ),
    'compressed': ImageTransport(
        'image/compressed', CompressedImage, 'sensor_msgs/msg/CompressedImage', 'format',
        read_compressed, compressed_to_rgb, require_decoder,
    ),
}
"""The transports by the value of the parameter ``image_transport``."""


def find_image_topic(node: Node, camera: str, transport: str) -> str:
    """
    Return the topic of a camera's images after remapping.

    Compressed images stand below the topic that ``image`` is remapped to, as image_transport has
    it, unless they are remapped themselves.
    """
    name = name_for(camera, TRANSPORTS[transport].topic)
    topic = node.resolve_topic_name(name)
    if topic != node.resolve_topic_name(name, only_expand=True):
        return topic
    base, raw = TRANSPORTS['raw'].topic, name_for(camera, TRANSPORTS['raw'].topic)
    return node.resolve_topic_name(raw) + TRANSPORTS[transport].topic.removeprefix(base)
