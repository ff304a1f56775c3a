"""The time of a frame without the network: in messages, in the node, and to a subscriber."""

from dataclasses import dataclass
from statistics import median
import time
from typing import Callable

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from mtshare_ros.inference.map_outputs import METRIC_OUTPUTS
from mtshare_ros.messages.encodings import INPUT_ENCODINGS, OUTPUT_ENCODINGS
from mtshare_ros.nodes.codec import fill_image, image_to_rgb
from mtshare_ros.nodes.rates import WINDOW_S
from mtshare_ros.nodes.trials.trial import Trial

TIMED_ENCODINGS = ('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', 'mono16', 'yuyv', 'uyvy', 'nv12',
                   'nv24', 'bayer_rggb8')
"""One encoding for each conversion to RGB."""


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
        for output in METRIC_OUTPUTS if output.is_map
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
    function(argument)  # untimed: the first call allocates buffers that later ones reuse
    times_s = []
    for _ in range(repeats):
        started = time.perf_counter()
        function(argument)
        times_s.append(time.perf_counter() - started)
    return MessageTiming(name, median(times_s) * 1e3)


LIMIT_S = 30.0
"""How long the outputs may take to come after a change of subscriptions."""

_FRAME_OUTPUTS = tuple(output for output in METRIC_OUTPUTS if not output.latched)
_PICTURES = tuple(output.topic for output in _FRAME_OUTPUTS if output.topic.endswith('/color'))
_ACTIVITY = tuple(output.topic for output in _FRAME_OUTPUTS if output.activity)
_CLOUDS = tuple(output.topic for output in _FRAME_OUTPUTS if output.message == 'PointCloud2')
_MAPS = tuple(output.topic for output in _FRAME_OUTPUTS
              if output.topic not in (*_PICTURES, *_ACTIVITY, *_CLOUDS))

TOPIC_SETS = {
    'all maps': _MAPS,
    'and pictures in colour': (*_MAPS, *_PICTURES),
    'and activity': (*_MAPS, *_ACTIVITY),
    'and points': (*_MAPS, *_CLOUDS),
}
"""The sets of topics that are subscribed to in turn, by name; all but the first add to it."""


@dataclass(frozen=True)
class Percentiles:
    """Median and 95th percentile, in milliseconds."""

    p50: float
    p95: float


@dataclass(frozen=True)
class SetTimes:
    """
    The times of frames while one set of topics was subscribed to.

    ``overhead`` is the time in the node from the arrival of an image to its last output, without
    the inference; ``inference`` that of the network; both from the node's diagnostics.
    ``end_to_end`` is by topic the time from the publication of an image to the arrival of its
    output. ``dropped`` images were replaced by a newer one because the node was busy.
    """

    frames: int
    dropped: int
    overhead: Percentiles
    inference: Percentiles
    end_to_end: dict[str, Percentiles]


def topic_sets(trial: Trial) -> dict[str, tuple[str, ...]]:
    """Return the sets without topics that the node lacks, and without sets that add nothing."""
    sets: dict[str, tuple[str, ...]] = {}
    for name, topics in TOPIC_SETS.items():
        offered = tuple(topic for topic in topics if topic in trial.topics)
        if offered not in sets.values():
            sets[name] = offered
    return sets


def measure_set(trial: Trial, topics: tuple[str, ...]) -> SetTimes:
    """Subscribe to these topics only and measure for as long as the node's metrics look back."""
    listener = trial.listener
    listener.leave(topic for topic in trial.topics if topic not in topics)
    listener.listen(topics)
    trial.wait_for_outputs(LIMIT_S, topics)
    listener.forget()
    dropped = listener.status.number('dropped')
    trial.spin(WINDOW_S)
    # Diagnostics come once a second: the second one from now covers these frames only.
    count = listener.status.count + 2
    trial.wait(lambda: listener.status.count >= count, LIMIT_S)
    number = listener.status.number
    return SetTimes(
        frames=max(map(len, listener.ages_ms.values()), default=0),
        dropped=int(np.nan_to_num(number('dropped') - dropped)),
        overhead=Percentiles(number('overhead_ms_p50'), number('overhead_ms_p95')),
        inference=Percentiles(number('inference_ms_p50'), number('inference_ms_p95')),
        end_to_end={topic: _percentiles(listener.ages_ms.get(topic, [])) for topic in topics},
    )


def _percentiles(values: list[float]) -> Percentiles:
    if not values:
        return Percentiles(float('nan'), float('nan'))
    return Percentiles(*(float(np.percentile(values, percent)) for percent in (50, 95)))
