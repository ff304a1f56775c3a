"""Encodings that need cv_bridge: Bayer patterns, 16-bit colour and whatever else it knows."""

from functools import lru_cache
import importlib
from types import ModuleType

import numpy as np
from sensor_msgs.msg import Image

from mtshare_ros.errors import FrameError
from mtshare_ros.messages.encodings import INPUT_ENCODINGS
from mtshare_ros.messages.quoting import quote


@lru_cache(maxsize=1)
def load_cv_bridge() -> ModuleType | str:
    """
    Return the module cv_bridge, or why it cannot be used.

    Its compiled part is tied to one version of numpy and of OpenCV, and fails in many ways when
    another is installed; none of them may take the node down.
    """
    try:
        module = importlib.import_module('cv_bridge')
        importlib.import_module('cv_bridge.boost.cv_bridge_boost')
    except Exception as error:  # noqa: B902
        return f'{type(error).__name__}: {error}'
    return module


def image_to_rgb(message: Image) -> np.ndarray:
    """
    Return the image as (H, W, 3) uint8 RGB, converted by cv_bridge.

    Raises FrameError where cv_bridge is missing, does not know the encoding, or refuses the
    buffer.
    """
    known = ', '.join(INPUT_ENCODINGS)
    cv_bridge = load_cv_bridge()
    if isinstance(cv_bridge, str):
        raise FrameError(
            f'the image encoding is {quote(message.encoding)}; this node decodes {known} itself, '
            f'and further encodings with cv_bridge, which cannot be imported here ({cv_bridge}); '
            f'install cv_bridge (ros-<distro>-cv-bridge) or publish one of the encodings named'
        )
    try:
        image = cv_bridge.CvBridge().imgmsg_to_cv2(message, desired_encoding='rgb8')
    except Exception as error:  # noqa: B902
        raise FrameError(
            f'cv_bridge cannot turn the {message.width}x{message.height} image with encoding '
            f'{quote(message.encoding)} into rgb8: {error}; publish one of {known}'
        ) from error
    return np.ascontiguousarray(image, dtype=np.uint8)
