"""What a careless or hostile publisher may send: messages of any values, and nearly right ones."""

import io

from hypothesis import given, HealthCheck, Phase, settings, strategies
import numpy as np
from rcl_interfaces.msg import Parameter, ParameterValue
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mtshare_ros.messages.encodings import INPUT_ENCODINGS

ALWAYS_THE_SAME = settings(
    max_examples=150, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
"""A test that fails once fails always; the examples depend on the test alone."""

CODEC_WORDS = ('jpeg', 'png', 'rgb8; jpeg compressed bgr8', '16UC1; compressedDepth', 'webp')
SIDES = strategies.integers(0, 40) | strategies.integers(0, 2**32 - 1)
WORDS = strategies.text(strategies.characters(codec='utf-8', exclude_characters='\0'), max_size=60)
FLOATS = strategies.floats() | strategies.sampled_from([0.0, -1.0, 1e-300, 1e300, 500.0])
ENCODINGS = strategies.sampled_from([*INPUT_ENCODINGS, '32FC1', '16UC1']) | (
    strategies.text(max_size=300))


@strategies.composite
def headers(draw, message):
    """Give a message a stamp and a frame of any values, and return it."""
    message.header.stamp.sec = draw(strategies.integers(-2**31, 2**31 - 1))
    message.header.stamp.nanosec = draw(strategies.integers(0, 2**32 - 1))
    message.header.frame_id = draw(strategies.text(max_size=40))
    return message


@strategies.composite
def any_images(draw):
    """Return an Image none of whose fields knows of the others."""
    message = Image(
        height=draw(SIDES), width=draw(SIDES), step=draw(SIDES), encoding=draw(ENCODINGS),
        is_bigendian=draw(strategies.integers(0, 255)))
    message.data.frombytes(draw(strategies.binary(max_size=500)))
    return draw(headers(message))


@strategies.composite
def nearly_right_images(draw):
    """Return an Image that is right, or wrong by a little."""
    name = draw(strategies.sampled_from(sorted(
        name for name, layout in INPUT_ENCODINGS.items() if len(layout.planes) == 1)))
    height, width = draw(strategies.integers(0, 40)), draw(strategies.integers(0, 40))
    step = max(0, INPUT_ENCODINGS[name].row_bytes(width) + draw(strategies.integers(-2, 5)))
    size = max(0, step * height + draw(strategies.integers(-3, 3)))
    message = Image(height=height, width=width, step=step, encoding=name)
    message.data.frombytes(bytes(size))
    return draw(headers(message))


def picture(codec, mode, size=(24, 20), **options):
    """Return an encoded image of Pillow's ``mode``, small enough to be changed byte by byte."""
    from PIL import Image as Pillow
    levels = np.random.default_rng(4).integers(0, 256, (size[1], size[0], 3), np.uint8)
    buffer = io.BytesIO()
    Pillow.fromarray(levels).convert(mode).save(buffer, codec, **options)
    return buffer.getvalue()


def pictures():
    """Return files of several kinds."""
    return [picture('PNG', mode) for mode in ('RGB', 'RGBA', 'L', 'P', '1')] + [
        picture('JPEG', 'RGB'), picture('JPEG', 'L'), picture('JPEG', 'CMYK'),
        picture('JPEG', 'RGB', progressive=True)]


@strategies.composite
def compressed_images(draw, files):
    """Return a CompressedImage with bytes of any values, or a damaged picture."""
    damaged = bytearray(draw(strategies.sampled_from(files)))
    for place in draw(strategies.lists(strategies.integers(0, len(damaged) - 1), max_size=8)):
        damaged[place] = draw(strategies.integers(0, 255))
    cut = draw(strategies.integers(1, len(damaged)))
    data = draw(strategies.sampled_from([bytes(damaged), bytes(damaged[:cut])])
                | strategies.binary(max_size=200))
    text = draw(strategies.sampled_from(CODEC_WORDS) | strategies.text(max_size=300))
    message = CompressedImage(format=text)
    message.data.frombytes(data)
    return draw(headers(message))


@strategies.composite
def calibrations(draw):
    """Return a CameraInfo of any values; half of them are for images of 32x24 pixels."""
    def numbers(count):
        return draw(strategies.lists(FLOATS, min_size=count, max_size=count))

    height, width = draw(strategies.tuples(SIDES, SIDES) | strategies.just((24, 32)))
    message = CameraInfo(
        height=height, width=width, k=numbers(9), r=numbers(9), p=numbers(12),
        d=numbers(draw(strategies.integers(0, 14))), binning_x=draw(SIDES), binning_y=draw(SIDES),
        distortion_model=draw(
            strategies.sampled_from(['', 'plumb_bob', 'equidistant']) | strategies.text()))
    message.roi.x_offset, message.roi.y_offset = draw(SIDES), draw(SIDES)
    message.roi.height, message.roi.width = draw(SIDES), draw(SIDES)
    return draw(headers(message))


PARAMETER_VALUES = (
    strategies.none() | strategies.booleans() | strategies.integers(-2**63, 2**63 - 1)
    | strategies.integers(-2, 400) | strategies.floats() | strategies.text(max_size=40)
    | strategies.lists(strategies.booleans(), max_size=3)
    | strategies.lists(strategies.integers(-2**63, 2**63 - 1), max_size=3)
    | strategies.lists(strategies.floats(), max_size=3)
    | strategies.lists(strategies.text(max_size=8), max_size=3)
    | strategies.lists(strategies.binary(min_size=1, max_size=1), max_size=3))
"""Values of every type that a parameter can have."""


@strategies.composite
def parameter_messages(draw, names):
    """Return a parameter whose type need not exist, nor be that of the value it has."""
    value = ParameterValue(
        type=draw(strategies.integers(0, 9) | strategies.integers(0, 255)),
        bool_value=draw(strategies.booleans()),
        integer_value=draw(strategies.integers(-2**63, 2**63 - 1)),
        double_value=draw(strategies.floats()), string_value=draw(WORDS))
    value.integer_array_value = draw(strategies.lists(strategies.integers(0, 4096), max_size=3))
    value.double_array_value = draw(strategies.lists(strategies.floats(), max_size=3))
    value.string_array_value = draw(strategies.lists(WORDS, max_size=3))
    return Parameter(name=draw(strategies.sampled_from(names) | WORDS), value=value)


@strategies.composite
def damaged_bytes(draw, whole):
    """Return a serialised message of which some bytes, or the end, are not what they were."""
    changed = bytearray(whole)
    for place in draw(strategies.lists(strategies.integers(0, 90), max_size=6)):
        changed[place] = draw(strategies.integers(0, 255))
    return bytes(changed[:draw(strategies.integers(4, len(changed)))])


def examples_of(strategy, count):
    """Return examples of a strategy, the same ones every time."""
    found = []

    @settings(ALWAYS_THE_SAME, max_examples=count, phases=[Phase.generate], database=None)
    @given(strategy)
    def collect(example):
        found.append(example)

    collect()
    return found
