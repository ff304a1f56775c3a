"""Videos and folders of images, read as bags with one topic of images."""

import numpy as np
import pytest

pytest.importorskip('rosbags', reason='bags need the extra [bags]')
pytest.importorskip('PIL.Image', reason='images need the extra [cli]')

from bag_files import picture, read_bag, stamps_ns, STORE  # noqa: E402
from lone_segments import files_of  # noqa: E402

from mtshare_ros.image_files import read_image_file  # noqa: E402
from mtshare_ros.recording.bag_parts import SeekPoint, WrongIndexError  # noqa: E402
from mtshare_ros.recording.bag_run import BagRun  # noqa: E402
from mtshare_ros.recording.recording import kind_of, open_recording  # noqa: E402
from mtshare_ros.recording.segments import find_segments  # noqa: E402

TOPIC = '/image'
OPTIONS = {'image_topic': TOPIC, 'calibration_topic': '', 'outputs': ('semantic/mask',)}
VIDEOS = [
    ('walk.mp4', 'mpeg4', {}), ('walk.avi', 'mpeg4', {}), ('walk.mp4', 'libx264', {}),
    ('walk.mkv', 'libx264', {'bf': '3', 'g': '12'}),
    ('walk.mp4', 'libx264', {'bf': '3', 'g': '5'}),
    ('walk.mp4', 'libx264', {'bf': '2', 'g': '6', 'x264-params': 'open-gop=1'}),
    ('walk.webm', 'libvpx-vp9', {'g': '8'}), ('walk.mkv', 'mjpeg', {}),
    ('walk.mpg', 'mpeg2video', {'bf': '2', 'g': '6'}), ('walk.ts', 'libx264', {'g': '7'}),
]


@pytest.fixture
def photos(tmp_path):
    """Write a folder of ten images, of which number 4 is none, and one file beside them."""
    from PIL import Image

    folder = tmp_path / 'photos'
    folder.mkdir()
    for number in range(10):
        Image.fromarray(picture(number)).save(folder / f'photo_{number}.png')
    (folder / 'photo_4.png').write_bytes(b'none')
    (folder / 'notes.txt').write_text('mine')
    return folder


def write_video(path, codec='mpeg4', options=None, frames=32):
    """Write a video of noisy pictures, so that frames that are decoded otherwise differ."""
    av = pytest.importorskip('av', reason='videos need the extra [video]')
    with av.open(f'file:{path}', 'w') as file:
        stream = file.add_stream(codec, rate=20, options=options or {})
        stream.width, stream.height = 128, 96
        stream.pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
        for number in range(frames):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture(5 * number), 'rgb24')))
        file.mux(stream.encode())
    return path


def run(planned, engine, progress=lambda done: None):
    """Write the bag of a plan; return the run."""
    planned.target.parent.mkdir(exist_ok=True)
    with open_recording(planned.source) as recording:
        made = BagRun(recording, planned, engine)
        made.run(progress)
    return made


def read(recording, point=None):
    """Return (time, bytes, fault) of the images, from a point on."""
    messages = (recording.messages((TOPIC,)) if point is None else
                recording.messages_from((TOPIC,), point))
    return [(message.time_ns, message.data, message.fault) for message in messages]


@pytest.mark.parametrize('name, codec, options', VIDEOS)
def test_a_video_read_from_any_frame_on_has_the_same_bytes(tmp_path, name, codec, options):
    path = write_video(tmp_path / name, codec, options)
    with open_recording(path) as video:
        expected = read(video)
        entries = video.index((TOPIC,))
        assert len(expected) == 32 and len({data for _, data, _ in expected}) == 32

        assert [entry.time_ns for entry in entries] == [time_ns for time_ns, _, _ in expected]
        for number, entry in enumerate(entries):
            assert read(video, entry.point) == expected[number:]


@pytest.mark.parametrize('name', ['walk.avi', 'walk.h264'])
def test_a_video_without_times_of_its_own_is_read_in_one_go(plan, tmp_path, name):
    path = write_video(tmp_path / name, 'libx264', {'bf': '2', 'g': '8'})

    with open_recording(path) as video:
        assert len(read(video)) == 32
        assert find_segments(video, plan(path, **OPTIONS)) == ()


@pytest.mark.parametrize('codec', ['mjpeg', 'mpeg4'])
def test_a_damaged_frame_is_only_decoded_after_all_before_it(tmp_path, codec):
    path = write_video(tmp_path / 'walk.mkv', codec, {'g': '4', 'bf': '0'})
    data = bytearray(path.read_bytes())
    data[len(data) // 2:len(data) // 2 + 200] = bytes(200)
    path.write_bytes(data)

    with open_recording(path) as video:
        first, *_, last = video.index((TOPIC,))
        expected = read(video)
        assert len(expected) == 32
        assert read(video, last.point) == expected[-1:]
        with pytest.raises(WrongIndexError, match='has damaged frames; read it from its begin'):
            read(video, first.point)


def test_a_folder_read_from_any_image_on_has_the_same_bytes(photos):
    with open_recording(photos) as images:
        expected = read(images)
        entries = images.index((TOPIC,))
        for number, entry in enumerate(entries):
            assert read(images, entry.point) == expected[number:]

    assert [time_ns for time_ns, _, _ in expected] == [n * 500_000_000 for n in range(10)]
    assert [bool(fault) for _, _, fault in expected] == [n == 4 for n in range(10)]


def test_the_images_of_a_folder_are_its_messages(photos):
    with open_recording(photos) as images:
        message = STORE.deserialize_cdr(read(images)[7][1], 'sensor_msgs/msg/Image')

    np.testing.assert_array_equal(message.data.reshape(message.height, message.width, 3),
                                  read_image_file(photos / 'photo_7.png').pixels)
    assert (message.header.frame_id, message.encoding) == ('camera', 'rgb8')
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (3, 500_000_000)


@pytest.mark.parametrize('copy_input', [False, True])
def test_segments_of_a_folder(require_equal, photos, copy_input):
    segments, outputs = require_equal(photos, copy_input=copy_input, **OPTIONS)

    assert [segment.images for segment in segments] == [3, 3, 3, 1]
    assert sorted(number for output in outputs.values() for number in output.frames) == [
        0, 1, 2, 3, 5, 6, 7, 8, 9]


@pytest.mark.parametrize('copy_input, warm_up', [(False, 0), (True, 0), (False, 3)])
def test_segments_of_a_video(require_equal, tmp_path, copy_input, warm_up):
    path = write_video(tmp_path / 'walk.mp4', 'libx264', {'bf': '2', 'g': '6'}, frames=14)

    segments, outputs = require_equal(path, copy_input=copy_input, warm_up=warm_up, segment=4,
                                      **OPTIONS)

    assert [segment.images for segment in segments] == [4, 4, 4, 2]
    assert sum(output.result.frames for output in outputs.values()) == 14


@pytest.mark.parametrize('warm_up', [0, 2])
@pytest.mark.parametrize('kind', ['video', 'images'])
def test_an_interrupted_run_goes_on_and_ends_with_the_same_bag(
        plan, engine, photos, tmp_path, kind, warm_up):
    def stop(done):
        if done == 8:
            raise KeyboardInterrupt

    source = photos
    if kind == 'video':
        source = write_video(tmp_path / 'walk.mp4', 'libx264', {'bf': '2', 'g': '6'}, frames=10)
    run(plan(source, warm_up=warm_up, **OPTIONS), engine)
    with pytest.raises(KeyboardInterrupt):
        run(plan(source, 'again', warm_up=warm_up, **OPTIONS), engine, stop)

    resumed = run(plan(source, 'again', warm_up=warm_up, **OPTIONS), engine)

    assert resumed.resumed_at == 6
    assert resumed.statistics.values()['computed'] == 4
    assert files_of(tmp_path / 'again/out') == files_of(tmp_path / 'whole/out')


def test_copied_images_are_those_that_can_be_decoded(require_equal, photos, tmp_path):
    require_equal(photos, copy_input=True, **OPTIONS)

    found = read_bag(tmp_path / 'whole/out')[TOPIC]
    assert stamps_ns(found) == [n * 500_000_000 for n in range(10) if n != 4]


def test_an_image_that_cannot_be_decoded_is_named_and_counted(plan, engine, photos):
    said = []
    planned = plan(photos, **OPTIONS)
    planned.target.parent.mkdir()
    with open_recording(photos, said.append) as images:
        made = BagRun(images, planned, engine, say=said.append)
        made.run()

    assert (made.frames, made.skipped, made.missing) == (9, 1, 0)
    assert any('skipped an image at 2.000 s' in line and 'photo_4.png' in line for line in said)
    assert sum('left out notes.txt' in line for line in said) == 1


def test_a_video_that_ends_too_early_is_read_in_one_go_and_reported(plan, engine, tmp_path):
    path = write_video(tmp_path / 'walk.mkv', 'mjpeg', frames=100)
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    planned = plan(path, **OPTIONS)
    planned.target.parent.mkdir()

    with open_recording(path) as video:
        assert find_segments(video, planned) == ()
        made = BagRun(video, planned, engine)
        made.run()
        assert 'the video cannot be read any further after' in str(video.damages[0])

    assert 30 < made.frames < 70


@pytest.mark.parametrize('time_ns', [1, 26_000_000, 10**12])
def test_a_time_at_which_there_is_no_frame_is_refused(tmp_path, time_ns):
    with open_recording(write_video(tmp_path / 'walk.mp4')) as video:
        with pytest.raises(WrongIndexError, match='cannot be decoded|no key frame'):
            read(video, SeekPoint(0, time_ns))


def test_parts_of_videos_begin_and_end_where_they_should(tmp_path):
    with open_recording(write_video(tmp_path / 'walk.mp4')) as video:
        found = [message.time_ns for message in video.messages((TOPIC,), 0.25, 0.5)]

    assert found == [n * 50_000_000 for n in range(5, 10)]


def test_kinds_of_recordings(photos, tmp_path):
    (tmp_path / 'empty').mkdir()
    for name in ('drive.mcap', 'drive.db3', 'walk.MP4', 'page.jpg', 'notes.txt'):
        (tmp_path / name).write_bytes(b'something')

    assert kind_of(photos) == 'images'
    assert [kind_of(tmp_path / name) for name in (
        'drive.mcap', 'drive.db3', 'walk.MP4', 'page.jpg', 'notes.txt', 'empty', 'absent')] == [
            'bag', 'bag', 'video', 'images', 'bag', 'bag', 'bag']


def test_a_folder_with_a_bag_and_pictures_of_it_is_a_bag(photos):
    (photos / 'metadata.yaml').write_text('')

    assert kind_of(photos) == 'bag'
