"""The simulated camera behaves as a real one, and says what is wrong when it cannot."""

import numpy as np
import pytest
from ros_harness import open_stage
from ros_messages import stamp_key
from sensor_msgs.msg import CameraInfo

from mtshare_ros.data.rooms.clips import write_clip
from mtshare_ros.data.rooms.room_frame import Pose, RoomFrame
from mtshare_ros.messages.image_messages import read_map
from mtshare_ros.nodes.codec import image_to_rgb
from mtshare_ros.nodes.sim_camera.node import GROUND_TRUTH

HEIGHT, WIDTH, COUNT = 48, 64, 5


def made_up_frame(index):
    """Return a frame whose every map tells its index."""
    shape = (HEIGHT, WIDTH)
    return RoomFrame(
        image=np.full((*shape, 3), 40 * index, np.uint8),
        depth=np.full(shape, 1.0 + index, np.float32),
        normals=np.tile(np.array([0, 0, -1], np.float32), (*shape, 1)),
        labels=np.full(shape, index, np.uint8),
        edges=np.arange(HEIGHT * WIDTH).reshape(shape) % (index + 2) == 0,
        intrinsics=np.array([[50.0, 0, 31.5], [0, 50.0, 23.5], [0, 0, 1]]),
        pose=Pose(np.zeros(3), np.eye(3)),
    )


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp('clips') / 'short'
    write_clip(path, [made_up_frame(index) for index in range(COUNT)])
    return path


@pytest.fixture(scope='module')
def watched(tmp_path_factory, clip):
    """Replay the clip at 20 Hz with its truth, and return the observer of sixty images."""
    with open_stage(tmp_path_factory.mktemp('watched')) as stage:
        observer = stage.observer
        for topic in ('image', *GROUND_TRUTH):
            observer.listen(topic, depth=100)
        observer.listen('camera_info', CameraInfo, depth=100)
        stage.nodes.sim_camera(clip=clip, rate=20.0, ground_truth=True, frame_id='lens')
        observer.spin_until(lambda: all(len(inbox) >= 60 for inbox in observer.received.values()),
                            'sixty images, their truth and their calibration')
        yield observer


def by_stamp(watched, topic):
    return {stamp_key(message): message for message in watched.received[topic]}


def seconds(key):
    return key[0] + key[1] * 1e-9


def test_the_rate_is_held(watched):
    stamps = sorted(seconds(key) for key in by_stamp(watched, 'image'))
    periods = np.diff(stamps)

    # a busy machine delays images and leaves some out, but never all of them
    assert np.median(periods) > 0.9 / 20.0 and np.percentile(periods, 10) < 1.1 / 20.0


def test_stamps_rise_and_are_those_of_publication(watched):
    stamps = [seconds(key) for key in by_stamp(watched, 'image')]
    now = watched.now()

    assert stamps == sorted(set(stamps))
    assert 0 < seconds((now.sec, now.nanosec)) - stamps[-1] < 10


@pytest.mark.parametrize('topic', [*GROUND_TRUTH, 'camera_info'])
def test_truth_and_calibration_come_with_the_stamps_of_the_images(watched, topic):
    images, others = by_stamp(watched, 'image'), by_stamp(watched, topic)

    assert len(set(images) & set(others)) >= 50
    assert all(others[key].header == images[key].header for key in set(images) & set(others))


def test_the_truth_belongs_to_the_image(watched):
    images = by_stamp(watched, 'image')
    truth = {topic: by_stamp(watched, topic) for topic in GROUND_TRUTH}
    key = next(key for key in images if all(key in messages for messages in truth.values()))
    expected = made_up_frame(image_to_rgb(images[key])[0, 0, 0] // 40)

    maps = {topic: read_map(messages[key]) for topic, messages in truth.items()}

    np.testing.assert_array_equal(maps['ground_truth/semantic/mask'], expected.labels)
    np.testing.assert_allclose(maps['ground_truth/depth/image'], expected.depth, rtol=1e-3)
    np.testing.assert_allclose(maps['ground_truth/normals/image'], expected.normals, atol=0.02)
    np.testing.assert_array_equal(maps['ground_truth/edges/image'], expected.edges * 255)


def test_the_clip_plays_forwards_and_backwards_without_a_jump(watched):
    images = [image_to_rgb(message) for message in watched.received['image']]
    steps = np.diff([int(image[0, 0, 0]) // 40 for image in images])

    assert set(np.abs(steps)) == {1}


def test_the_calibration_is_that_of_the_frames(watched):
    info = watched.received['camera_info'][0]

    assert (info.height, info.width, info.header.frame_id) == (HEIGHT, WIDTH, 'lens')
    np.testing.assert_allclose(info.k, [50, 0, 31.5, 0, 50, 23.5, 0, 0, 1])


def test_a_rendered_room_is_published(stage):
    pytest.importorskip('numba', reason='numba is not installed: mtshare_ros[rooms]')
    observer = stage.observer
    observer.listen('image')

    camera = stage.nodes.sim_camera(width=80, height=64, rate=10.0, motion='pan', seed=3)
    observer.spin_until(lambda: len(observer.received['image']) > 3, camera.output)

    first, last = (image_to_rgb(observer.received['image'][end]) for end in (0, -1))
    assert first.shape == (64, 80, 3) and first.std() > 5
    assert np.abs(first.astype(int) - last).mean() > 1


def test_a_missing_clip_is_named_and_ends_the_camera(stage, tmp_path):
    camera = stage.nodes.sim_camera(clip=tmp_path / 'nowhere')

    assert camera.wait() == 1
    assert str(tmp_path / 'nowhere') in camera.output and 'Traceback' not in camera.output


@pytest.mark.parametrize(('name', 'value', 'words'), [
    ('motion', 'fly', "'static' or 'pan' or 'drive' or 'handheld'"),
    ('rate', 30, 'a number with a decimal point'),
    ('width', 8, 'from 16 to 4096 pixels'),
])
def test_a_wrong_parameter_ends_the_camera_with_what_is_allowed(stage, name, value, words):
    camera = stage.nodes.sim_camera(**{name: value})

    assert camera.wait() == 1
    assert f'parameter {name} cannot be {value!r}' in camera.output and words in camera.output
    assert 'Traceback' not in camera.output


def test_without_numba_the_extra_is_named(stage, tmp_path):
    (tmp_path / 'numba.py').write_text("raise ImportError('not here')\n")
    stage.nodes.environment['PYTHONPATH'] = f'{tmp_path}:{stage.nodes.environment["PYTHONPATH"]}'

    camera = stage.nodes.sim_camera(width=64, height=48)

    assert camera.wait() == 1
    assert 'mtshare_ros[rooms]' in camera.output and 'Traceback' not in camera.output
