"""The ways an image comes to the node, and what all of them come down to."""

from dataclasses import dataclass
from typing import Any, Callable

import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from mtshare_ros.messages.compressed import compressed_to_rgb, require_decoder
from mtshare_ros.nodes.codec import image_to_rgb


@dataclass(frozen=True)
class CameraImage:
    """A decoded image: (H, W, 3) uint8 RGB, the message's header and how it was encoded."""

    header: Header
    rgb: np.ndarray
    encoding: str

    @property
    def height(self) -> int:
        """Rows of the image."""
        return self.rgb.shape[0]

    @property
    def width(self) -> int:
        """Columns of the image."""
        return self.rgb.shape[1]


@dataclass(frozen=True)
class ImageTransport:
    """
    A way that images come: on which topic, as which message.

    ``decode`` turns a message into RGB under a limit of pixels, ``require`` raises where it could
    not, for want of a library. ``encoding`` is the field that names how the image is encoded.
    """

    topic: str
    message_type: type
    type_name: str
    encoding: str
    decode: Callable[[Any, int], np.ndarray]
    require: Callable[[], None] = lambda: None

    def read(self, message: Any, max_pixels: int) -> CameraImage:
        """Return the decoded image; raise FrameError for one that cannot be read."""
        rgb = self.decode(message, max_pixels)
        return CameraImage(message.header, rgb, getattr(message, self.encoding))


TRANSPORTS = {
    'raw': ImageTransport('image', Image, 'sensor_msgs/msg/Image', 'encoding', image_to_rgb),
    'compressed': ImageTransport(
        'image/compressed', CompressedImage, 'sensor_msgs/msg/CompressedImage', 'format',
        compressed_to_rgb, require_decoder,
    ),
}
"""The transports by the value of the parameter ``image_transport``."""
