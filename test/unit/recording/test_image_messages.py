"""Camera images of every encoding are seen alike, whole or as small as the network sees them."""

from dataclasses import dataclass, replace
from functools import lru_cache
import warnings

import numpy as np
import pytest

from mtshare_ros.errors import FrameError
from mtshare_ros.image_frame import fit_image, frame_to_cover
from mtshare_ros.inference.engine import Engine
from mtshare_ros.messages.encodings import INPUT_ENCODINGS
from mtshare_ros.messages.image_messages import BAG_HINTS, read_raw

PATTERNS = ('rggb', 'bggr', 'gbrg', 'grbg')
DIFFERENT = tuple({id(encoding): name for name, encoding in INPUT_ENCODINGS.items()}.values())
"""One name of each encoding."""


@dataclass
class Message:
    """The fields of sensor_msgs/Image; no ROS is needed to read one."""

    encoding: str
    height: int
    width: int
    data: bytes | bytearray
    step: int = 0
    is_bigendian: int = 0


@lru_cache
def scene(height, width, noise=2.0):
    """Return a room-like image with sharp edges, (H, W, 3) uint8 RGB."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width]
    image = np.stack([60 + 120 * x / width, 80 + 100 * y / height, 150 - 80 * y / height], -1)
    for _ in range(12):
        top, left = rng.integers(0, height * 3 // 4), rng.integers(0, width * 3 // 4)
        image[top:top + height // 5, left:left + width // 6] = rng.integers(40, 215, 3)
    return (image + rng.normal(0, noise, image.shape)).clip(0, 255).astype(np.uint8)


def yuv_of(rgb):
    """Return luma, u and v (H, W) of BT.601 in video range."""
    red, green, blue = np.moveaxis(rgb.astype(float), 2, 0)
    return (16 + 0.257 * red + 0.504 * green + 0.098 * blue,
            128 - 0.148 * red - 0.291 * green + 0.439 * blue,
            128 + 0.439 * red - 0.368 * green - 0.071 * blue)


def shared(samples, down, across):
    """Return the mean of each block of pixels."""
    height, width = samples.shape
    return samples.reshape(height // down, down, width // across, across).mean((1, 3))


def planes_of(name, rgb):
    """Return the planes, (H, W, C) floats of 0 to 255, that a camera sends for an image."""
    low = name.lower()
    if low.startswith('nv'):
        luma, *colors = yuv_of(rgb)
        sharing = 1 if low == 'nv24' else 2
        colors = [shared(color, sharing, sharing) for color in colors]
        return [luma[..., None], np.stack(colors[::-1] if low == 'nv21' else colors, -1)]
    if low.startswith('yuyv') or low.startswith('uyvy') or low.startswith('yuv422'):
        luma, u, v = yuv_of(rgb)
        chroma = np.empty_like(luma)
        chroma[:, ::2], chroma[:, 1::2] = shared(u, 1, 2), shared(v, 1, 2)
        order = [chroma, luma] if low in ('uyvy', 'yuv422') else [luma, chroma]
        return [np.stack(order, -1)]
    if low.startswith('bayer'):
        mosaic = np.empty(rgb.shape[:2])
        for place, color in enumerate(low[6:10]):
            row, column = divmod(place, 2)
            mosaic[row::2, column::2] = rgb[row::2, column::2, 'rgb'.index(color)]
        return [mosaic[..., None]]
    channels = INPUT_ENCODINGS[name].planes[0].channels
    ordered = rgb if low.startswith('rgb') else rgb[..., ::-1]
    return [np.concatenate([ordered, ordered[..., :1]], -1)[..., :channels].astype(float)]


def message_of(name, rgb, *, padding=0, big=False):
    """Return a message of an encoding, its rows padded, its samples in one byte order."""
    deep = INPUT_ENCODINGS[name].bits == 16
    sample = np.dtype(('>' if big else '<') + 'u2') if deep else np.dtype(np.uint8)
    scale = 257 if deep else 1
    parts, step = [], 0
    for plane in planes_of(name, rgb):
        levels = (plane.round().clip(0, 255) * scale).astype(sample)
        rows = np.ascontiguousarray(levels).reshape(levels.shape[0], -1).view(np.uint8)
        own = padding * (2 if name == 'nv24' and parts else 1)
        parts.append(np.pad(rows, ((0, 0), (0, own))))
        step = step or parts[0].shape[1]
    data = bytearray(b''.join(part.tobytes() for part in parts))
    return Message(name, rgb.shape[0], rgb.shape[1], data, step, int(big))


def expected_of(name, rgb):
    return np.repeat(rgb[..., 2:], 3, axis=2) if name in ('mono8', 'mono16', '8UC1') else rgb


@pytest.mark.parametrize(('padding', 'big'), [(0, False), (6, False), (0, True)])
@pytest.mark.parametrize('name', INPUT_ENCODINGS)
def test_every_encoding_is_seen_as_the_image_it_was_made_of(name, padding, big):
    """Planes of shared colours and of patterns are compared on a smooth image."""
    rgb = scene(32, 48, noise=0.0) if name.startswith(('rgb', 'bgr')) else np.repeat(
        np.repeat(np.array([[[200, 60, 30], [40, 180, 90]]], np.uint8), 24, axis=1), 32, axis=0)

    seen = read_raw(message_of(name, rgb, padding=padding, big=big)).rgb()

    difference = np.abs(seen.astype(int) - expected_of(name, rgb))
    middle = np.delete(difference, [23, 24], axis=1)
    assert middle.max() <= 6


def test_samples_that_never_show_more_than_12_bits_count_to_4095():
    levels = np.array([[0, 4095, 2048, 16]], np.uint16)

    seen = read_raw(Message('mono16', 1, 4, levels.tobytes())).rgb()

    assert seen[0, :, 0].tolist() == [0, 255, 128, 1]


@pytest.mark.parametrize('step', [0, 48, 72, 96, 144])
@pytest.mark.parametrize('name', ['nv12', 'nv24'])
def test_a_buffer_of_exactly_its_bytes_has_no_padding_whatever_its_step_says(name, step):
    """Drivers disagree on the step of an image of two planes."""
    message = message_of(name, scene(32, 48))

    np.testing.assert_array_equal(
        read_raw(replace(message, step=step)).rgb(), read_raw(message).rgb())


@pytest.mark.parametrize('pattern', PATTERNS)
def test_a_pattern_is_interpolated_to_the_colours_between(pattern):
    y, x = np.mgrid[:20, :30]
    rgb = np.stack([4 * x + 2 * y, 6 * y + 20, 3 * x + 90], -1).astype(np.uint8)

    seen = read_raw(message_of(f'bayer_{pattern}8', rgb)).rgb()

    inside = (slice(1, -1), slice(1, -1))
    assert np.abs(seen[inside].astype(int) - rgb[inside]).max() <= 1


@pytest.mark.parametrize('name', DIFFERENT)
@pytest.mark.parametrize('size', [(48, 64), (50, 70), (150, 222)])
def test_an_image_that_is_hardly_shrunk_is_seen_bit_for_bit_as_the_whole_one(name, size):
    raw = read_raw(message_of(name, scene(*size)))
    framing = frame_to_cover(size, (48, 64))

    np.testing.assert_array_equal(raw.fit(framing), fit_image(np.array(raw.rgb()), framing))


@pytest.mark.parametrize('name', DIFFERENT)
@pytest.mark.parametrize('size', [(432, 768), (434, 582)])
def test_a_far_larger_image_is_seen_as_the_whole_one_shrunk(name, size):
    raw = read_raw(message_of(name, scene(*size)))
    framing = frame_to_cover(size, (48, 64))

    difference = np.abs(
        raw.fit(framing).astype(int) - fit_image(np.array(raw.rgb()), framing))

    assert difference.mean() < 1 and np.percentile(difference, 99) <= 10


def test_a_far_larger_image_is_never_decoded_whole(monkeypatch):
    def decode_whole(*planes):
        raise AssertionError('the whole image was decoded')

    raw = read_raw(message_of('yuyv', scene(432, 768)))
    raw = replace(raw, encoding=replace(raw.encoding, to_rgb=decode_whole))

    assert raw.fit(frame_to_cover((432, 768), (48, 64))).shape == (48, 64, 3)


@pytest.mark.parametrize('name', ['rgb8', 'yuyv', 'nv12', 'bayer_rggb8'])
def test_the_engine_finds_the_same_in_an_image_that_was_not_decoded_before(tiny_model, name):
    engine = Engine.load(str(tiny_model), device='cpu')
    raw = read_raw(message_of(name, scene(100, 140)))

    lazily, eagerly = engine.infer(raw), engine.infer(np.array(raw.rgb()))

    np.testing.assert_array_equal(lazily.depth, eagerly.depth)
    assert lazily.framing == eagerly.framing


@pytest.fixture(scope='module')
def types():
    pytest.importorskip('rosbags', reason='bags need the extra [bags]')
    from mtshare_ros.recording.bag_messages import MessageTypes
    return MessageTypes()


def bytes_of(types, message):
    """Return a message as it stands in a bag."""
    kinds = types.store.types
    header = kinds['std_msgs/msg/Header'](
        frame_id='camera', stamp=kinds['builtin_interfaces/msg/Time'](sec=1, nanosec=2))
    return types.write(kinds['sensor_msgs/msg/Image'](
        header=header, height=message.height, width=message.width, encoding=message.encoding,
        is_bigendian=message.is_bigendian, step=message.step,
        data=np.frombuffer(message.data, np.uint8)))


@pytest.mark.parametrize('name', INPUT_ENCODINGS)
def test_a_bag_gives_the_pixels_that_the_node_gets(types, name):
    from mtshare_ros.recording.bag_messages import read_image
    message = message_of(name, scene(32, 48), padding=2)

    with warnings.catch_warnings():
        warnings.simplefilter('error')
        image = read_image(types, bytes_of(types, message), 'sensor_msgs/msg/Image', (16, 16))
        seen = image.picture.fit(frame_to_cover((32, 48), (16, 16)))

    assert (image.height, image.width, image.encoding) == (32, 48, name)
    np.testing.assert_array_equal(image.rgb, read_raw(message).rgb())
    assert seen.shape == (16, 16, 3)


@pytest.mark.parametrize('name', ['32FC1', '16UC1'])
def test_depth_in_a_bag_is_refused_with_the_option_that_helps(types, name):
    from mtshare_ros.recording.bag_messages import read_image
    message = Message(name, 4, 4, bytes(64), 16)

    with pytest.raises(FrameError, match='choose the colour topic with --image-topic'):
        read_image(types, bytes_of(types, message), 'sensor_msgs/msg/Image', (16, 16))


def test_hints_for_bags_speak_of_nothing_that_only_a_node_has():
    with pytest.raises(FrameError) as caught:
        read_raw(Message('rgb8', 2**15, 2**15, b''), 2**27, BAG_HINTS)

    assert 'max_pixels' not in str(caught.value) and 'record a smaller image' in str(caught.value)
