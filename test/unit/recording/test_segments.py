"""Segments that are computed alone, in any order, are those of a run over the whole recording."""

from contextlib import suppress
from dataclasses import replace
import random
import shutil

import pytest

pytest.importorskip('rosbags', reason='bags need the extra [bags]')

from bag_files import (  # noqa: E402
    camera_messages,
    camera_rows,
    IMAGE,
    INFO,
    info_message,
    START_NS,
    to_cdr,
    write_bag,
    write_camera_bag,
    write_database,
    write_mcap,
)
from lone_segments import compute_alone, files_of  # noqa: E402
from split_bags import change_metadata, split_bag  # noqa: E402

from mtshare_ros.recording.bag import Bag  # noqa: E402
from mtshare_ros.recording.bag_parts import WrongIndexError  # noqa: E402
from mtshare_ros.recording.bag_run import BagRun  # noqa: E402
from mtshare_ros.recording.segments import find_segments  # noqa: E402

STORAGES = pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])


def shuffled(segments):
    """Return segments in an order that is neither theirs nor its reverse."""
    return random.Random(3).sample(segments, len(segments))


def spoil(messages, *numbers):
    """Make images of a camera undecodable."""
    images = [message for topic, _, message in messages if topic == IMAGE]
    for number in numbers:
        images[number].encoding = 'yuv1234'
    return messages


@STORAGES
@pytest.mark.parametrize('copy_input', [False, True])
@pytest.mark.parametrize('segment, order', [
    (1, reversed), (4, shuffled), (5, iter), (100, iter)])
def test_segments_of_any_length_in_any_order(
        require_equal, tmp_path, storage, copy_input, segment, order):
    segments, _ = require_equal(write_camera_bag(tmp_path / 'in', 10, storage), storage=storage,
                                copy_input=copy_input, segment=segment, order=order)

    # of a whole number of segments the messages behind the last image are one more
    trailing = copy_input and 10 % segment == 0
    assert len(segments) == -(-10 // segment) + trailing
    assert sum(segment.images for segment in segments) == 10


@STORAGES
@pytest.mark.parametrize('copy_input', [False, True])
def test_segments_of_several_files(require_equal, tmp_path, storage, copy_input):
    source = split_bag(tmp_path / 'in', storage)

    segments, _ = require_equal(source, copy_input=copy_input, segment=2, storage=storage)

    assert [item.start.point.file for item in segments if item.images] == [0, 0, 1, 1, 2]


def test_segments_of_files_whose_times_overlap(require_equal, tmp_path):
    source = split_bag(tmp_path / 'in', 'mcap')
    change_metadata(source, lambda information: information['relative_file_paths'].reverse())

    segments, _ = require_equal(source, copy_input=True, segment=2)

    assert len(segments) == 5


@STORAGES
@pytest.mark.parametrize('copy_input', [False, True])
@pytest.mark.parametrize('spoilt', [(1, 4, 9), (0, 1, 2), (3, 4, 5)])
def test_segments_with_images_that_cannot_be_decoded(
        require_equal, tmp_path, storage, copy_input, spoilt):
    messages = spoil(list(camera_messages(10)), *spoilt)

    _, outputs = require_equal(write_bag(tmp_path / 'in', messages, storage), storage=storage,
                               copy_input=copy_input)

    frames = sorted(number for output in outputs.values() for number in output.frames)
    assert frames == [number for number in range(10) if number not in spoilt]


@STORAGES
@pytest.mark.parametrize('copy_input', [False, True])
@pytest.mark.parametrize('first', [0, 1, 5])
def test_segments_before_and_after_a_late_calibration_that_changes(
        require_equal, tmp_path, storage, copy_input, first):
    messages = []
    for number, (topic, time_ns, message) in enumerate(camera_messages(12)):
        if topic == INFO:
            if number // 3 < first:
                continue
            message = info_message(time_ns - 2_000, focal_length=100.0 + number)
        messages.append((topic, time_ns, message))

    require_equal(write_bag(tmp_path / 'in', messages, storage), storage=storage,
                  copy_input=copy_input, segment=2)


@STORAGES
def test_segments_after_calibrations_that_cannot_be_read(
        require_equal, tmp_path, monkeypatch, storage):
    from mtshare_ros.recording.bag_messages import MessageTypes

    # the buffer is filled with earlier ones in place of these
    messages = [(topic, time_ns, info_message(time_ns - 2_000, focal_length=100.0 + number)
                 if topic == INFO else message)
                for number, (topic, time_ns, message) in enumerate(camera_messages(14))]
    bad = {to_cdr(message) for topic, _, message in messages[18:36] if topic == INFO}
    read = MessageTypes.read
    monkeypatch.setattr(MessageTypes, 'read', lambda self, data, kind: read(
        self, b'' if bytes(data) in bad else data, kind))

    require_equal(write_bag(tmp_path / 'in', messages, storage), storage=storage)


@STORAGES
@pytest.mark.parametrize('warm_up', [1, 4, 50])
@pytest.mark.parametrize('copy_input', [False, True])
def test_segments_that_are_warmed_up(require_equal, tmp_path, storage, warm_up, copy_input):
    messages = spoil(list(camera_messages(11)), 2, 7)

    _, outputs = require_equal(write_bag(tmp_path / 'in', messages, storage), warm_up=warm_up,
                               storage=storage, copy_input=copy_input)

    assert sum(output.result.frames for output in outputs.values()) == 9


def test_a_warm_up_changes_the_maps_behind_it(require_equal, tmp_path):
    source = write_camera_bag(tmp_path / 'in', 6)
    _, cold = require_equal(source)
    for folder in ('whole', 'parts'):
        shutil.rmtree(tmp_path / folder)
    _, warm = require_equal(source, warm_up=2)

    assert cold[0].result.statistics.values()['active_fraction'] == (
        warm[0].result.statistics.values()['active_fraction'])
    assert cold[1].result.statistics.values()['active_fraction'] > (
        warm[1].result.statistics.values()['active_fraction'])


@pytest.mark.parametrize('chunk_size', [1, 50_000, 200_000])
def test_segments_of_chunks_of_any_size_and_order(require_equal, tmp_path, chunk_size):
    found = camera_rows(12)
    random.Random(1).shuffle(found)
    same = [replace(row, time_ns=START_NS + row.time_ns % 7) for row in found]

    for number, written in enumerate((found, same)):
        source = write_mcap(tmp_path / f'in{number}.mcap', written, chunk_size=chunk_size)
        require_equal(source, segment=5)
        for folder in ('whole', 'parts'):
            shutil.rmtree(tmp_path / folder)


def test_a_later_segment_reads_nothing_of_the_images_before(engine, plan, tmp_path):
    source = write_mcap(tmp_path / 'in.mcap', camera_rows(30), chunk_size=50_000)
    with Bag(source) as bag:
        segments = find_segments(bag, plan(source, segment=10))
    data = bytearray(source.read_bytes())
    # the first calibration is in the first chunks, the last eight come right before the segment
    data[len(data) // 6:len(data) // 6 + 500] = bytes(500)
    source.write_bytes(data)
    planned = plan(source, segment=10)
    planned.target.mkdir(parents=True)

    assert compute_alone(planned, engine, segments[2]).frames == list(range(20, 30))
    with pytest.raises(WrongIndexError, match='images 0 to 10; read it from its beginning'):
        compute_alone(planned, engine, segments[0])
    assert [path.name for path in planned.target.iterdir()] == ['out_2.mcap']


def test_an_interrupted_run_reads_nothing_of_what_it_has(engine, plan, tmp_path):
    def stop(done):
        if done == 25:
            raise KeyboardInterrupt

    source = write_mcap(tmp_path / 'in.mcap', camera_rows(30), chunk_size=50_000)
    for folder, progress in (('whole', lambda done: None), ('again', stop)):
        planned = plan(source, folder, segment=10)
        planned.target.parent.mkdir()
        with Bag(source) as bag, suppress(KeyboardInterrupt):
            BagRun(bag, planned, engine).run(progress)
    data = bytearray(source.read_bytes())
    data[len(data) // 6:len(data) // 6 + 500] = bytes(500)
    source.write_bytes(data)

    with Bag(source) as bag:
        BagRun(bag, planned, engine).run()
        assert not bag.damages
    assert files_of(planned.target) == files_of(plan(source).target)


@pytest.mark.parametrize('change', [
    {'images': 2}, {'end_position': 7}, {'end_ns': START_NS}])
def test_a_segment_that_is_not_as_its_index_says_is_refused(engine, plan, tmp_path, change):
    planned = plan(write_camera_bag(tmp_path / 'in', 6))
    planned.target.mkdir(parents=True)
    with Bag(planned.source) as bag:
        segment = find_segments(bag, planned)[1]

    with pytest.raises(WrongIndexError, match='does not hold what its index says'):
        compute_alone(planned, engine, replace(segment, **change))
    assert not list(planned.target.iterdir())


@STORAGES
def test_the_rest_of_a_recording_from_a_segment_on(engine, plan, require_equal, tmp_path, storage):
    source = write_camera_bag(tmp_path / 'in', 7, storage)
    segments, outputs = require_equal(source, storage=storage)
    rest = segments[1].from_beginning()

    again = plan(source, 'again', storage)
    again.target.mkdir(parents=True)
    compute_alone(again, engine, rest, count=None)

    assert files_of(again.target).items() <= files_of(plan(source, 'parts').target).items()


def test_segments_of_a_database_with_a_write_ahead_log(require_equal, tmp_path):
    messages = list(camera_messages(8))

    segments, _ = require_equal(write_database(tmp_path / 'in.db3', messages, log=True))

    assert [segment.images for segment in segments] == [3, 3, 2]
