"""Two models on the same frames: how much their maps differ, and where most."""

from dataclasses import replace
import io
import json

import numpy as np
from PIL import Image
import pytest
from tiny import TINY
import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.fleet.summary.comparable import CommonClasses
from mtshare_ros.fleet.summary.comparison import APART_NS, Comparison, MOST
from mtshare_ros.fleet.summary.map_differences import camera_of_second, Overlap
from mtshare_ros.image_frame import frame_to_cover, Pinhole
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import FrameStats, InferenceSettings, Prediction
from mtshare_ros.model.checkpoint import Checkpoint
from mtshare_ros.model.network import build_model
from mtshare_ros.recording.frames import RecordedFrame
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import DEFAULT_TASKS, LabelSet

SETTINGS = InferenceSettings(DEFAULT_TASKS, SharingSettings(crossover=1.0))


@pytest.fixture(scope='module')
def first(tiny_model):
    return Engine.load(str(tiny_model), device='cpu')


@pytest.fixture(scope='module')
def make_engine(tiny_description):
    """Return a function that makes a tiny engine with other weights."""
    def make(seed=1, tasks=DEFAULT_TASKS, labels=tiny_description.labels, architecture=TINY,
             **options):
        torch.manual_seed(seed)
        network = build_model(architecture, tasks, len(labels))
        description = replace(tiny_description, tasks=tasks, labels=labels,
                              architecture=architecture)
        return Engine(Checkpoint(network.eval(), description), device='cpu', **options)
    return make


def images(count, size=(96, 128)):
    return np.random.default_rng(0).integers(0, 256, (count, *size, 3), np.uint8)


def compare(first, second, pictures, step_ns=10**8, settings=SETTINGS):
    """Return a comparison that has seen frames, and how it said that they differ."""
    comparison, session = Comparison(first, second, settings), first.new_session()
    found = []
    for number, image in enumerate(pictures):
        prediction = first.infer(image, session, settings)
        frame = RecordedFrame(image, number * step_ns, str(number), number=number)
        found.append(comparison.see(frame, prediction))
    return comparison, found


def test_a_model_does_not_differ_from_itself(first):
    comparison, found = compare(first, first, images(3))

    assert comparison.tasks == DEFAULT_TASKS and not comparison.notices
    assert [dict(item.by_task) for item in found] == 3 * [dict.fromkeys(DEFAULT_TASKS, 0.0)]
    assert comparison.values()['differing_pixels'] == 0


def test_other_weights_give_other_maps(first, make_engine):
    comparison, found = compare(first, make_engine(), images(2))

    assert all(0 < value for item in found for value in item.by_task.values())
    values = json.loads(json.dumps(comparison.values()))
    assert values['frames'] == 2 and values['us'] > 0
    assert values['semseg_ppm'] == sum(round(1e6 * item.by_task['semseg']) for item in found)
    assert values['differing_pixels'] == sum(item.differing_pixels for item in found)
    assert sum(values['depth'].values()) == values['depth_frames'] == 2


def test_a_segment_begins_with_nothing_counted_and_a_new_session(first, make_engine):
    second, pictures = make_engine(), images(3)
    comparison, found = compare(first, second, pictures)
    comparison.begin()

    assert comparison.values()['most_different'] == [] and comparison.pictures() == {}
    again = comparison.see(RecordedFrame(pictures[0], 0, '0'), first.infer(pictures[0]))
    assert again.by_task == found[0].by_task


def test_the_frames_that_differ_most_have_a_time_and_a_picture(first, make_engine):
    comparison, found = compare(first, make_engine(), images(6), step_ns=APART_NS)

    most = comparison.values()['most_different']
    scores = sorted((item.score for item in found), reverse=True)
    assert [item['score_ppm'] for item in most] == [
        round(1e6 * score) for score in scores[:MOST]]
    assert all(found[item['image']].score == pytest.approx(item['score_ppm'] / 1e6, abs=1e-6)
               and item['time_ns'] == item['image'] * APART_NS for item in most)
    pictures = comparison.pictures()
    assert set(pictures) == {item['picture'] for item in most}
    assert Image.open(io.BytesIO(pictures['-different-1'])).size == (256, 192)


def test_of_frames_next_to_each_other_only_the_most_different_is_kept(first, make_engine):
    comparison, found = compare(first, make_engine(), images(6), step_ns=APART_NS // 100)

    most, = comparison.values()['most_different']
    assert most['score_ppm'] == round(1e6 * max(item.score for item in found))


def test_frames_that_are_kept_are_a_second_apart(first, make_engine):
    comparison, found = compare(first, make_engine(), images(12), step_ns=APART_NS // 4)

    times = sorted(item['time_ns'] for item in comparison.values()['most_different'])
    assert len(times) >= 2
    assert all(later - earlier >= APART_NS for earlier, later in zip(times, times[1:]))


def test_classes_are_matched_by_name_and_others_are_named(first, make_engine, tiny_description):
    names = ('Chair', 'unicorn', 'wall ', *tiny_description.labels.names[3:6])
    labels = LabelSet('other', names, tuple((number, 0, 0) for number in range(6)))

    comparison, found = compare(first, make_engine(labels=labels), images(1))

    assert set(comparison.classes.names) >= {'wall', 'chair'}
    assert any('only the model has the classes unicorn' in line for line in comparison.notices)
    assert found[0].compared_pixels < 96 * 128


def test_models_without_a_common_class_are_compared_by_their_other_maps(first, make_engine):
    labels = LabelSet('other', ('unicorn',), ((1, 2, 3),))

    comparison, found = compare(first, make_engine(labels=labels), images(1))

    assert 'semseg' not in found[0].by_task and 'depth' in found[0].by_task
    line, = comparison.notices
    assert 'no class of' in line


def test_a_task_that_only_one_model_has_is_named(first, make_engine):
    comparison, found = compare(first, make_engine(tasks=('depth',)), images(1))

    assert set(found[0].by_task) == {'depth'}
    assert comparison.notices == tuple(
        f'the model has no {task}' for task in ('semseg', 'normals', 'edge'))


def test_a_model_with_nothing_to_compare_is_refused(first, make_engine):
    with pytest.raises(ConfigError, match='--compare.*has no depth.*give a model'):
        Comparison(first, make_engine(tasks=('edge',)), InferenceSettings(('depth',)))


def test_maps_of_another_size_are_compared_at_the_same_places(first, make_engine):
    wide = make_engine(input_size=(96, 64))

    comparison, found = compare(first, wide, images(1, (120, 200)))

    assert found[0].by_task and comparison.pictures()


def test_an_overlap_pairs_pixels_that_show_the_same_part_of_the_image():
    source = np.add.outer(np.arange(120), 1000 * np.arange(160)).astype(np.int64)
    ours, theirs = frame_to_cover((120, 160), (96, 128)), frame_to_cover((120, 160), (60, 60))

    first, second = Overlap(ours, theirs).pick(ours.pick(source), theirs.pick(source))

    assert first.shape[0] == 96 and 90 <= first.shape[1] <= 98
    apart = np.abs(first - second)
    assert (apart % 1000).max() <= 2 or (apart // 1000).max() <= 2


def test_a_point_is_seen_at_the_same_place_by_the_camera_of_the_second_maps():
    source = Pinhole(100.0, 110.0, 80.0, 55.0)
    matrix = np.array([[100.0, 0, 80.0], [0, 110.0, 55.0], [0, 0, 1]])
    ours, theirs = frame_to_cover((120, 160), (96, 128)), frame_to_cover((120, 160), (60, 60))
    first, second = (framing.scale_intrinsics(matrix) for framing in (ours, theirs))
    camera = Pinhole(first[0, 0], first[1, 1], first[0, 2], first[1, 2])

    found = camera_of_second(camera, ours, theirs)

    assert (found.fx, found.fy, found.cx, found.cy) == pytest.approx(
        (second[0, 0], second[1, 1], second[0, 2], second[1, 2]))
    assert found.fx < source.fx


def test_a_reset_of_the_first_session_is_one_of_the_second(first, make_engine):
    second, pictures = make_engine(), images(2)
    comparison = Comparison(first, second, SETTINGS)
    comparison.see(RecordedFrame(pictures[0], 0, '0'), first.infer(pictures[0]))
    reset = replace(first.infer(pictures[1]), stats=FrameStats(1.0, reset_reason='a gap'))

    found = comparison.see(RecordedFrame(pictures[1], 1, '1'), reset)

    alone = Comparison(first, second, SETTINGS).see(RecordedFrame(pictures[1], 1, '1'), reset)
    assert found.by_task == alone.by_task


def test_common_classes_keep_the_order_of_the_first_model():
    first = LabelSet('a', ('x', 'y', 'z'), 3 * ((0, 0, 0),))
    second = LabelSet('b', ('z', 'X'), 2 * ((0, 0, 0),))

    common = CommonClasses.of(first, second)

    assert common.names == ('x', 'z')
    assert list(common.first[:4]) == [0, 255, 1, 255]
    assert list(common.second[:3]) == [1, 0, 255]
    assert common.left_out(first, second) == (('y',), ())


def test_an_empty_mask_of_a_first_model_is_not_compared(first, make_engine):
    image = images(1)[0]
    nothing = Prediction(frame_to_cover((96, 128), (96, 128)), FrameStats(1.0), image,
                         mask=np.full((96, 128), 255, np.uint8))

    found = Comparison(first, make_engine(), SETTINGS).see(RecordedFrame(image, 0, '0'), nothing)

    assert found.by_task == {} and found.score == 0
