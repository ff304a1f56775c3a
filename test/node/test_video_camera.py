"""The video camera publishes what a camera would, at its pace, and says what is wrong."""

import signal
import time

from absent_modules import block
import numpy as np
import pytest
from ros_harness import open_stage
from ros_messages import stamp_key
from sensor_msgs.msg import CameraInfo
from video_files import (
    forget_codec,
    HEIGHT,
    number_of,
    numbered,
    Stream,
    WIDTH,
    write_numbered,
)
import yaml

pytest.importorskip('av', reason='videos need the extra [video]')

from mtshare_ros.nodes.codec import image_to_rgb  # noqa: E402

COUNT, RATE = 23, 10


@pytest.fixture(scope='module')
def walk(tmp_path_factory):
    return write_numbered(tmp_path_factory.mktemp('videos') / 'walk.mp4', COUNT, RATE)


@pytest.fixture(scope='module')
def watched(tmp_path_factory, walk):
    """Play the video with a field of view, and return the observer of thirty images."""
    with open_stage(tmp_path_factory.mktemp('watched')) as stage:
        observer = stage.observer
        observer.listen('image', depth=100)
        observer.listen('camera_info', CameraInfo, depth=100)
        stage.nodes.video_camera(video=walk, field_of_view=90.0, frame_id='lens')
        observer.spin_until(lambda: all(len(inbox) >= 30 for inbox in observer.received.values()),
                            'thirty images and their calibration')
        yield observer


def seconds(message):
    second, nanosecond = stamp_key(message)
    return second + nanosecond * 1e-9


def numbers(observer):
    return [number_of(image_to_rgb(message)) for message in observer.received['image']]


def test_a_video_is_shown_at_its_own_rate(watched):
    stamps = [seconds(message) for message in watched.received['image']]
    periods = np.diff(stamps)

    assert stamps == sorted(set(stamps))
    # a busy machine delays images and leaves some out, but never all of them
    assert np.median(periods) > 0.9 / RATE and np.percentile(periods, 10) < 1.1 / RATE


def test_its_frames_come_in_their_order_and_begin_anew_at_the_end(watched):
    steps = np.diff(numbers(watched)) % COUNT

    # a moment without a core leaves frames out, at most those of a second
    assert steps.min() >= 1 and steps.max() <= COUNT / 2


def test_a_field_of_view_gives_the_calibration_of_every_image(watched):
    infos = watched.received['camera_info']
    stamps = {stamp_key(message) for message in infos}

    assert len(stamps & {stamp_key(image) for image in watched.received['image']}) > 20
    assert (infos[0].height, infos[0].width, infos[0].header.frame_id) == (HEIGHT, WIDTH, 'lens')
    np.testing.assert_allclose(infos[0].k, [32, 0, 31.5, 0, 32, 23.5, 0, 0, 1])
    assert infos[0].p[0] == pytest.approx(32)


def test_a_folder_is_shown_at_the_rate_given_and_no_calibration_is_made_up(stage, tmp_path):
    image = pytest.importorskip('PIL.Image', reason='images need the extra [cli]')
    for number in range(4):
        image.fromarray(numbered(number)).save(tmp_path / f'{number}.png')
    observer = stage.observer
    observer.listen('image', depth=20)

    camera = stage.nodes.video_camera(video=tmp_path, rate=10.0)
    observer.spin_until(lambda: len(observer.received['image']) > 7, camera.output)

    assert set(numbers(observer)) == {0, 1, 2, 3}
    assert observer.node.count_publishers('camera_info') == 0


def test_without_a_loop_it_ends_with_the_video(stage, walk):
    camera = stage.nodes.video_camera(video=walk, loop=False, rate=60.0)

    assert camera.wait() == 0
    assert f'{walk} is at its end' in camera.output and 'Traceback' not in camera.output


def calibration(**changes):
    """Return the calibration file of a camera as camera_calibration writes it."""
    def matrix(rows, columns, data):
        return {'rows': rows, 'cols': columns, 'data': data}

    return {
        'image_width': WIDTH, 'image_height': HEIGHT, 'camera_name': 'lens',
        'camera_matrix': matrix(3, 3, [50.0, 0, 31.0, 0, 51, 23.0, 0, 0, 1]),
        'distortion_model': 'plumb_bob',
        'distortion_coefficients': matrix(1, 5, [-0.1, 0.01, 0, 0, 0]),
        'rectification_matrix': matrix(3, 3, [1, 0, 0, 0, 1, 0, 0, 0, 1]),
        'projection_matrix': matrix(3, 4, [49, 0, 31, 0, 0, 50, 23, 0, 0, 0, 1, 0]), **changes}


def test_a_calibration_file_is_published_as_it_is(stage, walk, tmp_path):
    path = tmp_path / 'lens.yaml'
    path.write_text(yaml.safe_dump(calibration()))
    stage.observer.listen('camera_info', CameraInfo)

    camera = stage.nodes.video_camera(video=walk, camera_info_url=f'file://{path}')
    stage.observer.spin_until(lambda: stage.observer.received['camera_info'], camera.output)

    info = stage.observer.received['camera_info'][0]
    assert (info.width, info.height, info.distortion_model) == (WIDTH, HEIGHT, 'plumb_bob')
    assert info.k[4] == 51 and info.d[0] == -0.1 and info.p[0] == 49


def video_of(kind, walk, folder):
    """Return a video with something wrong."""
    path = folder / 'a.avi'
    if kind == 'text':
        path.write_text('no video')
    if kind == 'codec':
        return forget_codec(write_numbered(path, 3), folder / 'b.avi')
    return path


@pytest.mark.parametrize(('kind', 'words'), [
    ('absent', 'a.avi: there is no such file or folder'),
    ('text', 'a.avi: cannot be opened as a video: Invalid data'),
    ('codec', 'b.avi: has pictures of a codec that is not known here; convert it: ffmpeg'),
])
def test_a_video_that_cannot_be_read_ends_the_node_with_the_reason(
        stage, walk, tmp_path, kind, words):
    camera = stage.nodes.video_camera(video=video_of(kind, walk, tmp_path))

    assert camera.wait() == 1
    assert words in camera.output and 'Traceback' not in camera.output


def test_a_video_that_lacks_its_end_is_shown_to_there_and_ends_the_node_with_the_reason(
        stage, tmp_path):
    whole = write_numbered(tmp_path / 'whole.mkv', 20, rate=4).read_bytes()
    path = tmp_path / 'cut.mkv'
    path.write_bytes(whole[:len(whole) // 2])

    camera = stage.nodes.video_camera(video=path, loop=False, rate=60.0)

    assert camera.wait() == 1
    assert 'cut.mkv cannot be read any further after' in camera.output


@pytest.mark.parametrize(('parameters', 'words'), [
    ({}, 'parameter video is empty'),
    ({'video': 'x.mp4', 'rate': 30}, 'parameter rate cannot be 30: it has the wrong type'),
    ({'video': 'x.mp4', 'camera_info_url': 'a.yaml', 'field_of_view': 60.0}, 'leave one of them'),
    ({'video': 'x.mp4', 'camera_info_url': '/nowhere/a.yaml'}, '/nowhere/a.yaml cannot be read'),
    ({'video': 'x.mp4', 'camera_info_url': 'package://a/b'}, 'the path of a file, or one after'),
])
def test_a_wrong_parameter_ends_the_node_with_what_is_allowed(stage, parameters, words):
    camera = stage.nodes.video_camera(**parameters)

    assert camera.wait() == 1
    assert words in camera.output and 'Traceback' not in camera.output


def test_an_absent_webcam_is_waited_for_and_named_once(stage):
    camera = stage.nodes.video_camera(video=97, retry_period=0.1)
    camera.wait_for_output('/dev/video97', 'No such file', 'it is tried again every 0.1 s')
    time.sleep(0.5)

    assert camera.is_running() and camera.count_lines('No such file') == 1


def test_a_node_that_waits_for_a_webcam_ends_before_it_tries_again(stage):
    camera = stage.nodes.video_camera(video=97, retry_period=60.0)
    camera.wait_for_output('it is tried again every 60 s')

    begin = time.monotonic()
    assert camera.end(signal.SIGTERM) == 0

    assert time.monotonic() - begin < 60 and 'Traceback' not in camera.output


def test_an_absent_webcam_that_is_not_waited_for_ends_the_node(stage):
    camera = stage.nodes.video_camera(video='/dev/video97', retry_period=0.0)

    assert camera.wait() == 1
    assert 'camera /dev/video97: cannot be opened' in camera.output


@pytest.mark.slow
def test_a_camera_that_is_unplugged_and_plugged_in_again_goes_on(stage, tmp_path):
    path = write_numbered(tmp_path / 'camera.ts', 10, codec='mpeg2video', rate=25)
    first = Stream(path)
    observer, address = stage.observer, f'tcp://127.0.0.1:{first.port}'
    observer.listen('image')
    inbox = observer.received['image']

    camera = stage.nodes.video_camera(video=address, retry_period=0.1, rate=25.0)
    observer.spin_until(lambda: len(inbox) > 2, 'images')
    first.close()
    camera.wait_for_output(address, 'tried again every 0.1 s')
    camera.wait_for_output('Connection refused')
    observer.spin_for(0.2)
    inbox.clear()
    second = Stream(path, first.port)
    observer.spin_until(lambda: len(inbox) > 2, 'images after the camera was plugged in')
    second.close()

    camera.wait_for_output(address, 'images come again')
    assert camera.end() == 0 and 'Traceback' not in camera.output


def test_without_the_decoder_the_extra_is_named(stage, walk, tmp_path):
    path = block(tmp_path, 'av')
    stage.nodes.environment['PYTHONPATH'] = f'{path}:{stage.nodes.environment["PYTHONPATH"]}'

    camera = stage.nodes.video_camera(video=walk)

    assert camera.wait() == 1
    assert 'mtshare_ros[video]' in camera.output and 'Traceback' not in camera.output
