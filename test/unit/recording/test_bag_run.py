"""Running the engine over a bag: what comes out is what the engine gives, whatever the storage."""

import io

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip('rosbags', reason='bags need the extra [bags]')

from bag_files import (  # noqa: E402
    camera_messages,
    header,
    IMAGE,
    image_message,
    INFO,
    info_message,
    make,
    PERIOD_NS,
    picture,
    read_bag,
    stamps_ns,
    START_NS,
    storage_file,
    TALK,
    write_bag,
    write_camera_bag,
)

from mtshare_ros.errors import ConfigError, RecordingError  # noqa: E402
from mtshare_ros.inference.prediction import InferenceSettings  # noqa: E402
from mtshare_ros.messages.image_messages import read_map  # noqa: E402
from mtshare_ros.recording.bag import (  # noqa: E402
    Bag,  # noqa: E402
    choose_calibration_topic,
    choose_image_topic,
)
from mtshare_ros.sharing.sharing_settings import SharingSettings  # noqa: E402

SHARING = SharingSettings(crossover=1.0)
MAPS = {'/semantic/mask': 'mask', '/semantic/confidence': 'confidence', '/depth/image': 'depth',
        '/normals/image': 'normals', '/edges/image': 'edges'}


@pytest.mark.parametrize('source', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('target', ['mcap', 'sqlite3'])
def test_the_maps_are_those_of_the_engine_in_every_storage(
        run_bag, engine, tmp_path, source, target):
    found = run_bag(write_camera_bag(tmp_path / 'in', 5, source), storage=target)

    session, settings = engine.new_session(), InferenceSettings(engine.tasks, SHARING)
    for number in range(5):
        expected = engine.infer(picture(number), session, settings)
        for topic, name in MAPS.items():
            got = read_map(found[topic][number][1])
            np.testing.assert_array_equal(got, getattr(expected, name), err_msg=topic)
    assert (tmp_path / 'out' / f'out_0{".mcap" if target == "mcap" else ".db3"}').is_file()


def stop_at(number):
    """Return a progress that interrupts a run at an image."""
    def progress(done):
        if done == number:
            raise KeyboardInterrupt
    return progress


@pytest.mark.parametrize('change', ['threads', 'weight layout'])
def test_a_run_that_would_round_otherwise_does_not_go_on(
        run_bag, engine, tmp_path, monkeypatch, change):
    source = write_camera_bag(tmp_path / 'in', 5)
    with pytest.raises(KeyboardInterrupt):
        run_bag(source, segment=2, progress=stop_at(5))
    if change == 'threads':
        monkeypatch.setattr(torch, 'get_num_threads', lambda: 64)
    else:
        monkeypatch.setattr(engine, 'weight_layout', 'another')

    with pytest.raises(RecordingError, match=f'{change} was .*, now it is .*(64|another)'):
        run_bag(source, segment=2)
    monkeypatch.undo()
    assert len(run_bag(source, segment=2)['/edges/image']) == 5


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('name', ['run #3', 'what?x=1', 'my%20maps', "it's", 'a:b', 'größe'])
def test_a_bag_may_have_any_name(run_bag, tmp_path, storage, name):
    (tmp_path / name).mkdir()
    found = run_bag(write_camera_bag(tmp_path / 'in', 2, storage), target=f'{name}/{name}',
                    read=lambda path: path)

    with Bag(found) as bag:
        assert len(list(bag.messages(('/edges/image',)))) == 2
        assert not bag.damages and not bag.notices
    assert [path.name for path in (tmp_path / name).iterdir()] == [name]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_the_new_bag_has_the_storage_of_one_with_file_compression(run_bag, tmp_path, storage):
    zstandard = pytest.importorskip('zstandard', reason='bags need the extra [bags]')
    source = write_camera_bag(tmp_path / 'in', 1, storage)
    file = storage_file(source)
    file.with_name(f'{file.name}.zstd').write_bytes(zstandard.compress(file.read_bytes()))
    file.unlink()

    run_bag(source)

    assert storage_file(tmp_path / 'out').suffix == file.suffix


def test_outputs_have_the_stamps_the_frames_and_the_times_of_their_images(run_bag, tmp_path):
    found = run_bag(write_camera_bag(tmp_path / 'in', 4))

    expected = [START_NS + number * PERIOD_NS for number in range(4)]
    for topic in (*MAPS, '/depth/camera_info'):
        assert stamps_ns(found[topic]) == expected
        assert [time_ns for time_ns, _ in found[topic]] == [stamp + 1_000 for stamp in expected]
        assert {message.header.frame_id for _, message in found[topic]} == {'lens'}


def test_the_classes_stand_once_in_the_bag(run_bag, engine, tmp_path):
    found = run_bag(write_camera_bag(tmp_path / 'in', 4), segment=2)

    (_, info), = found['/semantic/label_info']
    assert tuple(row.class_name for row in info.class_map) == engine.labels.names
    assert [row.class_id for row in info.class_map] == list(range(40))


@pytest.mark.parametrize('segment', [1, 2, 4, 3])
def test_the_new_bag_is_as_long_as_its_images_wherever_its_files_end(
        run_bag, tmp_path, segment):
    run_bag(write_camera_bag(tmp_path / 'in', 4), segment=segment)

    metadata = yaml.safe_load((tmp_path / 'out/metadata.yaml').read_text())
    information = metadata['rosbag2_bagfile_information']
    assert information['duration']['nanoseconds'] == 3 * PERIOD_NS
    assert information['starting_time']['nanoseconds_since_epoch'] == START_NS + 1_000
    assert len(information['relative_file_paths']) == -(-4 // segment)
    assert information['message_count'] == 4 * 6 + 1


def test_only_the_topics_asked_for_are_written_below_the_namespace(run_bag, tmp_path):
    found = run_bag(write_camera_bag(tmp_path / 'in', 2), topics='edges/image,depth/color',
                    namespace='left')

    assert {topic: len(messages) for topic, messages in found.items()} == {
        '/left/edges/image': 2, '/left/depth/color': 2}


def test_the_input_is_copied_byte_by_byte(run_bag, tmp_path):
    source = write_camera_bag(tmp_path / 'in', 3)
    found, before = run_bag(source, copy_input=True), read_bag(source)

    assert {IMAGE, INFO, TALK} <= set(found)
    assert [message.data for _, message in found[TALK]] == ['frame 0', 'frame 1', 'frame 2']
    for (time_ns, copied), (time_before_ns, original) in zip(found[IMAGE], before[IMAGE]):
        assert time_ns == time_before_ns and np.array_equal(copied.data, original.data)


def test_a_copy_that_would_mix_with_the_outputs_is_refused(run_bag, tmp_path):
    run_bag(write_camera_bag(tmp_path / 'in', 1), copy_input=True)

    with pytest.raises(RecordingError, match='has a topic /.* already; give the outputs a '):
        run_bag(tmp_path / 'out', copy_input=True, target='again')


def test_only_the_seconds_asked_for_are_computed(run_bag, tmp_path):
    found = run_bag(write_camera_bag(tmp_path / 'in', 10), start_s=0.25, end_s=0.65)

    assert stamps_ns(found['/edges/image']) == [START_NS + n * PERIOD_NS for n in (3, 4, 5, 6)]


def test_an_image_that_cannot_be_read_is_left_out_and_said(run_bag, tmp_path):
    messages = list(camera_messages(3))
    messages[3][2].encoding = 'yuv1234'
    said = []
    found = run_bag(write_bag(tmp_path / 'in', messages), said=said)

    assert stamps_ns(found['/edges/image']) == [START_NS, START_NS + 2 * PERIOD_NS]
    assert len(said) == 1 and 'yuv1234' in said[0] and '0.100 s' in said[0]


def test_compressed_images_are_decoded(run_bag, tmp_path):
    pillow = pytest.importorskip('PIL.Image', reason='compressed images need Pillow')
    buffer = io.BytesIO()
    pillow.fromarray(picture(0)).save(buffer, 'png')
    message = make('sensor_msgs/msg/CompressedImage', header=header(START_NS), format='png',
                   data=np.frombuffer(buffer.getvalue(), np.uint8))
    source = write_bag(tmp_path / 'in', [(IMAGE, START_NS, message)])
    raw = write_bag(tmp_path / 'raw', [(IMAGE, START_NS, image_message(picture(0), START_NS))])

    found, expected = run_bag(source), run_bag(raw, target='of_raw')
    np.testing.assert_array_equal(found['/edges/image'][0][1].data,
                                  expected['/edges/image'][0][1].data)


def test_a_bag_without_a_usable_image_is_an_error_and_leaves_nothing(run_bag, tmp_path):
    message = image_message(picture(0), START_NS)
    message.encoding = 'yuv1234'

    with pytest.raises(RecordingError, match='not one image of /camera/image_raw could be used'):
        run_bag(write_bag(tmp_path / 'in', [(IMAGE, START_NS, message)]))
    assert [path.name for path in tmp_path.iterdir()] == ['in']


def test_a_topic_that_there_is_not_is_refused_with_all_that_there_are(run_bag, tmp_path):
    with pytest.raises(ConfigError, match='semantic/mask, .*depth/points'):
        run_bag(write_camera_bag(tmp_path / 'in', 1), topics='depth/imagge')


def test_of_several_image_topics_one_must_be_named(tmp_path):
    stamp = START_NS
    source = write_bag(tmp_path / 'in', [
        (topic, stamp, image_message(picture(0), stamp)) for topic in ('/left', '/right')])

    with Bag(source) as bag:
        assert choose_image_topic(bag.topics, '/right').name == '/right'
        with pytest.raises(RecordingError, match='2 image topics; .*--image-topic: /left .*/r'):
            choose_image_topic(bag.topics, None)
        with pytest.raises(RecordingError, match="no image topic '/middle'"):
            choose_image_topic(bag.topics, '/middle')


def test_the_calibration_beside_the_images_is_chosen(tmp_path):
    stamp = START_NS
    source = write_bag(tmp_path / 'in', [
        (topic, stamp, info_message(stamp)) for topic in ('/a/camera_info', '/b/camera_info')])

    with Bag(source) as bag:
        for image in ('/b/image_raw', '/b/image_raw/compressed'):
            assert choose_calibration_topic(bag.topics, None, image).name == '/b/camera_info'
        assert choose_calibration_topic(bag.topics, None, '/c/image') is None
