"""How long images take on their way into and out of messages."""

from dataclasses import dataclass
from statistics import median
import time
from typing import Callable

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from mtshare_ros.messages.encodings import INPUT_ENCODINGS, OUTPUT_ENCODINGS
from mtshare_ros.nodes.codec import fill_image, image_to_rgb
from mtshare_ros.nodes.perception.outputs import OUTPUTS

TIMED_ENCODINGS = ('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', 'mono16', 'yuyv', 'uyvy', 'nv12',
                   'nv24', 'bayer_rggb8')
"""One encoding of each way to RGB."""


@dataclass(frozen=True)
class MessageTiming:
    """Median milliseconds of one step of the message path."""

    name: str
    milliseconds: float


def measure_messages(
    *, height: int = 480, width: int = 640, repeats: int = 100
) -> tuple[MessageTiming, ...]:
    """Time reading an input image in each of TIMED_ENCODINGS, and filling each image output."""
    inputs = (
        _time(
            f'read {encoding}', repeats,
            lambda message: image_to_rgb(message), _random_input(encoding, height, width),
        )
        for encoding in TIMED_ENCODINGS
    )
    outputs = (
        _time_output(output.topic, output.encoding, height, width, repeats)
        for output in OUTPUTS if output.draw is not None
    )
    return (*inputs, *outputs)


def measure_transport(
    *, height: int = 480, width: int = 640, repeats: int = 100
) -> tuple[MessageTiming, ...]:
    """Time what the middleware adds for an rgb8 image: to bytes and back."""
    message = _random_input('rgb8', height, width)
    return (
        _time('serialize rgb8', repeats, serialize_message, message),
        _time(
            'deserialize rgb8', repeats, lambda data: deserialize_message(data, Image),
            serialize_message(message),
        ),
    )


def _time_output(
    topic: str, encoding: str, height: int, width: int, repeats: int
) -> MessageTiming:
    layout = OUTPUT_ENCODINGS[encoding]
    shape = (height, width) if layout.channels == 1 else (height, width, layout.channels)
    values = np.ones(shape, layout.dtype)
    message = Image()
    return _time(
        f'fill {topic}', repeats, lambda array: fill_image(message, array, encoding), values
    )


def _random_input(encoding: str, height: int, width: int) -> Image:
    layout = INPUT_ENCODINGS[encoding]
    message = Image(
        height=height, width=width, encoding=encoding, step=layout.row_bytes(width))
    pixels = np.random.default_rng(0).integers(
        0, 256, layout.total_bytes(height, width), np.uint8)
    message.data.frombytes(pixels.tobytes())
    return message


def _time(name: str, repeats: int, function: Callable, argument: object) -> MessageTiming:
    function(argument)
    times_s = []
    for _ in range(repeats):
        started = time.perf_counter()
        function(argument)
        times_s.append(time.perf_counter() - started)
    return MessageTiming(name, median(times_s) * 1e3)
